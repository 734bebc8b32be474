/** What a service's state becomes by each event. Total and pure: every recorded history folds. */
import type { EventContext } from '../decision.ts';
import type { ServiceEvent } from './events.ts';
import { type AlertRecord, type Phase, type Place, type Rollout, releaseKey, type ServiceState, splitBetween } from './state.ts';

const REMEMBERED_REJECTIONS = 20;
const REMEMBERED_ALERTS = 50;

export function evolve(state: ServiceState, event: ServiceEvent, context: EventContext): ServiceState {
  switch (event.type) {
    case 'ServiceSpecified':
      return { ...state, spec: event.spec, specVersion: event.specVersion, retired: false, drift: driftOn(state, event.spec.dataPlanes) };
    case 'ServiceRetired':
      return { ...withoutQueued(withoutRollout(state)), specVersion: event.specVersion, retired: true, split: [], drift: {} };
    case 'StableEstablished':
      return { ...placed(state, event.place), stable: event.release, split: [{ version: event.release.version, weight: 100 }] };
    case 'DeploymentQueued':
      return { ...placed(state, event.place), queued: event.release };
    case 'QueueCleared':
      return withoutQueued(state);
    case 'RejectionLifted':
      return { ...state, rejected: Object.fromEntries(Object.entries(state.rejected).filter(([key]) => !event.keys.includes(key))) };
    case 'RolloutSuperseded':
      return onStable(withoutRollout(state));
    case 'RolloutStarted':
      return {
        ...withoutQueued(placed(state, event.place)),
        rollout: {
          id: context.version,
          candidate: event.release,
          startedAt: context.at,
          ...event.plan,
          phase: { name: 'waiting', deadline: context.at + event.plan.startDeadlineMs, because: 'NotReady' },
        },
      };
    case 'AlertNoted':
      return { ...state, alerts: newest({ ...state.alerts, [event.id]: event.alert }, alertTime, REMEMBERED_ALERTS) };
    case 'DriftFound': {
      const { dataPlane, differences, more } = event;
      const since = state.drift[dataPlane]?.since ?? context.at;
      return { ...state, drift: { ...state.drift, [dataPlane]: { since, differences, more } } };
    }
    case 'DriftGone': {
      const { [event.dataPlane]: _gone, ...drift } = state.drift;
      return { ...state, drift };
    }
    case 'FirstKeptBack':
      return state;
    case 'PushNoted':
      return placed(state, event.place);
    default:
      return state.rollout ? evolveRollout(state, state.rollout, event, context) : state;
  }
}

type RolloutEvent = Exclude<
  ServiceEvent,
  {
    type:
      | 'ServiceSpecified'
      | 'ServiceRetired'
      | 'StableEstablished'
      | 'DeploymentQueued'
      | 'QueueCleared'
      | 'RejectionLifted'
      | 'RolloutSuperseded'
      | 'RolloutStarted'
      | 'AlertNoted'
      | 'DriftFound'
      | 'DriftGone'
      | 'FirstKeptBack'
      | 'PushNoted';
  }
>;

