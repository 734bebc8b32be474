/**
 * Whether a region runs this version of Node on Flex Consumption, asked of Azure before anything is made: `npm run check:region`, which
 * azd does first. Reads AZURE_LOCATION and MESHWRIGHT_RUNTIME_VERSION; ends with 1 and one sentence where it does not.
 */
import { spawnSync } from 'node:child_process';
import { z } from 'zod';

const offeredSchema = z.array(z.object({ version: z.string() }));

/** `offered`: what `az functionapp list-flexconsumption-runtimes` answers. `undefined`: it is there. */
export function regionProblem(offered: unknown, location: string, version: string): string | undefined {
  const parsed = offeredSchema.safeParse(offered);
  if (!parsed.success) return `What Azure says of ${location} cannot be read; look with az functionapp list-flexconsumption-runtimes.`;
  const versions = parsed.data.map((each) => each.version);
  if (versions.length === 0) return `${location} has no Flex Consumption for Node; choose another region with azd env set AZURE_LOCATION.`;
  if (versions.includes(version)) return undefined;
  return `${location} runs Node ${versions.join(', ')} and not ${version}; choose one with azd env set MESHWRIGHT_RUNTIME_VERSION.`;
}

function main(): number {
  const location = process.env.AZURE_LOCATION ?? '';
  const version = process.env.MESHWRIGHT_RUNTIME_VERSION || '22';
  const asked = ['functionapp', 'list-flexconsumption-runtimes', '--location', location, '--runtime', 'node', '--output', 'json'];
  const { error, status, stdout, stderr } = spawnSync('az', asked, { encoding: 'utf8', shell: process.platform === 'win32' });
  if (error) {
    console.log('The Azure CLI (az) is not here: whether the region runs this version of Node was not checked.');
    return 0;
  }
  if (status !== 0) {
    console.error(`Azure could not be asked what ${location} runs: ${stderr.trim().split('\n').at(-1)}`);
    return 1;
  }
  const problem = regionProblem(JSON.parse(stdout), location, version);
  if (problem !== undefined) console.error(problem);
  return problem === undefined ? 0 : 1;
}

if (process.argv[1] === import.meta.filename) process.exitCode = main();
