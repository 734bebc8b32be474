/** A rollout beside a rotation of the mesh's root: no way up begins while a change of trust is not seen everywhere; none waits for ever, and no way back waits. */
import { describe, expect, it } from 'vitest';
import { nextDeadline } from '../../src/rollouts/deadlines.ts';
import { alert, deploy, holding, resting, SERVES, STEP_DEADLINE, shifting, T0 } from './story.ts';

const WHY = 'The rotation r7 is issuing: what it changed is not seen everywhere yet.';
const waiting = () => resting().trustChanges(WHY).given(deploy('v2'));
const held = () => holding().trustChanges(WHY).elapse();

describe('while trust is being changed', () => {
  it('a new version waits to begin, and says for what; nobody is disturbed by a card', () => {
    const story = resting().trustChanges(WHY).when(deploy('v2'));
    story.thenRecords('RolloutStarted', 'StartDelayed').thenSplit({ v1: 100 }).thenOwes('watch readiness');
    story.thenPhase('waiting', { because: 'TrustChanging' }).thenSays(/waits: The rotation r7 is issuing/);
  });

  it('and begins as soon as all have it', () => {
    const story = waiting();
    story.when({ type: 'Recheck' }).thenChangesNothing();
    story.trustChanges(undefined).when({ type: 'Recheck' }).thenRecords('StepBegun').thenSplit({ v1: 90, v2: 10 });
  });

  it('and begins at its deadline all the same: a rotation may last for days', () => {
    waiting().elapse().thenRecords('StepBegun').thenSplit({ v1: 90, v2: 10 });
  });

  it('and begins at once when somebody says so', () => {
    waiting().when({ type: 'Resume' }).thenRecords('StepBegun');
    waiting().when({ type: 'Promote' }).thenRecords('StepBegun').thenSplit({ v1: 0, v2: 100 });
  });

  it('a step that is over is held, goes on when all have it, and is looked at meanwhile', () => {
    const story = held();
    story.thenRecords('AdvanceHeldBack').thenSplit({ v1: 90, v2: 10 }).thenOwes('watch readiness');
    story.thenPhase('holding', { overdue: true, heldBy: WHY });
    story.when({ type: 'Recheck' }).thenChangesNothing();
    story.trustChanges(undefined).when({ type: 'Recheck' }).thenRecords('StepBegun').thenSplit({ v1: 50, v2: 50 });
  });

  it('and goes on at the deadline of the step, where nothing else speaks against it: it is not taken back for it', () => {
    const story = held();
    expect(nextDeadline(story.state)).toEqual({ name: 'step', at: T0 + STEP_DEADLINE });
    story.elapse().thenRecords('StepBegun').thenSplit({ v1: 50, v2: 50 });
  });

  it('what else speaks against it is said in its place, with a card, and takes it back at the deadline', () => {
    const story = held().readiness('v2', 'unknown').when({ type: 'Recheck' });
    story.thenRecords('AdvanceHeldBack').thenPhase('holding', { heldBy: 'v2 is not seen ready on edge.' });
    story.thenOwes('watch readiness', 'card held').when({ type: 'Recheck' }).thenChangesNothing();
    story.elapse().thenRecords('TrafficReturned');
  });

  it('no way back waits: by an alert, by hand, by a version that is down', () => {
    const back = { v1: 100, v2: 0 };
    for (const story of [shifting(), holding(), held()]) {
      const { state, now } = story.trustChanges(WHY);
      expect(state.rollout).toBeDefined();
      story
        .when(alert(now))
        .thenSplit(back)
        .thenOwes(...SERVES, 'card returned');
    }
    shifting().trustChanges(WHY).when({ type: 'Abort' }).thenSplit(back);
    held().readiness('v2', 'none').when({ type: 'Recheck' }).thenRecords('TrafficReturned');
  });
});
