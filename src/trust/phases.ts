/**
 * The way of a rotation from phase to phase: each is left when every member was seen twice to be where it must be, and each changes
 * either whom workloads trust or who signs for them, never both.
 */

import type { Authority } from './certificates.ts';
import type { Draft } from './draft.ts';
import { type GatedPhase, isGated } from './evolve.ts';
import { type FleetLook, type Judgement, judgeFleet, type Member, presentsUnder, trustsAll, trustsOnly } from './gates.ts';
import type { ApprovedGate, PhaseName, Rotation, TrustState } from './state.ts';
import { hasEnded, livesAt, mustLeaveBy, soakMs } from './timing.ts';

/** What a rotation stands on once its root is made. */
interface Under {
  readonly current: Authority;
  readonly to: Authority;
  readonly rotation: Rotation;
}

export function underWay({ current, rotation, spec }: TrustState): Under | undefined {
  if (!current || !rotation?.to || !spec) return undefined;
  return { current, to: rotation.to, rotation };
}

/** Where a member must be for the phase to be left. */
export function isThere(phase: GatedPhase, { current, to }: Pick<Under, 'current' | 'to'>): (member: Member) => boolean {
  const both = trustsAll([current, to]);
  switch (phase.name) {
    case 'distributing':
    case 'restoring':
      return both;
    case 'issuing':
    case 'soaking':
      return (member) => both(member) && presentsUnder(to)(member);
    case 'returning':
      return (member) => both(member) && presentsUnder(current)(member);
    case 'pruned':
      return trustsOnly([to], [current, to]);
    case 'dropping':
      return trustsOnly([current], [current, to]);
  }
}

/** Judges the phase under way; `undefined`: it has no gate. */
export function judgePhase(state: TrustState, look: FleetLook): Judgement | undefined {
  const phase = gateOf(state);
  if (!phase) return undefined;
  const judged = judgeSince(state, look, phase.passedAt ?? phase.since);
  if (!judged?.ready || !('until' in phase) || phase.until === undefined || look.at > phase.until) return judged;
  return { ...judged, ready: false, because: `Leafs of those who were not seen may count until ${new Date(phase.until).toISOString()}.` };
}

function gateOf(state: TrustState): GatedPhase | undefined {
  const phase = underWay(state)?.rotation.phase;
  return phase && isGated(phase) ? phase : undefined;
}

/** By what was seen after `since`, whatever the hour. */
function judgeSince(state: TrustState, look: FleetLook, since: number): Judgement | undefined {
  const under = underWay(state);
  if (!under || !isGated(under.rotation.phase)) return undefined;
  const { dataPlanes } = state;
  return judgeFleet(look, { isThere: isThere(under.rotation.phase, under), lives: livesAt(state, look.at), since, dataPlanes });
}

/** What the fleet was seen to be leads on, or is noted. */
export function looked(draft: Draft, look: FleetLook): void {
  const { state } = draft;
  const phase = gateOf(state);
  // A look from before tells of another phase, also where it has nobody to tell of.
  if (!phase || look.at <= (phase.passedAt ?? phase.since)) return;
  const judged = judgePhase(state, look);
  if (!judged) return;
  if (judged.ready && phase.passedAt !== undefined) {
    goOn(draft);
    return;
  }
  if (judged.ready) {
    passOnce(draft, phase, judged.members);
    return;
  }
  // The second look finds nobody elsewhere: some have not spoken since the first, or their time is not over.
  const isElsewhere = phase.passedAt === undefined || !judgeSince(state, look, phase.since)?.ready;
  if (phase.passedAt !== undefined && isElsewhere) draft.record({ type: 'GateFellBack', phase: phase.name });
  if (isElsewhere) hold(draft, judged.because);
}

/**
 * On the way back, the other root may have signed until everybody, who signs among them, was seen under this one: from here on its
 * leafs are counted down, once.
 */
function passOnce(draft: Draft, phase: GatedPhase, members: number): void {
  const { now } = draft.context;
  const isFirst = phase.name === 'returning' && phase.until === undefined;
  const until = isFirst ? { until: now + soakMs(livesAt(draft.state, now)) } : {};
  draft.record({ type: 'GatePassedOnce', phase: phase.name, members, ...until }).look();
}

/** Said when it first holds and when the reason is another; numbers alone are no other reason. Whether it is news. */
function hold(draft: Draft, because: string): boolean {
  const { rotation } = draft.state;
  if (!rotation || sameButNumbers(rotation.heldBy ?? '', because)) return false;
  draft.record({ type: 'PhaseHeld', phase: rotation.phase.name, because });
  return true;
}

const sameButNumbers = (one: string, other: string): boolean => one.replace(/\d+/g, '0') === other.replace(/\d+/g, '0');

/** What leaving this phase needs an approval for, where the spec asks for one. */
export const approvedGateOf = (phase: PhaseName): ApprovedGate | undefined =>
  phase === 'distributing' ? 'issuing' : phase === 'soaking' ? 'pruning' : undefined;

