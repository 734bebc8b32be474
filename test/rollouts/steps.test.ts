/** A canary's way up: weights by steps, convergence before the clock, hold, deadline, and the end at 100 percent. */
import { describe, expect, it } from 'vitest';
import { nextDeadline } from '../../src/rollouts/deadlines.ts';
import {
  deploy,
  HOLD,
  holding,
  MINUTE,
  overdue,
  resting,
  SERVES,
  STEP_DEADLINE,
  Story,
  serviceSpec,
  shifting,
  specify,
  T0,
  waiting,
} from './story.ts';

describe('a new version', () => {
  it('takes all traffic when it is the first', () => {
    const { stable: _none, ...rest } = serviceSpec();
    const first = new Story().given(specify(rest)).when(deploy('v1'));
    first
      .thenRecords('StableEstablished')
      .thenRests('v1')
      .thenOwes(...SERVES, 'card established');
  });

  it('begins with the weight of the first step, on every data plane, and says so', () => {
    const story = resting().when(deploy('v2'));
    story.thenRecords('RolloutStarted', 'StepBegun').thenSplit({ v1: 90, v2: 10 });
    story.thenPhase('shifting', { step: 0, deadline: T0 + STEP_DEADLINE }).thenOwes(...SERVES, 'card started');
  });

  it.each(['unknown', 'none'] as const)('gets no traffic while its readiness is %s; it waits, watched, with a deadline', (word) => {
    const story = resting().readiness('v2', word).when(deploy('v2'));
    story.thenRecords('RolloutStarted').thenSplit({ v1: 100 }).thenOwes('watch readiness', 'card delayed');
    story.thenPhase('waiting', { because: 'NotReady', deadline: T0 + 30 * MINUTE });
  });

  it('begins as soon as it is seen ready', () => {
    const story = waiting();
    story.when({ type: 'Recheck' }).thenChangesNothing();
    story.readiness('v2', 'ready').when({ type: 'Recheck' }).thenRecords('StepBegun').thenSplit({ v1: 90, v2: 10 });
    story.thenOwes(...SERVES, 'card started');
  });

  it('is given up when it is not ready by the deadline, without ever having had traffic, and is not held to have failed', () => {
    const story = waiting().elapse();
    story.thenRecords('RolloutAbandoned').thenRests('v1').thenOwes('card abandoned');
    story.readiness('v2', 'ready').when(deploy('v2')).thenRecords('RolloutStarted', 'StepBegun');
  });

  it('is unknown to a service without a spec', () => {
    new Story().when(deploy('v1')).thenRefuses('UnknownService');
  });
});

describe('the clock of a step', () => {
  it('does not run until every data plane was seen to serve the step', () => {
    const story = shifting()
      .served('east')
      .thenRecords('StepServedBy')
      .thenPhase('shifting', { served: ['east'] });
    story
      .after(4 * MINUTE)
      .served('west')
      .thenRecords('StepServedBy', 'StepHeld');
    story.thenPhase('holding', { step: 0, until: T0 + 4 * MINUTE + HOLD, deadline: T0 + STEP_DEADLINE });
  });

  it('is not started by a data plane that serves an older revision, nor by one the service does not live on', () => {
    const story = shifting();
    story.when({ type: 'Converged', dataPlane: 'east', revision: story.version - 1 }).thenChangesNothing();
    story.when({ type: 'Converged', dataPlane: 'mars', revision: story.version }).thenChangesNothing();
    story.thenPhase('shifting', { served: [] });
  });

  it('counts a data plane once', () => {
    const story = shifting().served('east');
    story.served('east').thenChangesNothing();
    story.thenPhase('shifting', { served: ['east'] });
  });

  it('leads to the next weight when it has run', () => {
    const story = holding().elapse();
    story.thenRecords('StepBegun').thenSplit({ v1: 50, v2: 50 }).thenPhase('shifting', { step: 1, served: [] });
    story.thenOwes(...SERVES, 'card step');
    expect(story.now).toBe(T0 + HOLD);
  });

  it('cannot be moved ahead, and an alarm of a deadline that stands no more changes nothing', () => {
    const story = holding();
    const due = nextDeadline(story.state)?.at ?? 0;
    story
      .after(HOLD - 1)
      .when({ type: 'Elapsed', deadline: 'hold', dueAt: due })
      .thenChangesNothing('NotDue');
    story.when({ type: 'Elapsed', deadline: 'hold', dueAt: due + 1 }).thenChangesNothing('StaleDeadline');
    story.when({ type: 'Elapsed', deadline: 'step', dueAt: due }).thenChangesNothing('StaleDeadline');
    story.elapse().thenRecords('StepBegun');
    story.when({ type: 'Elapsed', deadline: 'hold', dueAt: due }).thenChangesNothing('StaleDeadline');
  });

  it('is skipped by a step without a hold', () => {
    const steps = [
      { weight: 20, holdMs: 0, deadlineMs: MINUTE },
      { weight: 100, holdMs: 0, deadlineMs: MINUTE },
    ];
    const story = new Story().given(specify(serviceSpec({ rollout: { ...serviceSpec().rollout, steps } })), deploy('v2'));
    story.served().thenRecords('StepServedBy', 'StepHeld', 'StepBegun').thenSplit({ v2: 100, v1: 0 });
    story.served().thenRecords('StepServedBy', 'StepHeld', 'RolloutSucceeded').thenRests('v2');
  });
});

