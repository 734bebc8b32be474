/** Alerts as evidence: which of them takes a version back, which only stand in its way, and which say nothing. */
import { describe, expect, it } from 'vitest';
import {
  alert,
  blocked,
  deploy,
  HOLD,
  holding,
  MINUTE,
  paused,
  resolved,
  resting,
  returning,
  SERVES,
  shifting,
  T0,
  waiting,
} from './story.ts';

const HOUR = 60 * MINUTE;

describe('an alert that fires after a version first had traffic', () => {
  it.each([
    ['shifting', shifting],
    ['holding', holding],
    ['paused', paused],
  ])('takes it back at once (%s)', (_phase, story) => {
    const told = story().after(2 * MINUTE);
    told.when(alert(told.now)).thenRecords('AlertNoted', 'TrafficReturned').thenSplit({ v1: 100, v2: 0 });
    told.thenOwes(...SERVES, 'card returned').thenPhase('returning', {
      cause: { reason: 'AlertFired', message: 'The alert catalog-5xx fired: too many 5xx' },
    });
  });

  it('is judged by when it fired, not by when it arrives', () => {
    const story = shifting()
      .after(20_000)
      .served()
      .after(4 * MINUTE);
    story.when(alert(T0)).thenRecords('AlertNoted', 'TrafficReturned');
  });

  it('counts at the very moment of exposure, and not one millisecond before', () => {
    shifting().when(alert(T0)).thenRecords('AlertNoted', 'TrafficReturned');
    shifting()
      .when(alert(T0 - 1))
      .thenRecords('AlertNoted')
      .thenSplit({ v1: 90, v2: 10 });
  });

  it('must have looked at that time: a window that ended before does not speak of it', () => {
    const window = (end: number) => ({ window: { start: end - 5 * MINUTE, end } });
    shifting()
      .when(alert(T0 + MINUTE, window(T0 - 1)))
      .thenRecords('AlertNoted')
      .thenSplit({ v1: 90, v2: 10 });
    shifting()
      .when(alert(T0 + MINUTE, window(T0)))
      .thenRecords('AlertNoted', 'TrafficReturned');
  });

  it('acts at every weight of a rollout: exposure is its first', () => {
    holding()
      .elapse()
      .when(alert(T0 + 1))
      .thenRecords('AlertNoted', 'TrafficReturned')
      .thenSplit({ v1: 100, v2: 0 });
  });

  it('does not move traffic onto endpoints known to be dead', () => {
    holding().readiness('v1', 'none').when(alert(T0)).thenRecords('AlertNoted', 'ReturnBlocked').thenSplit({ v1: 90, v2: 10 });
  });

  it('acts once: said again, or said by another rule, it finds the version on its way back', () => {
    const story = holding().given(alert(T0));
    story.when(alert(T0)).thenChangesNothing('KnownAlert');
    story
      .when(alert(T0, { id: 'a2' }))
      .thenRecords('AlertNoted')
      .thenOwes();
  });
});

describe('an alert that fired before', () => {
  it('blocks the start, with a card that says why and until when', () => {
    const story = resting()
      .given(alert(T0 - HOUR))
      .when(deploy('v2'));
    story.thenRecords('RolloutStarted', 'StartDelayed').thenSplit({ v1: 100 }).thenOwes('watch readiness', 'card delayed');
    story.thenPhase('waiting', { because: 'AlertFiring', deadline: T0 + 30 * MINUTE }).thenSays(/until the alert catalog-5xx has ended/);
  });

  it('lets the version begin when it ends', () => {
    const story = resting()
      .given(alert(T0 - HOUR), deploy('v2'))
      .after(MINUTE);
    story.when(resolved(story.now)).thenRecords('AlertNoted', 'StepBegun').thenSplit({ v1: 90, v2: 10 });
  });

  it('has the start given up at its deadline if it does not end', () => {
    resting().given(alert(T0), deploy('v2')).elapse().thenRecords('RolloutAbandoned').thenRests('v1');
  });

  it('of several, all must end', () => {
    const story = resting().given(alert(T0), alert(T0, { id: 'a2' }), deploy('v2'));
    story
      .when(resolved(T0 + 1))
      .thenRecords('AlertNoted')
      .thenPhase('waiting', { because: 'AlertFiring' });
    story.when(resolved(T0 + 1, 'a2')).thenRecords('AlertNoted', 'StepBegun');
  });

  it('no longer counts after a day, since some alerts are never resolved', () => {
    resting()
      .given(alert(T0 - 24 * HOUR + 1), deploy('v2'))
      .thenPhase('waiting');
    resting()
      .given(alert(T0 - 24 * HOUR), deploy('v2'))
      .thenPhase('shifting');
  });

  it('holds a later step too, and lets it go on when it ends', () => {
    const story = holding()
      .given(alert(T0 - 1))
      .elapse()
      .thenRecords('AdvanceHeldBack')
      .thenSplit({ v1: 90, v2: 10 });
    story.when(resolved(story.now)).thenRecords('AlertNoted', 'StepBegun').thenSplit({ v1: 50, v2: 50 });
  });

  it('arriving while a version waits keeps it waiting, even when it is ready by then', () => {
    const story = waiting().when(alert(T0)).thenRecords('AlertNoted', 'StartDelayed').thenPhase('waiting', { because: 'AlertFiring' });
    story.readiness('v2', 'ready').when({ type: 'Recheck' }).thenChangesNothing();
  });
});

