/** The way back: it waits for nothing, except for endpoints that are known to be dead; and every phase has a way out. */
import { describe, expect, it } from 'vitest';
import type { DeadlineName } from '../../src/rollouts/commands.ts';
import { nextDeadline } from '../../src/rollouts/deadlines.ts';
import type { ServiceEvent } from '../../src/rollouts/events.ts';
import type { Phase } from '../../src/rollouts/state.ts';
import { weightOf } from '../../src/rollouts/state.ts';
import { blocked, deploy, holding, MINUTE, overdue, paused, returning, SERVES, type Story, shifting, T0, waiting } from './story.ts';

const abort = { type: 'Abort' } as const;
const recheck = { type: 'Recheck' } as const;

describe('taking traffic from a candidate', () => {
  it.each(['ready', 'unknown'] as const)('happens at once when the readiness of stable is %s', (word) => {
    const story = shifting().readiness('v1', word).when(abort);
    story
      .thenRecords('TrafficReturned')
      .thenSplit({ v1: 100, v2: 0 })
      .thenOwes(...SERVES, 'card returned');
  });

  it('does not wait for the step before to be seen served', () => {
    shifting().served('east').when(abort).thenSplit({ v1: 100, v2: 0 });
  });

  it('ends when every data plane is seen to serve stable, and then drops the candidate from the split', () => {
    const story = returning();
    story
      .served('east')
      .thenRecords('ReturnServedBy')
      .thenPhase('returning', { served: ['east'] });
    story
      .served('west')
      .thenRecords('ReturnServedBy', 'RolledBack')
      .thenRests('v1')
      .thenOwes(...SERVES);
  });

  it('is not ended by a data plane that serves what was before', () => {
    const story = returning();
    story.when({ type: 'Converged', dataPlane: 'east', revision: story.version - 1 }).thenChangesNothing();
  });

  it('is never asked twice of a rollout', () => {
    const story = returning();
    const revision = story.version;
    story.when(abort).thenChangesNothing('AlreadyReturning');
    story.when(recheck).thenChangesNothing();
    expect(story.version).toBe(revision);
  });

  it.each([
    ['shifting', shifting],
    ['holding', holding],
    ['paused', paused],
    ['overdue', overdue],
  ])('happens when the candidate is known to have no ready endpoint (%s)', (_name, story) => {
    story().readiness('v2', 'none').when(recheck).thenRecords('TrafficReturned').thenSplit({ v1: 100, v2: 0 });
  });

  it('happens when the clock of a step has run and the candidate is down', () => {
    holding().readiness('v2', 'none').elapse().thenRecords('TrafficReturned').thenSplit({ v1: 100, v2: 0 });
  });
});

describe('stable is known to have no ready endpoint', () => {
  it('so weights stay, a card says it at once, and readiness is watched', () => {
    const story = holding().readiness('v1', 'none').when(abort);
    story.thenRecords('ReturnBlocked').thenSplit({ v1: 90, v2: 10 }).thenOwes('watch readiness', 'card blocked');
    story.thenPhase('blocked', { deadline: T0 + 5 * MINUTE }).thenSays(/known to have no ready endpoint/);
  });

  it('and the move is tried again on every report', () => {
    const story = blocked().when(recheck);
    story.thenChangesNothing();
    story.readiness('v1', 'ready').when(recheck).thenRecords('TrafficReturned').thenSplit({ v1: 100, v2: 0 });
    story.thenPhase('returning', { cause: { reason: 'ByHand', message: 'It was aborted by hand.' } });
  });

  it('and unknown is enough to go back', () => {
    blocked().readiness('v1', 'unknown').when(recheck).thenRecords('TrafficReturned');
  });

  it('and a person may force it', () => {
    blocked()
      .when({ ...abort, force: true })
      .thenRecords('TrafficReturned')
      .thenSplit({ v1: 100, v2: 0 });
    holding()
      .readiness('v1', 'none')
      .when({ ...abort, force: true })
      .thenRecords('TrafficReturned')
      .thenSplit({ v1: 100, v2: 0 });
  });

  it('and asking again without force changes nothing', () => {
    blocked()
      .when(abort)
      .thenChangesNothing()
      .thenSays(/known to have no ready endpoint/);
  });

  it('and it is said again at ever longer intervals, up to an hour', () => {
    const story = blocked();
    const waits: number[] = [];
    for (let times = 0; times < 6; times += 1) {
      story.elapse().thenRecords('ReturnOverdue').thenOwes('watch readiness', 'card blocked').thenSplit({ v1: 90, v2: 10 });
      waits.push(((nextDeadline(story.state)?.at ?? 0) - story.now) / MINUTE);
    }
    expect(waits).toEqual([10, 20, 40, 60, 60, 60]);
  });

  it('does not matter to a candidate that has no traffic', () => {
    waiting().readiness('v1', 'none').when(abort).thenRecords('RolloutAbandoned').thenRests('v1');
  });
});

