/**
 * When a rotation must begin and when each of its phases must be left, counted back from the day the old root ends. A phase takes at
 * most a leaf's life, in which each workload has to come for a new leaf anyway; soaking takes that and what clocks may be apart.
 */
import type { CertificatesSpec } from '../spec/certificates-schema.ts';
import type { Authority } from './certificates.ts';
import { type Lives, skewOf } from './gates.ts';
import { goesBack, type PhaseName, type Rotation, type TrustState } from './state.ts';

/** The share of a root's life that is left when it is replaced, where twice the time of a rotation is less. */
const LAST_SHARE = 0.1;
/** A rotation begins with twice the time that it takes. */
const ROOM = 2;
/** An issuer is replaced when half of its life is left. */
const ISSUER_SHARE = 0.5;

export const livesOf = ({ leafLifeMs }: Pick<CertificatesSpec, 'leafLifeMs'>): Lives => ({ leafLifeMs, skewMs: skewOf(leafLifeMs) });

export const soakMs = ({ leafLifeMs, skewMs }: Lives): number => leafLifeMs + skewMs;

const FORWARD: readonly PhaseName[] = ['distributing', 'issuing', 'soaking', 'pruned'];

/** What a phase may take, as it is planned with. */
export const plannedMs = (phase: PhaseName, lives: Lives): number => (phase === 'soaking' ? soakMs(lives) : lives.leafLifeMs);

/** From the first write of a trust bundle to the last. */
export const rotationMs = (lives: Lives): number => FORWARD.reduce((sum, phase) => sum + plannedMs(phase, lives), 0);

/** Epoch ms: a root that ends then has to be replaced from now on. */
export function rotateBy({ notBefore, notAfter }: Pick<Authority, 'notBefore' | 'notAfter'>, spec: CertificatesSpec): number {
  return notAfter - Math.max(ROOM * rotationMs(livesOf(spec)), (notAfter - notBefore) * LAST_SHARE);
}

export const renewIssuerAt = ({ notBefore, notAfter }: { readonly notBefore: number; readonly notAfter: number }): number =>
  notAfter - Math.floor((notAfter - notBefore) * ISSUER_SHARE);

/** Epoch ms: after it, what is left of the rotation does not fit before the old root ends. */
export function mustLeaveBy(state: TrustState): number | undefined {
  const { current, rotation, spec } = state;
  if (!current || !rotation || !spec) return undefined;
  const { name, since } = rotation.phase;
  const lives = livesOf(spec);
  if (goesBack(name)) return since + plannedMs(name === 'returning' ? 'soaking' : name, lives) + lives.skewMs + lives.leafLifeMs;
  // Once the old root is not needed any more, its end sets no time: what is left has the time that it is planned with.
  if (name === 'pruned' || name === 'retired') return since + ROOM * lives.leafLifeMs + lives.skewMs;
  const rest = FORWARD.slice(FORWARD.indexOf(name) + 1).reduce((sum, later) => sum + plannedMs(later, lives), 0);
  return current.notAfter - rest;
}

/** Whether there is time to go back before the old root ends. */
export function canGoBack(current: Authority, spec: CertificatesSpec, now: number): boolean {
  const lives = livesOf(spec);
  return current.notAfter - now > lives.leafLifeMs + soakMs(lives) + lives.leafLifeMs;
}

/** What is due by itself next; epoch ms. */
export function nextWake(state: TrustState): number | undefined {
  const { current, rotation, renewing, spec } = state;
  if (!spec || !current) return undefined;
  const times = rootsOf(state)
    .filter(({ fingerprint }) => !renewing.includes(fingerprint))
    .map(({ issuer }) => renewIssuerAt(issuer));
  const by = rotation ? overdueAt(state, rotation) : rotateBy(current, spec);
  if (by !== undefined) times.push(by);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** The root in force, and the one that a rotation leads to. */
export const rootsOf = ({ current, rotation }: TrustState): readonly Authority[] => [
  ...(current ? [current] : []),
  ...(rotation?.to ? [rotation.to] : []),
];

/** Said once for each phase. */
const overdueAt = (state: TrustState, { phase, overdue }: Rotation): number | undefined =>
  overdue === phase.name ? undefined : mustLeaveBy(state);
