/** What people ask of a rollout: pause, resume, promote, abort. */
import { type Decision, refused, unchanged } from '../decision.ts';
import type { ServiceCommand, ServiceContext } from './commands.ts';
import { Draft } from './draft.ts';
import type { ServiceEvent } from './events.ts';
import { stepOf } from './evolve.ts';
import { beginStep } from './start.ts';
import type { ServiceState } from './state.ts';
import { finishReturnUnseen, notSeenBack, wayBack } from './way-back.ts';

type ByHand = ServiceCommand & { type: 'Pause' | 'Resume' | 'Promote' | 'Abort' };

export function byHand(state: ServiceState, command: ByHand, context: ServiceContext): Decision<ServiceEvent> {
  const { rollout } = state;
  if (!rollout) return refused('NoRollout', 'Nothing is being rolled out.');
  const { phase, candidate } = rollout;
  const draft = new Draft(state, context);
  const goingBack = () => refused('GoingBack', `${candidate.version} is being taken back; this can no longer be asked of it.`);
  switch (command.type) {
    case 'Pause': {
      if (phase.name === 'paused') return unchanged('AlreadyPaused', `${candidate.version} is paused already.`);
      if (phase.name === 'waiting') return refused('NotBegun', `${candidate.version} has no traffic yet; abort it to stop it.`);
      if (phase.name !== 'shifting' && phase.name !== 'holding') return goingBack();
      const deadline = context.now + rollout.pauseDeadlineMs;
      draft.record({ type: 'RolloutPaused', deadline, ...(command.reason ? { reason: command.reason } : {}) });
      return draft.accepted(`${candidate.version} stays at its weight until it is resumed, or goes back when the pause runs out.`);
    }
    case 'Resume': {
      if (phase.name === 'shifting' || phase.name === 'holding') return unchanged('NotPaused', `${candidate.version} is not paused.`);
      if (phase.name === 'waiting') return beginNow(draft, candidate.version, 0, false);
      if (phase.name !== 'paused') return goingBack();
      const deadline = context.now + (rollout.steps[stepOf(phase)]?.deadlineMs ?? 0);
      return draft.record({ type: 'RolloutResumed', deadline }).serve().accepted(`${candidate.version} goes on.`);
    }
    case 'Promote': {
      if (phase.name === 'returning') return goingBack();
      if (phase.name === 'shifting' && phase.promoted)
        return unchanged('AlreadyPromoted', `${candidate.version} is being promoted already.`);
      return beginNow(draft, candidate.version, rollout.steps.length - 1, true);
    }
    case 'Abort': {
      if (phase.name === 'returning') return abortReturning(draft, candidate.version, command);
      wayBack(draft, { reason: 'ByHand', message: command.reason ?? 'It was aborted by hand.' }, command.force);
      if (draft.state.rollout?.phase.name === 'blocked') {
        return draft.accepted(`The stable version is known to have no ready endpoint: weights stay until it has one, or abort with force.`);
      }
      return draft.accepted(`${candidate.version} is taken back.`);
    }
  }
}

/** It goes back already; what force can still do is not to wait until that is seen everywhere. */
function abortReturning(draft: Draft, version: string, { reason, force }: ServiceCommand & { type: 'Abort' }): Decision<ServiceEvent> {
  const unseen = notSeenBack(draft.state);
  const missing = `not yet seen to have done it: ${unseen.join(', ')}`;
  if (!force)
    return unchanged('AlreadyReturning', `${version} is being taken back already (${missing}); abort with force to wait no longer.`);
  finishReturnUnseen(draft, unseen, reason);
  return draft.accepted(`${version} is taken back and not waited for any longer; ${missing}.`);
}

function beginNow(draft: Draft, version: string, step: number, promoted: boolean): Decision<ServiceEvent> {
  if (draft.context.readinessOf(version) === 'none')
    return refused('CandidateNotReady', `${version} has no ready endpoint; it gets no traffic.`);
  beginStep(draft, step, promoted);
  return draft.accepted(promoted ? `${version} gets all traffic.` : `${version} begins now.`);
}
