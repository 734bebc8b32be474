/**
 * What people type: any words after `meshwright`, in an empty folder of their own, with no meshwright to talk to. It answers with an exit
 * code and a sentence; commands that go on until they are ended are left out, and so are paths that lead elsewhere.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { run } from '../../../src/cli/program.ts';
import { type Running, targetLater } from '../target.ts';

const COMMANDS = [
  'status',
  'journal',
  'drift',
  'shadow',
  'parked',
  'deploy',
  'apply',
  'event',
  'alert',
  'pause',
  'resume',
  'promote',
  'abort',
  'plan',
  'export',
  'import',
  'join-token',
  'certificates',
  'rotate',
  'envoy',
  'schema',
  'help',
];
const OPTIONS = [
  '--url',
  '--mesh',
  '--json',
  '--limit',
  '--digest',
  '--again',
  '--rule',
  '--resolved',
  '--reason',
  '--force',
  '--against',
  '--as',
  '--out',
  '--custom-resources',
  '--to',
  '--context',
  '--hours',
  '--node',
  '--data-plane',
  '--xds',
  '--outbound',
  '--inbound',
  '--workload',
  '--seen',
  '--cause',
  '--until',
  '--help',
  '--version',
  '--',
];
const VALUES = [
  'catalog',
  'shop',
  'v2',
  '-',
  '.',
  'spec',
  'bootstrap',
  'Mesh',
  'Service',
  'istio',
  'envoy',
  'consul',
  '0',
  '-1',
  '1e9',
  'NaN',
  '127.0.0.1:80',
  '[::1]:99999',
  'catalog:v1:8080',
  'shop:web',
  'http:',
  '',
];

const word = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...COMMANDS, ...OPTIONS) },
  { weight: 3, arbitrary: fc.constantFrom(...VALUES) },
  // No operating system hands over a zero, and no path is to lead out of the folder.
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }).map((text) => text.replaceAll(/[\0/\\~]|\.\./g, '_')) },
);

export async function commandLineTargets(): Promise<Running> {
  const folder = await mkdtemp(join(tmpdir(), 'meshwright-fuzz-'));
  const before = process.cwd();
  // Folders that commands read and write are looked for from here.
  process.chdir(folder);
  const target = targetLater<readonly string[]>(
    {
      name: 'command-line',
      share: 800,
      inputs: fc.tuple(fc.constantFrom(...COMMANDS), fc.array(word, { maxLength: 7 })).map(([command, rest]) => [command, ...rest]),
    },
    async (argv) => {
      const said: string[] = [];
      const code = await run(argv, {
        out: (text) => said.push(text),
        err: (text) => said.push(text),
        clear: () => {},
        isScreen: false,
        now: () => 0,
        readIn: async () => '{"no":"event"}',
        // A port that nobody listens at.
        environment: { MESHWRIGHT_URL: 'http://127.0.0.1:1' },
        workingDirectory: folder,
      });
      if (code !== 0 && said.join('').trim() === '') throw new Error(`It ends with ${code} and says nothing.`);
    },
  );
  return {
    targets: [target],
    async stop() {
      process.chdir(before);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
