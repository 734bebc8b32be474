/** In no second of any history can two honest workloads not talk; every rotation comes to its end, and in calm ones nothing is overdue. */
import { describe, expect, it } from 'vitest';
import { runHistory } from './history.ts';

const SEEDS = 600;
const CALM_SEEDS = 100;
const seeds = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);

describe('Histories of a fleet', () => {
  it('hold what was promised, with lags, losses, absences and aborts in every phase', { timeout: 240_000 }, () => {
    const histories = seeds(SEEDS).map((seed) => ({ seed, ...runHistory(seed) }));
    expect(histories.flatMap(({ seed, violation }) => (violation === undefined ? [] : [`seed ${seed}: ${violation}`]))).toEqual([]);
    const aborted = new Set(histories.flatMap(({ abortedFrom }) => abortedFrom));
    expect([...aborted].sort()).toEqual(['distributing', 'issuing', 'prepared', 'preparing', 'pruned', 'retired', 'soaking']);
    expect(histories.filter(({ rotated }) => rotated > 0).length).toBeGreaterThan(SEEDS / 4);
  });

  it('in which everybody follows rotate again and again, each phase in its time', { timeout: 240_000 }, () => {
    const histories = seeds(CALM_SEEDS).map((seed) => runHistory(seed, { calm: true }));
    expect(histories.map(({ violation, overdue }) => ({ violation, overdue }))).toEqual(
      histories.map(() => ({ violation: undefined, overdue: 0 })),
    );
    expect(histories.every(({ rotated }) => rotated > 2)).toBe(true);
  });
});
