/**
 * Puts together what is deployed: `npm run package:azure` builds, and leaves in `build/azure` the functions with everything they need, so that
 * nothing is installed or built where they run.
 */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const ROOT = join(import.meta.dirname, '..');
const manifestSchema = z.object({ name: z.string(), version: z.string(), type: z.literal('module'), main: z.string() });

/** `dist` has to be built. What was in `to` before is gone. */
export async function packageFunctions(to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { recursive: true });
  for (const part of ['host.json', 'dist/functions', 'dist/chunks']) await cp(join(ROOT, part), join(to, part), { recursive: true });
  // Without dependencies and scripts: all that is used is in the bundles.
  const manifest = manifestSchema.parse(JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')));
  await writeFile(join(to, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

if (process.argv[1] === import.meta.filename) await packageFunctions(join(ROOT, 'build/azure'));
