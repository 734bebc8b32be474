/**
 * The simulation as one bundle, as it is or with the code under test broken on purpose, and its runs in threads. A break
 * is a change of source text: production code holds no switch for it.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { build, type Plugin } from 'esbuild';
import { z } from 'zod';
import type { Coverage } from './coverage.ts';

export interface Edit {
  /** Must occur exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

export interface Break {
  readonly name: string;
  /** From the root of the repository. */
  readonly file: string;
  readonly edits: readonly Edit[];
}

export interface Bundle {
  readonly file: string;
  dispose(): Promise<void>;
}

const ROOT = path.join(import.meta.dirname, '..', '..');

/** `entry`: what a thread of it runs. Throws when an edit does not fit the source any more. */
export async function bundle(broken?: Break, entry = path.join(import.meta.dirname, 'shard.ts')): Promise<Bundle> {
  const folder = await mkdtemp(path.join(tmpdir(), 'meshwright-simulation-'));
  const file = path.join(folder, 'shard.cjs');
  const dispose = () => rm(folder, { recursive: true, force: true });
  const built = build({
    entryPoints: [entry],
    outfile: file,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'silent',
    plugins: broken ? [breaking(broken)] : [],
  });
  await built.catch(async (error: unknown) => {
    await dispose();
    throw error;
  });
  return { file, dispose };
}

function breaking({ file, edits }: Break): Plugin {
  const target = path.join(ROOT, file);
  return {
    name: 'break',
    setup({ onLoad, onEnd }) {
      let loaded = false;
      onLoad({ filter: /\.ts$/ }, async ({ path: loading }) => {
        if (loading !== target) return undefined;
        loaded = true;
        return { contents: edited(await readFile(target, 'utf8'), file, edits), loader: 'ts' };
      });
      onEnd(() => {
        if (!loaded) throw new Error(`${file} is not part of the simulation; nothing was broken.`);
      });
    },
  };
}

export function edited(source: string, file: string, edits: readonly Edit[]): string {
  return edits.reduce((text, { find, replace }) => {
    const count = text.split(find).length - 1;
    if (count !== 1) throw new Error(`"${find}" occurs ${count} times in ${file} instead of once; fit the break to the code.`);
    return text.replace(find, () => replace);
  }, source);
}

export interface ShardResult {
  readonly coverage: Coverage;
  readonly violated: { readonly seed: number; readonly violation: string } | undefined;
}

const count = z.number();
const resultSchema: z.ZodType<ShardResult> = z.object({
  coverage: z.object({
    histories: count,
    substantial: count,
    steps: count,
    commits: count,
    started: count,
    succeeded: count,
    returned: count,
    faults: z.record(z.string(), count),
  }),
  violated: z.object({ seed: count, violation: z.string() }).or(z.undefined()),
});

/** Runs seeds `from` to `from + seeds - 1`, or to the first that violates an invariant. */
export function runShard(file: string, from: number, seeds: number): Promise<ShardResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(file, { workerData: { from, seeds } });
    worker.once('message', (message: unknown) => resolve(resultSchema.parse(message)));
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`The shard ended with ${code} and said nothing.`)));
  });
}
