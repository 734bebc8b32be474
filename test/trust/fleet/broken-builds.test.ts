/** The histories of a fleet find what they are there to find: each rule that is left out is missed, and it is that rule that is missed. */
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { bundle } from '../../simulation/builds.ts';
import { BROKEN_BUILDS } from './broken-builds.ts';
import type { Mood } from './temper.ts';

const SHARD = path.join(import.meta.dirname, 'shard.ts');
/** In its mood about every tenth catches it, so that none is missed however the draws fall. */
const MOST_SEEDS = 400;
const resultSchema = z.object({ violated: z.object({ seed: z.number(), violation: z.string() }).or(z.undefined()) });

function run(file: string, mood: Mood, from: number, seeds: number): Promise<z.infer<typeof resultSchema>> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(file, { workerData: { mood, from, seeds } });
    worker.once('message', (message: unknown) => resolve(resultSchema.parse(message)));
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`The shard ended with ${code} and said nothing.`)));
  });
}

describe('A rotation without one of its rules is caught', () => {
  for (const { broken, mood } of BROKEN_BUILDS) {
    it(broken.name, { timeout: 240_000 }, async () => {
      const [wrong, right] = await Promise.all([bundle(broken, SHARD), bundle(undefined, SHARD)]);
      try {
        const { violated } = await run(wrong.file, mood, 1, MOST_SEEDS);
        expect(violated, `nothing was violated in ${MOST_SEEDS} seeds`).toBeDefined();
        const seed = violated?.seed ?? 0;
        console.log(`${broken.name}: caught after ${seed} seeds, ${mood} (${violated?.violation.slice(0, 160)})`);
        const { violated: unbroken } = await run(right.file, mood, seed, 1);
        expect(unbroken, 'the same history with the rule').toBeUndefined();
      } finally {
        await Promise.all([wrong.dispose(), right.dispose()]);
      }
    });
  }
});
