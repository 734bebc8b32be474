/** Durations as Envoy's JSON has them. */

/** google.protobuf.Duration in JSON: seconds with 0 or 3 decimals. */
export function protoDuration(ms: number): string {
  return `${ms % 1000 === 0 ? ms / 1000 : (ms / 1000).toFixed(3)}s`;
}
