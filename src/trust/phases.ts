/**
 * The way of a rotation from phase to phase: each is left when every member was seen twice to be where it must be, and each changes
 * either whom workloads trust or who signs for them, never both.
 */

import type { Authority } from './certificates.ts';
import type { Draft } from './draft.ts';
import { type GatedPhase, isGated } from './evolve.ts';
import { type FleetLook, type Judgement, judgeFleet, type Member, presentsUnder, trustsAll, trustsOnly } from './gates.ts';
import type { ApprovedGate, Rotation, TrustState } from './state.ts';
import { livesOf, soakMs } from './timing.ts';

/** What a rotation stands on once its root is made. */
interface Under {
  readonly current: Authority;
  readonly to: Authority;
  readonly rotation: Rotation;
  readonly leafLifeMs: number;
}

export function underWay({ current, rotation, spec }: TrustState): Under | undefined {
  if (!current || !rotation?.to || !spec) return undefined;
  return { current, to: rotation.to, rotation, leafLifeMs: spec.leafLifeMs };
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
  const under = underWay(state);
  const phase = under?.rotation.phase;
  if (!under || !phase || !isGated(phase)) return undefined;
  const judged = judgeFleet(look, isThere(phase, under), livesOf(under), phase.passedAt ?? phase.since);
  if (!('until' in phase) || look.at >= phase.until || !judged.ready) return judged;
  return { ...judged, ready: false, because: `Leafs of those who were not seen may count until ${new Date(phase.until).toISOString()}.` };
}

/** What the fleet was seen to be leads on, or is noted. */
export function looked(draft: Draft, look: FleetLook): void {
  const judged = judgePhase(draft.state, look);
  const phase = draft.state.rotation?.phase;
  if (!judged || !phase || !isGated(phase)) return;
  // With no proxy to hear the news from, the phase has nothing to wait for.
  if (judged.ready && (phase.passedAt !== undefined || judged.members === 0)) {
    goOn(draft);
    return;
  }
  if (judged.ready) {
    draft.record({ type: 'GatePassedOnce', phase: phase.name, members: judged.members }).look();
    return;
  }
  const silent = phase.passedAt !== undefined && isOnlySilent(draft.state, look);
  if (phase.passedAt !== undefined && !silent) draft.record({ type: 'GateFellBack', phase: phase.name });
  if (!silent) hold(draft, judged.because);
}

/** The second look finds nobody elsewhere, only some that have not spoken since the first. */
function isOnlySilent(state: TrustState, look: FleetLook): boolean {
  const under = underWay(state);
  const phase = under?.rotation.phase;
  if (!under || !phase || !isGated(phase)) return false;
  return judgeFleet(look, isThere(phase, under), livesOf(under), phase.since).ready;
}

/** Said when it first holds and when the reason is another; numbers alone are no other reason. Whether it is news. */
function hold(draft: Draft, because: string): boolean {
  const { rotation } = draft.state;
  if (!rotation || sameButNumbers(rotation.heldBy ?? '', because)) return false;
  draft.record({ type: 'PhaseHeld', phase: rotation.phase.name, because });
  return true;
}

const sameButNumbers = (one: string, other: string): boolean => one.replace(/\d+/g, '0') === other.replace(/\d+/g, '0');

/** The gate is passed; an approval or another change of the mesh may still hold it. */
function goOn(draft: Draft): void {
  const phase = draft.state.rotation?.phase.name;
  const gate = phase === 'distributing' ? 'issuing' : phase === 'soaking' ? 'pruning' : undefined;
  const kept = gate && keptBy(draft, gate);
  if (kept === undefined) leave(draft);
  else if (hold(draft, kept)) draft.card('rotation-held', kept);
}

function keptBy({ state, context }: Draft, gate: ApprovedGate): string | undefined {
  const { rotation, spec } = state;
  if (spec?.approvals.includes(gate) && rotation?.approvals[gate] === undefined) {
    return `All are ready; ${gate} waits for somebody other than ${rotation?.startedBy} to approve it.`;
  }
  return context.locked === undefined ? undefined : `All are ready; ${gate} waits while ${context.locked}.`;
}

/** To the next phase, whatever was seen. */
export function leave(draft: Draft): void {
  const under = underWay(draft.state);
  if (!under) return;
  const { current, to, rotation, leafLifeMs } = under;
  const { now } = draft.context;
  const soaked = now + soakMs(livesOf({ leafLifeMs }));
  switch (rotation.phase.name) {
    case 'prepared':
      draft.record({ type: 'DistributionBegun' }).bring().card('rotation-phase');
      // Nothing under the old root is believed any more: whoever has the new one can talk at once.
      if (rotation.cause === 'expired') leave(draft);
      return;
    case 'distributing':
      draft.record({ type: 'IssuingBegun' }).bring().card('rotation-phase');
      return;
    case 'issuing':
      // Those who were not seen have the leafs that were issued before this phase began.
      draft.record({ type: 'SoakBegun', until: skipsSoak(rotation) ? now : rotation.phase.since + soakMs(livesOf({ leafLifeMs })) }).look();
      return;
    case 'soaking':
      draft.record({ type: 'BundlePruned' }).bring().card('rotation-phase');
      return;
    case 'pruned':
      draft.record({ type: 'RetirementBegun' }).key(current.fingerprint);
      return;
    case 'restoring':
      draft.record({ type: 'IssuerReturned', until: soaked }).bring();
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

const skipsSoak = ({ cause }: Rotation): boolean => cause === 'compromised' || cause === 'expired';

/** The nearest safe place on the way back from where it is. */
export function goBack(draft: Draft): void {
  const under = underWay(draft.state);
  if (!under) return;
  const { current, to, rotation, leafLifeMs } = under;
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
      draft.record({ type: 'IssuerReturned', until: draft.context.now + soakMs(livesOf({ leafLifeMs })) }).bring();
      return;
    case 'pruned':
    case 'retired':
      draft.record({ type: 'RootsRestored' }).key(current.fingerprint).bring();
      return;
    default:
  }
}
