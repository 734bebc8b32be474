/** In no second of any history can two honest workloads not talk, save those that were named when a gate was forced; every rotation comes to its end, and in calm ones nothing is overdue. */
import { describe, expect, it } from 'vitest';
import { type History, runHistory } from './history.ts';
import { MOODS, type Mood } from './temper.ts';

const SEEDS = 60;
const CALM_SEEDS = 100;
const seeds = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);
const lived = new Map<Mood, readonly (History & { readonly seed: number })[]>();

function historiesOf(mood: Mood): readonly (History & { readonly seed: number })[] {
  const histories = lived.get(mood) ?? seeds(SEEDS).map((seed) => ({ seed, ...runHistory(seed, mood) }));
  lived.set(mood, histories);
  return histories;
}

describe('Histories of a fleet', () => {
  for (const mood of MOODS) {
    it(`(${mood}) hold what was promised`, { timeout: 240_000 }, () => {
      const histories = historiesOf(mood);
      expect(histories.flatMap(({ seed, violation }) => (violation === undefined ? [] : [`seed ${seed}: ${violation}`]))).toEqual([]);
      expect(histories.filter(({ rotated }) => rotated > 0).length).toBeGreaterThan(SEEDS / 10);
      const failed = histories.filter(({ failedAsNamed }) => failedAsNamed > 0).length;
      if (mood === 'forcing') expect(failed, 'somebody breaks who was named').toBeGreaterThan(SEEDS / 10);
      else expect(failed, 'nobody is named').toBe(0);
    });
  }

  it('have rollouts wait for rotations, and not for long', { timeout: 240_000 }, () => {
    const waited = MOODS.flatMap((mood) => historiesOf(mood).map((history) => history.waited));
    expect(waited.filter((times) => times > 0).length).toBeGreaterThan(waited.length / 5);
  });

  it('are aborted in every phase', { timeout: 240_000 }, () => {
    const aborted = new Set(MOODS.flatMap((mood) => historiesOf(mood).flatMap(({ abortedFrom }) => abortedFrom)));
    expect([...aborted].sort()).toEqual(['distributing', 'issuing', 'prepared', 'preparing', 'pruned', 'retired', 'soaking']);
  });

  it('in which everybody follows rotate again and again, each phase in its time', { timeout: 240_000 }, () => {
    const histories = seeds(CALM_SEEDS).map((seed) => runHistory(seed, 'calm'));
    expect(histories.map(({ violation, overdue }) => ({ violation, overdue }))).toEqual(
      histories.map(() => ({ violation: undefined, overdue: 0 })),
    );
    expect(histories.every(({ rotated }) => rotated > 2)).toBe(true);
  });
});
