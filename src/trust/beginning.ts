/** How a rotation begins: asked for, due, of a version that the vault has made, or of a root that is compromised or has ended; and how one is hastened. */
import { type Decision, refused, unchanged } from '../decision.ts';
import type { Authority } from './certificates.ts';
import type { Of, TrustContext } from './commands.ts';
import { Draft } from './draft.ts';
import type { TrustEvent } from './events.ts';
import { leave } from './phases.ts';
import type { TrustState } from './state.ts';
import { hasEnded, livesAt, rotateBy } from './timing.ts';

export function rotate(state: TrustState, command: Of<'Rotate'>, context: TrustContext): Decision<TrustEvent> {
  const { cause, version } = command;
  const { spec, current, rotation, ended } = state;
  if (!spec) return refused('NoCertificates', 'The spec of this mesh has no `certificates`; add them and apply it.');
  if (!current) return unchangedOr(cause, 'NotEstablished', 'The first root is not made yet; it is being asked of the vault.');
  if (rotation && cause === 'compromised') return hasten(state, command, context);
  if (rotation)
    return unchangedOr(cause, 'RotationUnderWay', `The rotation ${rotation.id} is under way (${rotation.phase.name}); one at a time.`);
  if (cause === 'new-version' && version === current.certificateId) {
    return unchanged('InForceAlready', 'This version is the root that is in force.');
  }
  if (cause === 'new-version' && ended.some(({ certificateIds }) => certificateIds.some((id) => id === version))) {
    return unchanged('KnownAlready', 'A rotation to or from this version has ended; nothing about it is new.');
  }
  const over = hasEnded(current, livesAt(state, context.now), context.now);
  // Whether a root has ended is read from the root; whoever says so may speak of another version.
  if ((cause === 'due' || cause === 'expired') && !over && context.now < rotateBy(current, spec)) {
    const by = new Date(rotateBy(current, spec)).toISOString();
    return unchanged('NotDue', `The root counts until ${new Date(current.notAfter).toISOString()}; it is replaced from ${by} on.`);
  }
  const draft = new Draft(state, context);
  return draft.accepted(begin(draft, current, command, over));
}

/** Says what it has begun. `over`: the root has ended. */
export function begin(draft: Draft, { notAfter }: Authority, { cause, by, reason, version }: Of<'Rotate'>, over: boolean): string {
  const isKept = cause === 'new-version' || cause === 'compromised';
  const actual = isKept ? cause : over ? 'expired' : cause === 'expired' ? 'due' : cause;
  draft.record({
    type: 'RotationBegun',
    cause: actual,
    by,
    ...(reason === undefined ? {} : { reason }),
    ...(version === undefined ? {} : { adopts: version }),
  });
  const id = draft.state.rotation?.id ?? '';
  draft.effect({ kind: 'make', target: id }).card('rotation-begun');
  return actual === 'expired'
    ? `The root ended at ${new Date(notAfter).toISOString()}, so that no leaf is believed any more: a new one is made and used at once; each workload can talk again as soon as it and whom it calls have it.`
    : `The rotation ${id} has begun: a new root is being made.`;
}

/** People are told that they can't; of an event it is no news. */
const unchangedOr = (cause: Of<'Rotate'>['cause'], why: string, message: string): Decision<TrustEvent> =>
  cause === 'asked' || cause === 'compromised' ? refused(why, message) : unchanged(why, message);

/** What is under way leads away from the compromised root already: its gates can be forced from now on, and nothing soaks. */
function hasten(state: TrustState, { by, reason }: Of<'Rotate'>, context: TrustContext): Decision<TrustEvent> {
  const { rotation } = state;
  if (!rotation || rotation.cause === 'compromised')
    return unchanged('HastenedAlready', 'It is under way as of a compromised root already.');
  if (rotation.aborted) return refused('GoesBack', 'It goes back to that root; let it go forward first (proceed), then say so again.');
  const draft = new Draft(state, context);
  draft.record({ type: 'RotationHastened', cause: 'compromised', by, ...(reason === undefined ? {} : { reason }) });
  if (rotation.phase.name === 'prepared') leave(draft, { by });
  // It adopts nothing any more: whether the vault's own version can be used is not waited for.
  if (rotation.phase.name === 'preparing') draft.effect({ kind: 'make', target: rotation.id });
  return draft.look().card('rotation-phase', reason).accepted(`The rotation ${rotation.id} goes on as of a compromised root.`);
}
