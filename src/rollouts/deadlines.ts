/** The one deadline each waiting state has, and its named way out. */
import { type Decision, unchanged } from '../decision.ts';
import type { DeadlineName, ServiceContext } from './commands.ts';
import { Draft } from './draft.ts';
import type { ServiceEvent } from './events.ts';
import { obstacleTo } from './standing.ts';
import { tryBegin } from './start.ts';
import type { ServiceState } from './state.ts';
import { advance } from './steps.ts';
import { returnOverdue, wayBack } from './way-back.ts';

export interface Deadline {
  readonly name: DeadlineName;
  /** Epoch ms. */
  readonly at: number;
}

export function nextDeadline(state: ServiceState): Deadline | undefined {
  const phase = state.rollout?.phase;
  switch (phase?.name) {
    case undefined:
      return undefined;
    case 'waiting':
      return { name: 'start', at: phase.deadline };
    case 'shifting':
      return { name: 'step', at: phase.deadline };
    case 'holding':
      return phase.overdue ? { name: 'step', at: phase.deadline } : { name: 'hold', at: phase.until };
    case 'paused':
      return { name: 'pause', at: phase.deadline };
    case 'blocked':
      return { name: 'blocked', at: phase.deadline };
    case 'returning':
      return { name: 'return', at: phase.deadline };
  }
}

export function elapsed(
  state: ServiceState,
  asked: { deadline: DeadlineName; dueAt: number },
  context: ServiceContext,
): Decision<ServiceEvent> {
  const next = nextDeadline(state);
  const { rollout } = state;
  if (!rollout || next?.name !== asked.deadline || next.at !== asked.dueAt)
    return unchanged('StaleDeadline', 'This deadline no longer stands.');
  if (context.now < next.at) return unchanged('NotDue', 'This deadline has not come yet.');
  const draft = new Draft(state, context);
  const { version } = rollout.candidate;
  switch (next.name) {
    case 'hold':
      advance(draft);
      break;
    case 'start':
      if (isOnlyAdvised(state, context)) tryBegin(draft);
      else
        wayBack(draft, {
          reason: 'StartTimedOut',
          message: `${version} could not begin in time.${because(obstacleTo(state, version, context))}`,
        });
      break;
    case 'step':
      if (isOnlyAdvised(state, context)) advance(draft);
      else wayBack(draft, { reason: 'StepTimedOut', message: stepMessage(state, version, context) });
      break;
    case 'pause':
      wayBack(draft, { reason: 'PauseExpired', message: `The pause of ${version} ran out.` });
      break;
    case 'blocked':
    case 'return':
      returnOverdue(draft, rollout);
      break;
  }
  return draft.accepted(`The ${next.name} deadline of ${version} has passed.`);
}

/** It waited for what does not count any more at its deadline. */
function isOnlyAdvised(state: ServiceState, context: ServiceContext): boolean {
  const { phase, candidate } = state.rollout ?? {};
  const waitsForAdvice =
    phase?.name === 'waiting' ? phase.because === 'TrustChanging' : phase?.name === 'holding' && phase.advised === true;
  return waitsForAdvice && candidate !== undefined && obstacleTo(state, candidate.version, context) === undefined;
}

const because = (obstacle: string | undefined): string => (obstacle === undefined ? '' : ` ${obstacle}`);

function stepMessage(state: ServiceState, version: string, context: ServiceContext): string {
  const phase = state.rollout?.phase;
  if (phase?.name !== 'shifting') return `What held ${version} back did not end in time.${because(obstacleTo(state, version, context))}`;
  if (phase.refusal) return `${phase.refusal.dataPlane} refused the weight of ${version}: ${phase.refusal.message}`;
  const missing = (state.spec?.dataPlanes ?? []).filter((dataPlane) => !phase.served.includes(dataPlane));
  return `${version} was not seen to be served in time by ${missing.join(', ')}.`;
}
