/** What people ask of a rotation under way: to go on with a prepared root, or forward again; to approve a gate, to force it, to go back. */
import { type Decision, refused, unchanged } from '../decision.ts';
import type { Of, TrustContext } from './commands.ts';
import { Draft } from './draft.ts';
import type { TrustEvent } from './events.ts';
import { isGated } from './evolve.ts';
import { approvedGateOf, goBack, judgePhase, leave, turnForward } from './phases.ts';
import { goesBack, type TrustState } from './state.ts';
import { canGoBack, isOverdue, livesAt, mustLeaveBy } from './timing.ts';

export function proceed(state: TrustState, { by }: Of<'Proceed'>, context: TrustContext): Decision<TrustEvent> {
  const { rotation } = state;
  const draft = new Draft(state, context);
  if (turnForward(draft, by)) return draft.accepted(`${by} lets the rotation go forward again.`);
  if (rotation?.phase.name !== 'prepared') return refused('NothingPrepared', 'No prepared root waits to be used.');
  if (Object.values(rotation.approvals).includes(by)) {
    return refused('SameEyes', `${by} has approved a gate of this rotation; somebody else must let its root be used.`);
  }
  leave(draft, { by });
  return draft.accepted(`${by} lets the prepared root be used: it is being distributed.`);
}

export function approve(state: TrustState, { gate, by }: Of<'Approve'>, context: TrustContext): Decision<TrustEvent> {
  const { rotation, spec } = state;
  if (!rotation || rotation.aborted) return refused('NoRotation', 'There is no rotation to approve anything of.');
  if (!spec?.approvals.includes(gate)) return refused('NoApprovalAsked', `The spec asks for no approval of ${gate}.`);
  if (rotation.approvals[gate] !== undefined) return unchanged('ApprovedAlready', `${rotation.approvals[gate]} has approved ${gate}.`);
  if (by === rotation.startedBy || by === rotation.usedBy) {
    return refused('SameEyes', `${by} began this rotation; somebody else must approve ${gate}.`);
  }
  const draft = new Draft(state, context).record({ type: 'GateApproved', gate, by }).look();
  return draft.accepted(`${by} approves ${gate} of rotation ${rotation.id}.`);
}

export function force(state: TrustState, { by, look, ...seen }: Of<'Force'>, context: TrustContext): Decision<TrustEvent> {
  const { rotation, spec } = state;
  if (!rotation || !isGated(rotation.phase) || goesBack(rotation.phase.name))
    return refused('NothingToForce', 'No gate is being waited for.');
  if (rotation.id !== seen.rotation || rotation.phase.name !== seen.phase) {
    const isNow = `It is ${rotation.phase.name} of ${rotation.id} by now, and not ${seen.phase} of ${seen.rotation}`;
    return refused('AnotherPhase', `${isNow}; look who is behind, and say so again.`);
  }
  const safe = rotation.cause === 'compromised' ? undefined : safeUntil(state, context.now);
  if (safe !== undefined) {
    return refused('WaitingIsSafe', `Waiting is safe until ${safe}; a gate is forced after that, or where the old root is compromised.`);
  }
  const gate = approvedGateOf(rotation.phase.name);
  if (gate && spec?.approvals.includes(gate) && rotation.approvals[gate] === undefined) {
    return refused('NotApproved', `The spec asks somebody other than ${rotation.startedBy} to approve ${gate}; also of a compromise.`);
  }
  const { behind, unseen } = judgePhase(state, look) ?? { behind: [], unseen: [] };
  const draft = new Draft(state, context);
  const named = { behind: behind.slice(0, 20), more: Math.max(0, behind.length - 20), unseen: [...unseen] };
  draft.record({ type: 'GateForced', phase: rotation.phase.name, by, ...named });
  leave(draft);
  const unknown = unseen.length === 0 ? '' : `, and nothing is known of ${unseen.join(', ')}`;
  return draft.accepted(`${by} lets the rotation go on though ${behind.length} are behind${unknown}: they break until they follow.`);
}

/** Until when the phase can be waited in; `undefined`: it is overdue. */
function safeUntil(state: TrustState, now: number): string | undefined {
  const by = mustLeaveBy(state);
  return by === undefined || isOverdue(state, now) ? undefined : new Date(by).toISOString();
}

export function abort(state: TrustState, { by, reason }: Of<'Abort'>, context: TrustContext): Decision<TrustEvent> {
  const { rotation, current, spec } = state;
  if (!rotation || !current || !spec) return refused('NoRotation', 'There is no rotation to abort.');
  if (rotation.aborted) return unchanged('GoesBackAlready', `It goes back already (${rotation.phase.name}).`);
  const { name } = rotation.phase;
  const isHarmless = name === 'preparing' || name === 'prepared' || name === 'distributing';
  if (!isHarmless && rotation.cause === 'expired')
    return refused('OldRootExpired', 'The old root has ended; there is nothing to go back to.');
  if (!isHarmless && !canGoBack(current, livesAt(state, context.now), context.now)) {
    const ends = new Date(current.notAfter).toISOString();
    const safe = safeUntil(state, context.now);
    const instead = safe === undefined ? 'see to those that are behind, or force it on without them' : `waiting is safe until ${safe}`;
    return refused('TooLateToGoBack', `The old root ends at ${ends}, before everybody could be back under it; ${instead}.`);
  }
  const draft = new Draft(state, context);
  draft.record({ type: 'AbortBegun', by, from: name, ...(reason === undefined ? {} : { reason }) });
  goBack(draft);
  draft.card('rotation-aborted', reason);
  if (name === 'preparing') return draft.accepted('It is aborted; what the vault is making is disabled as soon as it is there.');
  return draft.accepted(`It goes back from ${name}: ${WAY[draft.state.rotation?.phase.name ?? 'discarding']}.`);
}

const WAY: Readonly<Record<string, string>> = {
  restoring: 'both roots are trusted again, then the old one signs, then the new one is dropped',
  returning: 'the old root signs again, both stay trusted until nobody presents a leaf under the new one',
  dropping: 'the new root is dropped; no leaf under it was ever issued',
  discarding: 'nobody was given the new root; its key is disabled',
};
