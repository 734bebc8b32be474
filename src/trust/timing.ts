/**
 * When a rotation must begin and when each of its phases must be left, counted back from the day the old root ends. A phase takes at
 * most a leaf's life, in which each workload has to come for a new leaf anyway; soaking takes that and what clocks may be apart.
 */
import type { CertificatesSpec } from '../spec/certificates-schema.ts';
import type { Authority, Delegation, Issuer } from './certificates.ts';
import { type Lives, skewOf } from './gates.ts';
import { goesBack, type PhaseName, type Rotation, settingsOf, type TrustState } from './state.ts';

/** The share of a root's life that is left when it is replaced, where twice the time of a rotation is less. */
const LAST_SHARE = 0.1;
/** A rotation begins with twice the time that it takes. */
const ROOM = 2;
/** An issuer is replaced when half of its life is left. */
const ISSUER_SHARE = 0.5;

export const livesOf = ({ leafLifeMs }: Pick<CertificatesSpec, 'leafLifeMs'>): Lives => ({ leafLifeMs, skewMs: skewOf(leafLifeMs) });

/** Of what is alive at `at`: leafs that were issued before the spec made them shorter count too. Without a spec: no leaf is issued. */
export function livesAt({ spec, formerLeafs }: TrustState, at: number): Lives {
  const longest = formerLeafs && at < formerLeafs.until ? formerLeafs.lifeMs : 0;
  return livesOf({ leafLifeMs: Math.max(spec?.leafLifeMs ?? 0, longest) });
}

export const soakMs = ({ leafLifeMs, skewMs }: Lives): number => leafLifeMs + skewMs;

const FORWARD: readonly PhaseName[] = ['distributing', 'issuing', 'soaking', 'pruned'];

/** What a phase may take, as it is planned with. */
const plannedMs = (phase: PhaseName, lives: Lives): number => (phase === 'soaking' ? soakMs(lives) : lives.leafLifeMs);

/** From the first write of a trust bundle to the last. */
export const rotationMs = (lives: Lives): number => FORWARD.reduce((sum, phase) => sum + plannedMs(phase, lives), 0);

/** Epoch ms: a root that ends then has to be replaced from now on. */
export function rotateBy({ notBefore, notAfter }: Pick<Authority, 'notBefore' | 'notAfter'>, spec: CertificatesSpec): number {
  return notAfter - Math.max(ROOM * rotationMs(livesOf(spec)), (notAfter - notBefore) * LAST_SHARE);
}

/** Epoch ms; `undefined`: the next one could count no longer, since none outlives its root. */
export function renewIssuerAt({ issuer, notAfter }: IssuerUnderRoot): number | undefined {
  if (issuer.notAfter >= notAfter) return undefined;
  return issuer.notAfter - Math.floor((issuer.notAfter - issuer.notBefore) * ISSUER_SHARE);
}

interface IssuerUnderRoot extends Pick<Authority, 'notAfter'> {
  readonly issuer: Pick<Issuer, 'notBefore' | 'notAfter'>;
}

/** What a data plane was handed to sign with last, and epoch ms from which on it is to have another; `undefined` as above. */
export interface DueDelegation extends Delegation {
  readonly root: string;
  readonly renewAt: number | undefined;
}

/** Of the root that signs: what data planes were handed under another signs no more, or will not once they have what is decided. */
export function delegationsOf(state: TrustState): readonly DueDelegation[] {
  const signer = settingsOf(state)?.signer;
  if (!signer) return [];
  return state.dataPlanes.flatMap((dataPlane) => {
    const newest = signer.delegated?.find((each) => each.dataPlane === dataPlane);
    const renewAt = newest && renewIssuerAt({ issuer: newest, notAfter: signer.notAfter });
    return newest ? [{ ...newest, root: signer.fingerprint, renewAt }] : [];
  });
}

/** Nobody believes a leaf under it any more, however late a clock is. */
export const hasEnded = ({ notAfter }: Authority, { skewMs }: Lives, now: number): boolean => notAfter + skewMs < now;

/** Epoch ms: after it, what is left of the rotation does not fit before the old root ends. */
export function mustLeaveBy(state: TrustState): number | undefined {
  const { current, rotation, spec } = state;
  if (!current || !rotation || !spec) return undefined;
  const { name, since } = rotation.phase;
  const lives = livesAt(state, since);
  if (goesBack(name)) return since + plannedMs(name === 'returning' ? 'soaking' : name, lives) + lives.skewMs + lives.leafLifeMs;
  // Once the old root is not needed any more, its end sets no time: what is left has the time that it is planned with.
  if (name === 'pruned' || name === 'retired') return since + ROOM * lives.leafLifeMs + lives.skewMs;
  const rest = FORWARD.slice(FORWARD.indexOf(name) + 1).reduce((sum, later) => sum + plannedMs(later, lives), 0);
  return current.notAfter - rest;
}

/** The phase under way should have been left by now. */
export function isOverdue(state: TrustState, now: number): boolean {
  const { rotation } = state;
  return rotation !== undefined && (rotation.overdue === rotation.phase.name || now >= (mustLeaveBy(state) ?? Number.POSITIVE_INFINITY));
}

/** Whether there is time to go back before the old root ends. */
export function canGoBack(current: Authority, lives: Lives, now: number): boolean {
  return current.notAfter - now > lives.leafLifeMs + soakMs(lives) + lives.leafLifeMs;
}

/**
 * Epoch ms: what has not come to an end by then does not wait for it. A root that waits for somebody to use it, or to be verified, gives way
 * to the one that is due; whoever is on the way back to a root that ends goes forward again; where nobody is believed any more there is nothing to keep.
 */
export function turnAt(state: TrustState): number | undefined {
  const { current, rotation, spec } = state;
  if (!current || !rotation || !spec) return undefined;
  const { name } = rotation.phase;
  const lives = livesAt(state, rotation.phase.since);
  const isAdopting = name === 'preparing' && rotation.adopts !== undefined;
  if (isAdopting || (name === 'prepared' && rotation.cause === 'new-version')) return rotateBy(current, spec);
  if (name === 'restoring' || name === 'returning') return current.notAfter - soakMs(lives);
  return name === 'distributing' || name === 'dropping' ? current.notAfter + lives.skewMs + 1 : undefined;
}

/** What is due by itself next; epoch ms. */
export function nextWake(state: TrustState): number | undefined {
  const { current, rotation, renewing, spec } = state;
  if (!spec || !current) return undefined;
  const times = rootsOf(state)
    .filter(({ fingerprint }) => !renewing.includes(fingerprint))
    .map(renewIssuerAt);
  const delegations = delegationsOf(state).map(({ due: isCalledFor, renewAt }) => (isCalledFor ? undefined : renewAt));
  const due = rotation ? [overdueAt(state, rotation), turnAt(state)] : [rotateBy(current, spec)];
  const first = Math.min(...[...times, ...delegations, ...due].flatMap((time) => (time === undefined ? [] : [time])));
  return Number.isFinite(first) ? first : undefined;
}

/** The root in force, and the one that a rotation leads to. */
export const rootsOf = ({ current, rotation }: TrustState): readonly Authority[] => [
  ...(current ? [current] : []),
  ...(rotation?.to ? [rotation.to] : []),
];

/** Said once for each phase. */
const overdueAt = (state: TrustState, { phase, overdue }: Rotation): number | undefined =>
  overdue === phase.name ? undefined : mustLeaveBy(state);
