/**
 * The little that alert rules watch of meshes, as one line that the functions log: log queries count lines, and read no gauges. The rules are
 * in infra/alerts.bicep and name these fields. Pure.
 */
import type { TrustStatus } from '../rotating.ts';
import type { ServiceStatus } from '../status.ts';

export interface Measured {
  /** Until the first of the roots in force and serving certificates ends, below 0 once it has; `null` where there is none. */
  readonly certificateEndsInSeconds: number | null;
  /** Certificates of any kind that should have been replaced by now. */
  readonly certificatesLate: number;
  /** How long the longest has been owed, or a deadline been over; 0 where there is nothing. */
  readonly stuckForSeconds: number;
}

/** `now`: epoch ms. */
export function measured(now: number, trust: readonly TrustStatus[], services: readonly ServiceStatus[]): Measured {
  const certificates = trust.flatMap(({ inventory }) => inventory.certificates);
  const ends = certificates
    .filter(({ kind, role }) => kind === 'serving' || (kind === 'root' && role === 'current'))
    .map(({ notAfter }) => notAfter);
  const since = [
    ...[...trust, ...services].flatMap(({ pending }) => pending.map(({ since: owed }) => owed)),
    ...services.flatMap(({ rollout }) => (rollout?.deadline ? [rollout.deadline.at] : [])),
    ...trust.flatMap(({ rotation }) => (rotation?.mustLeaveBy === undefined ? [] : [rotation.mustLeaveBy])),
  ];
  return {
    certificateEndsInSeconds: ends.length === 0 ? null : seconds(Math.min(...ends) - now),
    certificatesLate: certificates.filter(({ standing }) => standing === 'late' || standing === 'expired').length,
    stuckForSeconds: Math.max(0, ...since.map((time) => seconds(now - time))),
  };
}

const seconds = (ms: number): number => Math.floor(ms / 1_000);