describe('the end of the way up', () => {
  it('is that the candidate is stable, after every step was served and held', () => {
    const story = holding().elapse().served().elapse().thenSplit({ v1: 0, v2: 100 }).served();
    story
      .elapse()
      .thenRecords('RolloutSucceeded')
      .thenRests('v2')
      .thenOwes(...SERVES, 'card succeeded');
    expect(story.events.flatMap(({ event }) => (event.type === 'StepHeld' ? [event.step] : []))).toEqual([0, 1, 2]);
  });
});

describe('absence of evidence', () => {
  it('holds a step when its clock has run: unknown readiness does not advance it', () => {
    const story = holding().readiness('v2', 'unknown').elapse();
    story.thenRecords('AdvanceHeldBack').thenSplit({ v1: 90, v2: 10 }).thenOwes('watch readiness', 'card held');
    story.thenPhase('holding', { overdue: true });
  });

  it('ends with the first report that says ready', () => {
    const story = overdue().readiness('v2', 'unknown').when({ type: 'Recheck' });
    story.thenChangesNothing();
    story.readiness('v2', 'ready').when({ type: 'Recheck' }).thenRecords('StepBegun').thenSplit({ v1: 50, v2: 50 });
  });

  it('goes back at the step deadline if nothing changes', () => {
    overdue().readiness('v2', 'unknown').elapse().thenRecords('TrafficReturned').thenSplit({ v1: 100, v2: 0 });
  });

  it('does not delay a step whose clock still runs', () => {
    holding().readiness('v2', 'unknown').when({ type: 'Recheck' }).thenChangesNothing();
  });

  it('a step that is not seen to be served goes back at its deadline, and the data planes missing are named', () => {
    const story = shifting().served('east').elapse();
    story
      .thenRecords('TrafficReturned')
      .thenSplit({ v1: 100, v2: 0 })
      .thenPhase('returning', {
        cause: { reason: 'StepTimedOut', message: 'v2 was not seen to be served in time by west.' },
      });
  });
});

describe('a data plane that refuses a weight', () => {
  const refusal = { type: 'Rejected', dataPlane: 'east', message: 'envoy-1: bad cluster' } as const;

  it('stops the way up, says so, and takes nobody back', () => {
    const story = shifting();
    story
      .when({ ...refusal, revision: story.version })
      .thenRecords('PlanRejected')
      .thenOwes('card stuck');
    story.thenSplit({ v1: 90, v2: 10 }).thenPhase('shifting', { refusal: { dataPlane: 'east', message: 'envoy-1: bad cluster' } });
  });

  it('is said once, whoever else refuses', () => {
    const story = shifting();
    const { version: revision } = story;
    story
      .given({ ...refusal, revision })
      .when({ ...refusal, dataPlane: 'west', revision })
      .thenChangesNothing('NothingToStop');
  });

  it('goes back at the deadline with what was refused, and not before', () => {
    const story = shifting();
    const { version: revision } = story;
    story
      .given({ ...refusal, revision })
      .elapse()
      .thenRecords('TrafficReturned');
    expect(story.now).toBe(T0 + STEP_DEADLINE);
    story.thenPhase('returning', { cause: { reason: 'StepTimedOut', message: 'east refused the weight of v2: envoy-1: bad cluster' } });
  });

  it('still goes on when it comes to serve the weight after all', () => {
    const story = shifting();
    const { version: revision } = story;
    story
      .given({ ...refusal, revision })
      .served()
      .thenPhase('holding');
  });

  it('stops nothing by a refusal of an older revision, nor once the weight is served', () => {
    const story = shifting();
    story.when({ ...refusal, revision: story.version - 1 }).thenChangesNothing('NothingToStop');
    story.served();
    story.when({ ...refusal, revision: story.version }).thenChangesNothing('NothingToStop');
  });
});
