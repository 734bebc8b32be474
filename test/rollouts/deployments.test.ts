/** What a deployment means while something else is on its way, and whose order counts when pushes arrive late. */
import { describe, expect, it } from 'vitest';
import {
  blocked,
  deploy,
  holding,
  MINUTE,
  overdue,
  paused,
  push,
  resting,
  returning,
  SERVES,
  type Story,
  shifting,
  waiting,
} from './story.ts';

const recheck = { type: 'Recheck' } as const;

describe('one rollout at a time', () => {
  it.each([
    ['shifting', shifting],
    ['holding', holding],
    ['overdue', overdue],
    ['paused', paused],
  ])('a new version in mid-rollout (%s) takes its place: the old candidate gets nothing any more', (_phase, story) => {
    const told = story().when(deploy('v3'));
    told.thenRecords('RolloutSuperseded', 'RolloutStarted', 'StepBegun').thenSplit({ v1: 90, v3: 10 });
    told.thenOwes(...SERVES, 'card started').thenPhase('shifting', { step: 0 });
    expect(told.state.rollout?.candidate.version).toBe('v3');
  });

  it('a new version that is not ready still ends the old candidate, whose successor is known', () => {
    const story = holding().readiness('v3', 'unknown').when(deploy('v3'));
    story.thenRecords('RolloutSuperseded', 'RolloutStarted').thenSplit({ v1: 100 }).thenPhase('waiting');
    story.thenOwes(...SERVES, 'watch readiness', 'card delayed');
  });

  it('a version superseded has not failed: it may come again', () => {
    holding().given(deploy('v3')).when(deploy('v2')).thenRecords('RolloutSuperseded', 'RolloutStarted', 'StepBegun');
  });

  it('a candidate that waits is replaced without traffic ever having moved', () => {
    waiting().when(deploy('v3')).thenRecords('RolloutSuperseded', 'RolloutStarted', 'StepBegun').thenSplit({ v1: 90, v3: 10 });
  });

  it.each([
    ['waiting', waiting],
    ['shifting', shifting],
    ['holding', holding],
    ['paused', paused],
  ])('the same version again (%s) changes nothing', (_phase, story) => {
    story().when(deploy('v2')).thenChangesNothing();
  });

  it('the same label with another digest is another artifact', () => {
    const story = resting().given(deploy('v2', { digest: 'sha256:a' }));
    story.when(deploy('v2', { digest: 'sha256:b' })).thenRecords('RolloutSuperseded', 'RolloutStarted', 'StepBegun');
  });
});

describe('while traffic is on its way back', () => {
  it('a new version waits, and begins when the way back is served', () => {
    const story = returning().when(deploy('v3'));
    story.thenRecords('DeploymentQueued').thenSplit({ v1: 100, v2: 0 });
    story.served().thenRecords('ReturnServedBy', 'RolledBack', 'RolloutStarted', 'StepBegun').thenSplit({ v1: 90, v3: 10 });
  });

  it('only the newest waits', () => {
    const story = returning().given(deploy('v3'), deploy('v4'));
    story.when(deploy('v4')).thenChangesNothing('AlreadyQueued');
    story.served().thenSplit({ v1: 90, v4: 10 });
    expect(story.state.queued).toBeUndefined();
  });

  it('the newest push waits, also when an older one that was said twice arrives between', () => {
    const story = returning().given(push('v3', 2), push('v3', 4)).when(push('v4', 3));
    story.thenRefuses('OlderThanCurrent').served().thenSplit({ v1: 90, v3: 10 });
  });

  it.each(['v1', 'v2'])('asking for %s again takes back what waits', (version) => {
    const story = (version === 'v1' ? returning() : holding().readiness('v1', 'none')).given(deploy('v3'), deploy(version));
    expect(story.state.queued).toBeUndefined();
  });

  it('also when stable is known to be dead: the candidate keeps its weight, nothing reaches the next one', () => {
    const story = blocked().when(deploy('v3')).thenRecords('DeploymentQueued').thenSplit({ v1: 90, v2: 10 });
    story.readiness('v1', 'ready').when(recheck).thenRecords('TrafficReturned').served().thenSplit({ v1: 90, v3: 10 });
  });

  it('the version that is going back is refused rather than waiting for itself', () => {
    blocked().when(deploy('v2')).thenRefuses('GoingBack');
    returning().when(deploy('v2')).thenRefuses('VersionRejected');
  });

  it('what insists on the version going back begins anew after it', () => {
    const story = returning()
      .when(deploy('v2', { again: true }))
      .thenRecords('RejectionLifted', 'DeploymentQueued');
    story.thenSplit({ v1: 100, v2: 0 }).served().thenRecords('ReturnServedBy', 'RolledBack', 'RolloutStarted', 'StepBegun');
  });
});

