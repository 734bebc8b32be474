/** The simulation finds what it is there to find: each broken build is caught, and it is the break that is caught. */
import { describe, expect, it } from 'vitest';
import { BROKEN_BUILDS } from './broken-builds.ts';
import { bundle, edited, runShard } from './builds.ts';

const MOST_SEEDS = 2_000;

describe('A build broken on purpose is caught', () => {
  for (const broken of BROKEN_BUILDS) {
    it(`${broken.name}`, { timeout: 240_000 }, async () => {
      const [wrong, right] = await Promise.all([bundle(broken), bundle()]);
      try {
        const { violated } = await runShard(wrong.file, 1, MOST_SEEDS);
        expect(violated, `no invariant was violated in ${MOST_SEEDS} seeds`).toBeDefined();
        const seed = violated?.seed ?? 0;
        console.log(`${broken.name}: caught after ${seed} seeds (${violated?.violation.slice(0, 160)})`);
        const { violated: unbroken } = await runShard(right.file, seed, 1);
        expect(unbroken, 'the same history without the break').toBeUndefined();
      } finally {
        await Promise.all([wrong.dispose(), right.dispose()]);
      }
    });
  }

  it('and a break that does not fit the source any more is said to be none', () => {
    expect(() => edited('a b b', 'some.ts', [{ find: 'b', replace: 'c' }])).toThrow(/occurs 2 times in some\.ts/);
    expect(() => edited('a', 'some.ts', [{ find: 'b', replace: 'c' }])).toThrow(/occurs 0 times/);
  });
});
