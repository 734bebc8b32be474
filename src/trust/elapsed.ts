/** What is done because its time has come: rotations, issuers and delegations that are due, phases that are held too long, ways that end. */
import { type Decision, unchanged } from '../decision.ts';
import { begin } from './beginning.ts';
import { OWN, type TrustContext } from './commands.ts';
import { Draft } from './draft.ts';
import type { TrustEvent } from './events.ts';
import { goBack, leave, turnForward } from './phases.ts';
import type { TrustState } from './state.ts';
import { delegationsOf, hasEnded, livesAt, mustLeaveBy, renewIssuerAt, rootsOf, rotateBy, turnAt } from './timing.ts';
import { endAdopting } from './vault-answers.ts';

export function elapsed(state: TrustState, context: TrustContext): Decision<TrustEvent> {
  const { spec, current } = state;
  const { now } = context;
  if (!spec || !current) return unchanged('NothingDue', 'Nothing is due.');
  const draft = new Draft(state, context);
  let said = 'What was due is under way.';
  const turn = turnAt(state);
  if (turn !== undefined && now >= turn) turned(draft);
  if (!draft.state.rotation && now >= rotateBy(current, spec)) {
    const over = hasEnded(current, livesAt(state, now), now);
    said = begin(draft, current, { type: 'Rotate', cause: 'due', by: OWN }, over);
  }
  for (const root of rootsOf(state)) {
    const at = renewIssuerAt(root);
    if (state.renewing.includes(root.fingerprint) || at === undefined || now < at) continue;
    draft.record({ type: 'IssuerDue', root: root.fingerprint }).effect({ kind: 'issuer', target: root.fingerprint });
  }
  for (const { due, renewAt, root, dataPlane } of delegationsOf(state)) {
    if (due || renewAt === undefined || now < renewAt) continue;
    draft.record({ type: 'DelegationDue', root, dataPlane }).effect({ kind: 'trust', target: dataPlane });
  }
  const { rotation: after } = draft.state;
  const by = mustLeaveBy(draft.state);
  if (after && by !== undefined && now >= by && after.overdue !== after.phase.name) {
    const because = after.heldBy ?? 'What it waits for was not seen.';
    draft.record({ type: 'PhaseOverdue', phase: after.phase.name, because }).card('rotation-overdue', because);
  }
  return draft.accepted(said);
}

/** Its time to wait is over (`turnAt`). */
function turned(draft: Draft): void {
  const { rotation, current } = draft.state;
  if (!rotation || !current) return;
  const ends = `The old root ends at ${new Date(current.notAfter).toISOString()}`;
  if (rotation.phase.name === 'preparing') {
    endAdopting(draft, `${ends} and is replaced by one that is made for it; the vault's own version is not verified by now.`);
    return;
  }
  if (rotation.phase.name === 'prepared') {
    const reason = `${ends} and is replaced by one that is made for it; nobody let the prepared one be used.`;
    draft.record({ type: 'AbortBegun', by: OWN, from: 'prepared', reason });
    goBack(draft);
    draft.card('rotation-aborted', reason);
    return;
  }
  turnForward(draft, OWN, `${ends}: there is no way back to it.`);
  if (draft.state.rotation?.phase.name !== 'distributing' || !hasEnded(current, livesAt(draft.state, draft.context.now), draft.context.now))
    return;
  // Nobody is believed any more: waiting for one of them keeps all the others from talking.
  draft.record({ type: 'RotationHastened', cause: 'expired', by: OWN });
  leave(draft);
}
