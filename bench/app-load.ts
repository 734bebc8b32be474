/**
 * What loading this app costs over loading an empty one: `dist/functions` and an app of one function that answers 200,
 * bundled in the same way, each loaded in processes of their own, in turn. Loaded by the collector of `src/local/host`, which
 * drives `@azure/functions` as Azure's Node worker does; the worker itself is not to be had from a package registry.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { z } from 'zod';
import { type Benchmark, percentile, tenths } from './figure.ts';

const NAME = 'app_load_over_empty_ms';
const TARGET_MS = 30;
const PAIRS = 25;
const root = join(import.meta.dirname, '..');
const run = promisify(execFile);

export const appLoad: Benchmark = {
  names: [NAME],
  async measure(progress) {
    const scratch = await mkdtemp(join(tmpdir(), 'meshwright-bench-app-'));
    try {
      const empty = await emptyApp(scratch);
      const ours = join(root, 'dist');
      // What is read for the first time comes from the disk.
      for (const app of [empty, ours]) await loadOnce(app);
      const pairs: { readonly empty: number; readonly ours: number }[] = [];
      for (let pair = 0; pair < PAIRS; pair += 1) pairs.push({ empty: await loadOnce(empty), ours: await loadOnce(ours) });
      const [mid, midOfEmpty, midOfOurs] = [
        percentile(
          pairs.map((pair) => pair.ours - pair.empty),
          0.5,
        ),
        percentile(
          pairs.map((pair) => pair.empty),
          0.5,
        ),
        percentile(
          pairs.map((pair) => pair.ours),
          0.5,
        ),
      ];
      progress(`${PAIRS} pairs: ${tenths(midOfOurs)} ms over ${tenths(midOfEmpty)} ms`);
      const value = tenths(mid);
      const figure = {
        name: NAME,
        value,
        unit: 'ms',
        target: TARGET_MS,
        peer: 'with the Azure SDKs bundled but loaded at once 75 to 80, unbundled 190 (in the Functions Node worker 3.9.1)',
        note: `Median difference of ${PAIRS} alternating pairs of fresh processes, start to loaded: ${tenths(midOfOurs)} ms and ${tenths(midOfEmpty)} ms. Loaded by this project's own collector; the Functions Node worker is not in any package registry.`,
      };
      const cause = `Load ${loadavg()[0]?.toFixed(1)} on ${cpus().length} cores; where it was taken apart, 22 ms went to loading zod, which every door needs, some 18 to the rooms behind the doors and their schemas, and a good 1 to each of the entry files, one a function.`;
      return [value > TARGET_MS ? { ...figure, cause } : figure];
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  },
};

async function emptyApp(scratch: string): Promise<string> {
  const source = join(scratch, 'ok.ts');
  await mkdir(join(scratch, 'functions'));
  await symlink(join(root, 'node_modules'), join(scratch, 'node_modules'));
  await writeFile(source, `import { app } from '@azure/functions';\napp.http('ok', { handler: async () => ({ status: 200 }) });\n`);
  await build({
    entryPoints: [source],
    outfile: join(scratch, 'functions/ok.js'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    external: ['@azure/functions-core'],
    banner: { js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" },
    logLevel: 'warning',
  });
  await writeFile(join(scratch, 'package.json'), '{"type":"module"}');
  return scratch;
}

/** Milliseconds from the start of a process until it has loaded the app in `directory`. */
async function loadOnce(directory: string): Promise<number> {
  const { stdout } = await run(process.execPath, ['--no-warnings', join(import.meta.dirname, 'load-app.ts'), directory]);
  return z.object({ loadedMs: z.number(), functions: z.int().min(1) }).parse(JSON.parse(stdout)).loadedMs;
}