describe('a way back that is not seen to be served', () => {
  it('is asked for again and said aloud, naming who is missing, for as long as it takes', () => {
    const story = returning().served('east').elapse();
    story
      .thenRecords('ReturnOverdue')
      .thenOwes(...SERVES, 'card stuck')
      .thenPhase('returning', { extended: 1, served: ['east'] });
    story.elapse().thenRecords('ReturnOverdue').thenPhase('returning', { extended: 2 });
    story.served('west').thenRecords('ReturnServedBy', 'RolledBack').thenRests('v1');
  });

  it('because a data plane refuses it is said at once, once for each, and again with what is said of who is missing', () => {
    const story = returning();
    const refused = { type: 'Rejected', revision: story.version, message: 'kubectl-edit owns spec.rules' } as const;
    story
      .when({ ...refused, dataPlane: 'east' })
      .thenRecords('PlanRejected')
      .thenOwes('card stuck')
      .thenSplit({ v1: 100, v2: 0 })
      .thenPhase('returning', { refusals: { east: 'kubectl-edit owns spec.rules' } });
    story.when({ ...refused, dataPlane: 'east', revision: story.version }).thenChangesNothing('NothingToStop');
    story
      .when({ ...refused, dataPlane: 'west', message: 'no such gateway' })
      .thenRecords('PlanRejected')
      .thenOwes('card stuck');
    story.served('west').thenPhase('returning', { served: ['west'], refusals: { east: 'kubectl-edit owns spec.rules' } });
    story.elapse().thenOwes(...SERVES, 'card stuck');
    expect(story.toldTexts()).toEqual(['Not yet seen to serve stable alone: east. east refused it: kubectl-edit owns spec.rules.']);
  });

  it('is not refused by what was brought before it, nor by a data plane the service is not on', () => {
    const story = returning();
    const refused = { type: 'Rejected', dataPlane: 'east', revision: story.version - 1, message: 'no such cluster' } as const;
    story.when(refused).thenChangesNothing('NothingToStop');
    story.when({ ...refused, dataPlane: 'north', revision: story.version }).thenChangesNothing('NothingToStop');
  });

  it('because it cannot begin, and is refused besides, says both', () => {
    const story = blocked();
    const refused = { type: 'Rejected', dataPlane: 'east', revision: story.version, message: 'no such cluster' } as const;
    story.when(refused).thenRecords('PlanRejected').thenOwes('card stuck').thenSplit({ v1: 90, v2: 10 });
    story.thenPhase('blocked', { refusals: { east: 'no such cluster' } });
    story.when({ ...refused, revision: story.version }).thenChangesNothing('NothingToStop');
  });

  const force = { ...abort, force: true, reason: 'west is gone' };

  it('ends when a person insists, and who was not seen is recorded and said', () => {
    const story = returning().served('east').elapse();
    story
      .when(abort)
      .thenChangesNothing('AlreadyReturning')
      .thenSays(/not yet seen to have done it: west\); abort with force/);
    story
      .when(force)
      .thenRecords('RolledBack')
      .thenRests('v1')
      .thenOwes(...SERVES)
      .thenSays(/not yet seen to have done it: west\.$/);
    expect(story.events.at(-1)?.event).toEqual({ type: 'RolledBack', unseen: ['west'], reason: 'west is gone' });
    story.when(deploy('v2')).thenRefuses('VersionRejected');
  });

  it('does not hold up for ever what waits behind it', () => {
    const story = returning().given(deploy('v3'));
    story.when(force).thenRecords('RolledBack', 'RolloutStarted', 'StepBegun').thenSplit({ v1: 90, v3: 10 });
    story.served().thenPhase('holding');
  });
});

describe('what was taken back', () => {
  const over = () => returning().served().thenRests('v1');

  it('is not tried again', () => {
    over()
      .when(deploy('v2'))
      .thenRefuses('VersionRejected')
      .thenSays(/taken back: It was aborted by hand/);
  });

  it('is tried again when a person insists', () => {
    over()
      .when(deploy('v2', { again: true }))
      .thenRecords('RejectionLifted', 'RolloutStarted', 'StepBegun')
      .thenSplit({ v1: 90, v2: 10 });
  });

  it('does not stand in the way of another version', () => {
    over().when(deploy('v3')).thenSplit({ v1: 90, v3: 10 });
  });
});

describe('every phase has a deadline and a named way out', () => {
  // Keyed by the union: a phase that is added without a way out does not compile.
  const waysOut: Record<Phase['name'], { story: () => Story; deadline: DeadlineName; records: ServiceEvent['type'] }> = {
    waiting: { story: waiting, deadline: 'start', records: 'RolloutAbandoned' },
    shifting: { story: shifting, deadline: 'step', records: 'TrafficReturned' },
    holding: { story: holding, deadline: 'hold', records: 'StepBegun' },
    paused: { story: paused, deadline: 'pause', records: 'TrafficReturned' },
    blocked: { story: blocked, deadline: 'blocked', records: 'ReturnOverdue' },
    returning: { story: returning, deadline: 'return', records: 'ReturnOverdue' },
  };

  it.each(Object.entries(waysOut))('%s', (name, { story, deadline, records }) => {
    const told = story();
    expect(told.state.rollout?.phase.name).toBe(name);
    const next = nextDeadline(told.state);
    expect(next?.name).toBe(deadline);
    expect(next?.at).toBeGreaterThan(told.now);
    told.elapse().thenRecords(records);
  });

  it('holding past its clock: the step deadline, and back', () => {
    const story = overdue().readiness('v2', 'unknown');
    expect(nextDeadline(story.state)?.name).toBe('step');
    story.elapse().thenRecords('TrafficReturned');
    expect(weightOf(story.state, 'v2')).toBe(0);
  });

  it('nothing rolling out: no deadline', () => {
    expect(nextDeadline(returning().served().state)).toBeUndefined();
  });
});
