/** Durations and shares as other tools write them, in the units of a spec: milliseconds and whole percentages. */
import type { WeightedVersion } from '../plan/plan.ts';

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1, us: 0.001, µs: 0.001, ns: 0.000_001 };

/** Go's durations and those of proto JSON (`1.5s`, `1h2m`, `250ms`), in whole milliseconds; `undefined` when `text` is none. */
export function milliseconds(text: string): number | undefined {
  if (text === '0') return 0;
  if (!/^(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+$/.test(text)) return undefined;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g)];
  return Math.round(parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS[unit ?? ''] ?? 0), 0));
}

export interface Percentages {
  readonly split: readonly WeightedVersion[];
  /** The weights were no whole percentages that sum to 100. */
  readonly normalized: boolean;
}

/** Weights are proportions; the largest remainders are rounded up. `undefined`: there is no weight but 0. Equal versions are added. */
export function percentages(weights: readonly WeightedVersion[]): Percentages | undefined {
  const byVersion = new Map<string, number>();
  for (const { version, weight } of weights) byVersion.set(version, (byVersion.get(version) ?? 0) + weight);
  const total = [...byVersion.values()].reduce((sum, weight) => sum + weight, 0);
  if (total <= 0) return undefined;
  const shares = [...byVersion].map(([version, weight]) => ({ version, share: (weight * 100) / total }));
  const missing = 100 - shares.reduce((sum, { share }) => sum + Math.floor(share), 0);
  const raised = new Set(
    shares
      .toSorted((a, b) => (b.share % 1) - (a.share % 1) || (a.version < b.version ? -1 : 1))
      .slice(0, missing)
      .map(({ version }) => version),
  );
  const split = shares.map(({ version, share }) => ({ version, weight: Math.floor(share) + (raised.has(version) ? 1 : 0) }));
  return {
    split: split.toSorted((a, b) => (a.version < b.version ? -1 : 1)),
    normalized: split.some(({ version, weight }) => weight !== byVersion.get(version)),
  };
}

/** A share of 1 to 100; `undefined`: nobody is meant. */
export function wholePercent(value: number): number | undefined {
  return value <= 0 ? undefined : Math.min(100, Math.max(1, Math.round(value)));
}

export const isWholePercent = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= 100;