/** The gate is passed; an approval or another change of the mesh may still hold it. */
function goOn(draft: Draft): void {
  const phase = draft.state.rotation?.phase.name;
  const gate = phase && approvedGateOf(phase);
  const kept = gate && keptBy(draft, gate);
  if (kept === undefined) {
    const { locked } = draft.context;
    leave(draft, gate && locked !== undefined ? { because: `It does not wait any longer, although ${locked}.` } : {});
    return;
  }
  const until = mustLeaveBy(draft.state);
  if (hold(draft, kept)) draft.card('rotation-held', kept, until === undefined ? {} : { until });
}

function keptBy({ state, context }: Draft, gate: ApprovedGate): string | undefined {
  const { rotation, spec } = state;
  if (spec?.approvals.includes(gate) && rotation?.approvals[gate] === undefined) {
    return `All are ready; ${gate} waits for somebody other than ${rotation?.startedBy} to approve it.`;
  }
  const until = mustLeaveBy(state) ?? Number.POSITIVE_INFINITY;
  // It is advice: a rollout that stands still keeps no root in use past its time, and none that nobody is to trust.
  if (context.locked === undefined || !rotation || skipsSoak(rotation) || context.now >= until) return undefined;
  return `All are ready; ${gate} waits while ${context.locked}.`;
}

/** To the next phase, whatever was seen. `by`: who let a prepared root be used; `because`: what people are told besides. */
export function leave(draft: Draft, { by, because }: { readonly by?: string; readonly because?: string } = {}): void {
  const under = underWay(draft.state);
  if (!under) return;
  const { current, to, rotation } = under;
  const { now } = draft.context;
  const lives = livesAt(draft.state, now);
  switch (rotation.phase.name) {
    case 'prepared':
      draft
        .record({ type: 'DistributionBegun', ...(by === undefined ? {} : { by }) })
        .bring()
        .card('rotation-phase');
      // Nothing under the old root is believed any more: whoever has the new one can talk at once.
      if (hasEnded(current, lives, now)) leave(draft);
      return;
    case 'distributing':
      draft.record({ type: 'IssuingBegun' }).bring().card('rotation-phase', because);
      return;
    case 'issuing':
      draft.record({ type: 'SoakBegun', until: skipsSoak(rotation) ? now : lastOfOldSigner(rotation, now) + soakMs(lives) }).look();
      return;
    case 'soaking':
      draft.record({ type: 'BundlePruned' }).bring().card('rotation-phase', because);
      return;
    case 'pruned':
      draft.record({ type: 'RetirementBegun' }).key(current.fingerprint);
      return;
    case 'restoring':
      draft.record({ type: 'IssuerReturned' }).bring();
      return;
    case 'returning':
      draft.record({ type: 'NewRootDropped' }).bring();
      return;
    case 'dropping':
      draft.record({ type: 'DiscardingBegun' }).key(to.fingerprint);
      return;
    default:
  }
}

/** Control planes come to the new issuer when they do: only once all were seen with it did the old one sign its last leaf. */
const lastOfOldSigner = ({ phase }: Rotation, now: number): number => ('passedAt' in phase ? (phase.passedAt ?? now) : now);

const skipsSoak = ({ cause }: Rotation): boolean => cause === 'compromised' || cause === 'expired';

/** Forward again, from where it is on its way back; `false`: there is nothing left to go forward from. */
export function turnForward(draft: Draft, by: string, reason?: string): boolean {
  const { rotation } = draft.state;
  const name = rotation?.phase.name;
  if (!rotation?.aborted || (name !== 'restoring' && name !== 'returning' && name !== 'dropping')) return false;
  draft.record({ type: 'AbortRevoked', by, ...(reason === undefined ? {} : { reason }) });
  // Every leaf was under the new root before the old one was pruned, and the new one has signed ever since.
  if (name === 'restoring') draft.record({ type: 'BundlePruned' });
  if (name === 'returning') draft.record({ type: 'IssuingBegun' });
  if (name === 'dropping') draft.record({ type: 'DistributionBegun' });
  draft.bring().card('rotation-phase', reason);
  return true;
}

/** The nearest safe place on the way back from where it is. */
export function goBack(draft: Draft): void {
  const under = underWay(draft.state);
  if (!under) return;
  const { current, to, rotation } = under;
  switch (rotation.phase.name) {
    case 'prepared':
      draft.record({ type: 'DiscardingBegun' }).key(to.fingerprint);
      return;
    case 'distributing':
      // No leaf under the new root was ever issued.
      draft.record({ type: 'NewRootDropped' }).bring();
      return;
    case 'issuing':
    case 'soaking':
      draft.record({ type: 'IssuerReturned' }).bring();
      return;
    case 'pruned':
    case 'retired':
      draft.record({ type: 'RootsRestored' }).key(current.fingerprint).bring();
      return;
    default:
  }
}