describe('an alert that ends', () => {
  it('never undoes a way back', () => {
    const story = holding()
      .given(alert(T0))
      .when(resolved(T0 + MINUTE));
    story.thenRecords('AlertNoted').thenPhase('returning').thenSplit({ v1: 100, v2: 0 });
    story.served().thenRests('v1').when(deploy('v2')).thenRefuses('VersionRejected');
  });

  it('never undoes a way back that is blocked either', () => {
    blocked().when(resolved(T0)).thenRecords('AlertNoted').thenPhase('blocked').thenSplit({ v1: 90, v2: 10 });
  });

  it('and is heard of before it fired still takes back what had traffic then', () => {
    const story = holding()
      .when(resolved(T0 + 2 * MINUTE))
      .thenRecords('AlertNoted')
      .thenPhase('holding');
    story.when(alert(T0 + MINUTE)).thenRecords('AlertNoted', 'TrafficReturned');
  });

  it('and is heard of before it fired blocks no start', () => {
    resting()
      .given(resolved(T0 + MINUTE), alert(T0), deploy('v2'))
      .thenPhase('shifting');
  });

  it('twice changes nothing, and does not end an alert that fired anew', () => {
    resting()
      .given(alert(T0), resolved(T0 + 1))
      .when(resolved(T0 + 1))
      .thenChangesNothing('KnownAlert');
    resting()
      .given(resolved(T0 - 1), alert(T0), deploy('v2'))
      .thenPhase('waiting', { because: 'AlertFiring' });
  });

  it('and fires anew under its old id is a new one, in whatever order this is heard', () => {
    const fires = [alert(T0 - MINUTE), resolved(T0 - 2000), alert(T0 - 1000)] as const;
    for (const order of [fires, [fires[2], fires[0], fires[1]], [fires[1], fires[2], fires[0]]]) {
      const story = resting();
      for (const each of order) story.when(each);
      story.given(deploy('v2')).thenPhase('waiting', { because: 'AlertFiring' });
    }
    holding()
      .given(alert(T0 - MINUTE), resolved(T0))
      .when(alert(T0 + 1000))
      .thenRecords('AlertNoted', 'TrafficReturned');
  });

  it('does not cut the clock of a step short', () => {
    const story = holding()
      .given(alert(T0 - 1))
      .after(MINUTE)
      .when(resolved(T0 + MINUTE));
    story.thenRecords('AlertNoted').thenPhase('holding', { until: T0 + HOLD });
  });
});

describe('an alert while nothing is rolling out', () => {
  it('is noted and said', () => {
    resting().when(alert(T0)).thenRecords('AlertNoted').thenOwes('card alert').thenRests('v1');
  });

  it('does not move traffic, whatever was rolled back before', () => {
    returning().when(alert(T0)).thenRecords('AlertNoted').thenOwes();
  });

  it('is remembered, fifty of them, so that arrival does not decide which are', () => {
    const ids = Array.from({ length: 60 }, (_, index) => `a${index}`);
    const told = (order: readonly string[]) => resting().given(...order.map((id) => alert(T0 + Number(id.slice(1)), { id })));
    const [forwards, backwards] = [told(ids), told(ids.toReversed())];
    expect(Object.keys(forwards.state.alerts).sort()).toEqual(ids.slice(10).sort());
    expect(Object.keys(backwards.state.alerts).sort()).toEqual(ids.slice(10).sort());
  });
});
