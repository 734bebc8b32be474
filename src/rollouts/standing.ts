/** Whether an alert stands in the way of giving a candidate traffic, or more of it. */
import type { AlertRecord, ServiceState } from './state.ts';

/** Some alerts are never resolved (stateless log alerts): after a day one no longer stands in the way. */
const STANDS_MS = 24 * 3_600_000;

/** The earliest alert that fired and has not ended. */
export function standingAlert(state: ServiceState, now: number): AlertRecord | undefined {
  return Object.values(state.alerts)
    .filter(
      ({ firedAt, resolvedAt }) => firedAt !== undefined && now - firedAt < STANDS_MS && (resolvedAt === undefined || resolvedAt < firedAt),
    )
    .sort((a, b) => (a.firedAt ?? 0) - (b.firedAt ?? 0) || (a.rule < b.rule ? -1 : 1))[0];
}
