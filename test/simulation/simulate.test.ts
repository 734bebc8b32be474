/** The whole app through thousands of seeded histories with faults worse than Azure's; every invariant holds in all of them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bundle, bundle, runShard } from './builds.ts';
import { type Coverage, coverageLine, sum } from './coverage.ts';
import { FAULT_KINDS } from './faults.ts';
import { runHistory } from './history.ts';

const SEEDS = 2_000;
const SHARDS = 2;

describe('The whole app, simulated', () => {
  let simulation: Bundle;
  let coverage: Coverage;

  beforeAll(async () => {
    simulation = await bundle();
  });
  afterAll(() => simulation.dispose());

  it(`keeps every invariant in ${SEEDS} histories`, { timeout: 300_000 }, async () => {
    const begun = performance.now();
    const each = SEEDS / SHARDS;
    const shards = await Promise.all(Array.from({ length: SHARDS }, (_, index) => runShard(simulation.file, 1 + index * each, each)));
    coverage = shards.map((shard) => shard.coverage).reduce(sum);
    console.log(coverageLine(coverage, (performance.now() - begun) / 1000));
    for (const { violated } of shards) {
      if (violated) expect.fail(`${violated.violation}\nReplay it: npm run simulate -- --seed ${violated.seed}`);
    }
    expect(coverage.histories).toBe(SEEDS);
  });

  it('in at least half of which a rollout reaches two steps and something goes wrong', () => {
    expect(coverage.substantial / coverage.histories).toBeGreaterThanOrEqual(0.5);
  });

  it('and every kind of fault strikes, often', () => {
    expect(FAULT_KINDS.filter((kind) => (coverage.faults[kind] ?? 0) < 20)).toEqual([]);
  });

  it('replays a seed exactly', async () => {
    for (const seed of [3, 5, 8, 13, 21]) {
      const once = await runHistory(seed, true);
      const again = await runHistory(seed, true);
      expect(once.trace.length).toBeGreaterThan(100);
      expect(again.trace).toEqual(once.trace);
      expect(again.fingerprint).toBe(once.fingerprint);
      expect((await runHistory(seed)).steps).toBe(once.steps);
    }
  });

  it('and different seeds are different histories', async () => {
    const [one, other] = await Promise.all([runHistory(1, true), runHistory(2, true)]);
    expect(one.fingerprint).not.toBe(other.fingerprint);
  });
});
