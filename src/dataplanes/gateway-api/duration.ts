/** Durations as Gateway API writes them: GEP-2257, at most five digits a unit, largest unit first. */

const UNITS = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const;

/** `ms` whole and not negative: `90500` is `1m30s500ms`, and `0` is `0s`. */
export function gatewayDuration(ms: number): string {
  let rest = ms;
  const parts = UNITS.map(([unit, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count === 0 ? '' : `${count}${unit}`;
  });
  return parts.join('') || '0s';
}
