/**
 * What stands in the way of giving a candidate traffic, or more of it: an alert, or a data plane where it is not seen ready. And what only
 * advises against it: a change of the mesh's trust that is not seen everywhere yet.
 */
import type { ServiceContext } from './commands.ts';
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

/** Why a candidate gets no more traffic now, in a sentence; `undefined`: nothing speaks against it. */
export function obstacleTo(state: ServiceState, version: string, context: ServiceContext): string | undefined {
  const alert = standingAlert(state, context.now);
  if (alert) return `The alert ${alert.rule} stands.`;
  if (context.readinessOf(version) === 'ready') return undefined;
  return `${version} is not seen ready on ${context.notReadyOn(version).join(', ')}.`;
}

/** Until its deadline (epoch ms) a change of traffic waits for a change of trust, so that what goes wrong has one cause; then it goes on. */
export const adviceAgainst = ({ now, trustChanges }: ServiceContext, deadline: number): string | undefined =>
  now < deadline ? trustChanges : undefined;
