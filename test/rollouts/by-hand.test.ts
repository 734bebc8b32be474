/** What people ask of a rollout, in every phase it can be in: pause, resume, promote, abort. */
import { describe, expect, it } from 'vitest';
import {
  alert,
  blocked,
  holding,
  MINUTE,
  overdue,
  paused,
  resting,
  returning,
  SERVES,
  STEP_DEADLINE,
  type Story,
  shifting,
  T0,
  waiting,
} from './story.ts';

const pause = { type: 'Pause' } as const;
const resume = { type: 'Resume' } as const;
const promote = { type: 'Promote' } as const;
const abort = { type: 'Abort' } as const;

const promoted = () => holding().given(promote);

// What is recorded, or why nothing is: one line a phase, one column a command.
const table: readonly [string, () => Story, Record<'Pause' | 'Resume' | 'Promote' | 'Abort', string>][] = [
  ['nothing rolling out', resting, { Pause: 'NoRollout', Resume: 'NoRollout', Promote: 'NoRollout', Abort: 'NoRollout' }],
  [
    'waiting',
    () => waiting().readiness('v2', 'ready'),
    { Pause: 'NotBegun', Resume: 'StepBegun', Promote: 'StepBegun', Abort: 'RolloutAbandoned' },
  ],
  ['shifting', shifting, { Pause: 'RolloutPaused', Resume: 'NotPaused', Promote: 'StepBegun', Abort: 'TrafficReturned' }],
  ['promoted', promoted, { Pause: 'RolloutPaused', Resume: 'NotPaused', Promote: 'AlreadyPromoted', Abort: 'TrafficReturned' }],
  ['holding', holding, { Pause: 'RolloutPaused', Resume: 'NotPaused', Promote: 'StepBegun', Abort: 'TrafficReturned' }],
  ['overdue', overdue, { Pause: 'RolloutPaused', Resume: 'NotPaused', Promote: 'StepBegun', Abort: 'TrafficReturned' }],
  ['paused', paused, { Pause: 'AlreadyPaused', Resume: 'RolloutResumed', Promote: 'StepBegun', Abort: 'TrafficReturned' }],
  ['blocked', blocked, { Pause: 'GoingBack', Resume: 'GoingBack', Promote: 'StepBegun', Abort: 'NothingToDo' }],
  ['returning', returning, { Pause: 'GoingBack', Resume: 'GoingBack', Promote: 'GoingBack', Abort: 'AlreadyReturning' }],
];

describe.each(table)('%s', (_phase, story, answers) => {
  it.each([pause, resume, promote, abort])('$type', (command) => {
    const decision = story().give(command);
    const answer = decision.kind === 'accepted' ? decision.events.map(({ type }) => type).join() : decision.reason;
    expect(answer).toBe(answers[command.type]);
    expect(decision.message).toMatch(/^[A-Zv].*\.$/);
  });

  it.each([pause, resume, promote, abort])('$type twice is $type once', (command) => {
    const told = story();
    told.give(command);
    const { version, state } = told;
    expect(told.give(command).kind).not.toBe('accepted');
    expect(told).toMatchObject({ version, state });
  });
});

describe('pause', () => {
  it('keeps the weight, and goes back when the pause runs out', () => {
    const story = holding().when({ ...pause, reason: 'lunch' });
    story.thenSplit({ v1: 90, v2: 10 }).thenPhase('paused', { step: 0, deadline: T0 + 60 * MINUTE });
    story
      .elapse()
      .thenRecords('TrafficReturned')
      .thenPhase('returning', { cause: { reason: 'PauseExpired', message: 'The pause of v2 ran out.' } });
  });

  it('still hears alerts', () => {
    const story = paused().after(MINUTE);
    story.when(alert(story.now)).thenRecords('AlertNoted', 'TrafficReturned').thenSplit({ v1: 100, v2: 0 });
  });
});

describe('resume', () => {
  it('goes on at the same weight; its clock starts anew when it is seen served again', () => {
    const story = paused()
      .after(10 * MINUTE)
      .when(resume)
      .thenSplit({ v1: 90, v2: 10 })
      .thenOwes(...SERVES);
    story.thenPhase('shifting', { step: 0, served: [], deadline: T0 + 10 * MINUTE + STEP_DEADLINE });
    story.served().thenPhase('holding', { step: 0 });
  });

  it('begins a waiting candidate although an alert is firing: a person says so', () => {
    const story = resting()
      .given(alert(T0))
      .given({ type: 'Deploy', release: { version: 'v2' } });
    story.thenPhase('waiting', { because: 'AlertFiring' }).when(resume).thenRecords('StepBegun').thenSplit({ v1: 90, v2: 10 });
  });

  it('does not send traffic to a candidate that is known to be down', () => {
    waiting().readiness('v2', 'none').when(resume).thenRefuses('CandidateNotReady').thenSplit({ v1: 100 });
  });
});

describe('promote', () => {
  it('gives all traffic now, and makes the candidate stable as soon as it is served everywhere', () => {
    const story = shifting().when(promote).thenSplit({ v1: 0, v2: 100 }).thenPhase('shifting', { step: 2, promoted: true });
    story.served('east').thenPhase('shifting').served('west').thenRecords('StepServedBy', 'RolloutSucceeded').thenRests('v2');
  });

  it('does not send traffic to a candidate that is known to be down', () => {
    shifting().readiness('v2', 'none').when(promote).thenRefuses('CandidateNotReady').thenSplit({ v1: 90, v2: 10 });
  });

  it('does not outrun an alert', () => {
    const story = promoted().after(MINUTE);
    story.when(alert(story.now)).thenRecords('AlertNoted', 'TrafficReturned').thenSplit({ v1: 100, v2: 0 });
  });

  it('is the way out when stable is dead and the candidate is not', () => {
    blocked().when(promote).thenSplit({ v1: 0, v2: 100 }).served().thenRests('v2');
  });
});

describe('abort', () => {
  it('keeps the reason a person gave', () => {
    holding()
      .when({ ...abort, reason: 'wrong build' })
      .thenPhase('returning', { cause: { reason: 'ByHand', message: 'wrong build' } });
  });
});
