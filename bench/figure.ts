/** What a benchmark gives: figures under the names they are known by, each beside its target, and why where it is missed. */

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The value is to be no more than this, or no less where it is a pace. */
  readonly target: number;
  readonly atLeast?: true;
  /** What others were measured to need, in words. */
  readonly peer?: string;
  /** How it was measured, as far as the name does not say it, and what was counted beside it. */
  readonly note?: string;
  /** Where the time or memory of a missed target went. */
  readonly cause?: string;
}

export interface Benchmark {
  /** The names of all figures it gives. */
  readonly names: readonly string[];
  /** Rejects when the figures could not be measured; a missed target is a figure like any other. */
  measure(progress: (sentence: string) => void): Promise<readonly Figure[]>;
}

export const isReached = ({ value, target, atLeast }: Pick<Figure, 'value' | 'target' | 'atLeast'>): boolean =>
  atLeast ? value >= target : value <= target;

/** The nearest-rank percentile: the smallest value that `share` (0..1) of all values do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const value = values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(values.length * share) - 1)];
  if (value === undefined) throw new Error('There is no percentile of nothing.');
  return value;
}

export const tenths = (value: number): number => Math.round(value * 10) / 10;