describe('a new version while stable is known to be dead', () => {
  const dead = () => holding().readiness('v1', 'none').given(deploy('v3'));

  it('does not take the candidate from those it serves; it waits', () => {
    dead().thenRecords('DeploymentQueued').thenSplit({ v1: 90, v2: 10 }).thenPhase('holding');
  });

  it('begins when the candidate has become stable', () => {
    const story = dead().elapse().served().elapse().served().elapse();
    story.thenRecords('RolloutSucceeded', 'RolloutStarted', 'StepBegun').thenSplit({ v2: 90, v3: 10 });
  });

  it('is dropped when its label has become stable meanwhile: one label cannot be divided', () => {
    const story = resting()
      .given(deploy('v2', { digest: 'sha256:a' }))
      .readiness('v1', 'none');
    story.given(deploy('v2', { digest: 'sha256:b' }), { type: 'Promote' }).served();
    story.thenRecords('StepServedBy', 'RolloutSucceeded', 'QueueCleared').thenRests('v2');
    story.thenOwes(...SERVES, 'card succeeded', 'card abandoned');
    expect(story.state.queued).toBeUndefined();
  });
});

describe('deploying the stable version', () => {
  it('changes nothing while nothing is rolling out', () => {
    resting()
      .when(deploy('v1'))
      .thenChangesNothing()
      .thenSays(/stable already/);
  });

  it('is asking for the way back', () => {
    const story = holding().when(deploy('v1')).thenRecords('TrafficReturned').thenSplit({ v1: 100, v2: 0 });
    story.thenPhase('returning', { cause: { reason: 'StableDeployed', message: 'v1, the stable version, was deployed again.' } });
  });

  it('is refused under another digest: that label takes all traffic already', () => {
    const story = resting()
      .given(deploy('v2', { digest: 'sha256:a' }), { type: 'Promote' })
      .served()
      .thenRests('v2');
    story
      .when(deploy('v2', { digest: 'sha256:b' }))
      .thenRefuses('SameVersionLabel')
      .thenSays(/a version of its own/);
  });

  it('is not taken for an earlier artifact of its label that failed', () => {
    const story = resting()
      .given(deploy('v2', { digest: 'sha256:a' }), { type: 'Abort' })
      .served();
    story
      .given(deploy('v2', { digest: 'sha256:b' }), { type: 'Promote' })
      .served()
      .thenRests('v2');
    story.given(deploy('v3')).when(deploy('v2')).thenRecords('TrafficReturned').thenSplit({ v2: 100, v3: 0 });
  });
});

describe('pushes to one registry repository', () => {
  const end = (story: Story) => story.state.rollout?.candidate.version;

  it('are ordered by their time at the source: one that arrives late is refused', () => {
    const story = resting().given(push('v3', 2)).when(push('v2', 1));
    story.thenRefuses('OlderThanCurrent').thenSplit({ v1: 90, v3: 10 });
  });

  it('are ordered also when what came first was rolled back or has succeeded', () => {
    const aborted = resting().given(push('v3', 2), { type: 'Abort' }).served();
    aborted.when(push('v2', 1)).thenRefuses('OlderThanCurrent').thenRests('v1');
    const succeeded = resting().given(push('v3', 2), { type: 'Promote' }).served();
    succeeded.when(push('v2', 1)).thenRefuses('OlderThanCurrent').thenRests('v3');
  });

  it('of the same time are ordered by digest, whichever arrives first', () => {
    const [a, b] = [push('v2', 1, 'sha256:a'), push('v3', 1, 'sha256:b')];
    expect(end(resting().given(a, b))).toBe('v3');
    expect(end(resting().given(b).when(a).thenRefuses('OlderThanCurrent'))).toBe('v3');
  });

  it('of stable count too: what was pushed before it is too old', () => {
    const story = resting().given(push('v1', 5)).thenRecords('PushNoted');
    story.when(push('v2', 4)).thenRefuses('OlderThanCurrent');
  });

  it('say nothing about another repository', () => {
    const story = resting()
      .given(push('v3', 60))
      .when(push('v2', 1, 'sha256:x', 'other.azurecr.io/catalog'));
    story.thenRecords('RolloutSuperseded', 'RolloutStarted', 'StepBegun');
    expect(end(story)).toBe('v2');
  });

  it('do not make what people and CI/CD ask for too old', () => {
    const story = resting().given(push('v3', 60)).after(MINUTE).when(deploy('v2'));
    story.thenRecords('RolloutSuperseded', 'RolloutStarted', 'StepBegun');
  });
});