function evolveRollout(state: ServiceState, rollout: Rollout, event: RolloutEvent, { version, at }: EventContext): ServiceState {
  const to = (phase: Phase): ServiceState => ({ ...state, rollout: { ...rollout, phase } });
  const { phase } = rollout;
  switch (event.type) {
    case 'StartDelayed':
      return to({ name: 'waiting', deadline: event.deadline, because: event.because });
    case 'StepBegun': {
      const shifting: Phase = {
        name: 'shifting',
        step: event.step,
        revision: version,
        deadline: event.deadline,
        served: [],
        promoted: event.promoted,
      };
      const split = state.stable ? splitBetween(state.stable, rollout.candidate, event.weight) : state.split;
      return { ...state, split, rollout: { ...rollout, exposedAt: rollout.exposedAt ?? at, phase: shifting } };
    }
    case 'StepServedBy':
      return phase.name === 'shifting' ? to({ ...phase, served: [...phase.served, event.dataPlane].sort() }) : state;
    case 'StepHeld':
      return to({ name: 'holding', step: event.step, until: event.until, deadline: event.deadline, overdue: false });
    case 'AdvanceHeldBack':
      return phase.name === 'holding' ? to(heldBack(phase, event)) : state;
    case 'PlanRejected':
      if (phase.name === 'shifting') return to({ ...phase, refusal: { dataPlane: event.dataPlane, message: event.message } });
      if (phase.name !== 'returning' && phase.name !== 'blocked') return state;
      return to({ ...phase, refusals: { ...phase.refusals, [event.dataPlane]: event.message } });
    case 'RolloutPaused':
      return to({ name: 'paused', step: stepOf(phase), deadline: event.deadline });
    case 'RolloutResumed':
      return to({ name: 'shifting', step: stepOf(phase), revision: version, deadline: event.deadline, served: [], promoted: false });
    case 'RolloutSucceeded':
      return {
        ...withoutRollout(state),
        stable: rollout.candidate,
        split: [{ version: rollout.candidate.version, weight: 100 }],
      };
    case 'RolloutAbandoned':
      return onStable(withoutRollout(state));
    case 'ReturnBlocked':
      return to({ name: 'blocked', cause: event.cause, deadline: event.deadline, extended: 0 });
    case 'TrafficReturned':
      return {
        ...state,
        split: state.stable ? splitBetween(state.stable, rollout.candidate, 0) : state.split,
        rejected: newest(
          { ...state.rejected, [releaseKey(rollout.candidate)]: { release: rollout.candidate, at, cause: event.cause } },
          (r) => r.at,
          REMEMBERED_REJECTIONS,
        ),
        rollout: {
          ...rollout,
          phase: { name: 'returning', cause: event.cause, revision: version, deadline: event.deadline, extended: 0, served: [] },
        },
      };
    case 'ReturnServedBy':
      return phase.name === 'returning' ? to(returnServedBy(phase, event.dataPlane)) : state;
    case 'ReturnOverdue':
      return phase.name === 'returning' || phase.name === 'blocked'
        ? to({ ...phase, deadline: event.deadline, extended: phase.extended + 1 })
        : state;
    case 'RolledBack':
      return onStable(withoutRollout(state));
  }
}

/** What a data plane refused before it came to serve it is no longer so. */
function returnServedBy(phase: Phase & { name: 'returning' }, dataPlane: string): Phase {
  const { refusals, ...rest } = phase;
  const { [dataPlane]: _mended, ...others } = refusals ?? {};
  const served = [...phase.served, dataPlane].sort();
  return { ...rest, served, ...(Object.keys(others).length > 0 ? { refusals: others } : {}) };
}

/** The step a phase is at; 0 where no step has begun. */
export const stepOf = (phase: Phase): number => ('step' in phase ? phase.step : 0);

const onStable = (state: ServiceState): ServiceState =>
  state.stable ? { ...state, split: [{ version: state.stable.version, weight: 100 }] } : state;

function placed(state: ServiceState, place: Place | undefined): ServiceState {
  return place ? { ...state, newest: { ...state.newest, [place.repository]: place } } : state;
}

/** Of a data plane that the service left, nothing is known any more. */
const driftOn = ({ drift }: ServiceState, dataPlanes: readonly string[]): ServiceState['drift'] =>
  Object.fromEntries(Object.entries(drift).filter(([dataPlane]) => dataPlanes.includes(dataPlane)));

function withoutRollout({ rollout: _ended, ...rest }: ServiceState): ServiceState {
  return rest;
}

function withoutQueued({ queued: _begun, ...rest }: ServiceState): ServiceState {
  return rest;
}

const alertTime = (alert: AlertRecord): number => Math.max(alert.firedAt ?? 0, alert.resolvedAt ?? 0);

/** Keeps the `count` newest; equal times keep their order of keys, so that arrival decides nothing. */
function newest<Value>(entries: Record<string, Value>, timeOf: (value: Value) => number, count: number): Record<string, Value> {
  const sorted = Object.entries(entries).sort(([keyA, a], [keyB, b]) => timeOf(b) - timeOf(a) || (keyA < keyB ? -1 : 1));
  return Object.fromEntries(sorted.slice(0, count));
}

type Holding = Extract<Phase, { name: 'holding' }>;

function heldBack(
  phase: Holding,
  { reason, advised }: Pick<Extract<ServiceEvent, { type: 'AdvanceHeldBack' }>, 'reason' | 'advised'>,
): Holding {
  const { advised: _was, ...rest } = phase;
  return { ...rest, overdue: true, heldBy: reason, ...(advised === undefined ? {} : { advised }) };
}
