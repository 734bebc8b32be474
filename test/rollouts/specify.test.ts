/** Specs in force: newer ones replace older ones, a rollout keeps the steps it began with, and a service can leave. */
import { describe, expect, it } from 'vitest';
import { alert, deploy, HOLD, holding, MINUTE, resting, returning, SERVES, Story, serviceSpec, shifting, specify, T0 } from './story.ts';

describe('a spec', () => {
  it('brings the version it begins with into service', () => {
    new Story()
      .when(specify())
      .thenRecords('ServiceSpecified', 'StableEstablished')
      .thenRests('v1')
      .thenOwes(...SERVES);
  });

  it('does not change what is stable by its word alone: that takes a rollout', () => {
    resting()
      .when(specify(serviceSpec({ stable: 'v9' }), 2))
      .thenRecords('ServiceSpecified')
      .thenRests('v1');
  });

  it.each([1, 2])('of version %i is older than, or the same as, one in force', (specVersion) => {
    const story = new Story().given(specify(serviceSpec(), 2));
    story.when(specify(serviceSpec({ port: 9090 }), specVersion)).thenChangesNothing('OlderSpec');
    story.when({ type: 'Retire', specVersion }).thenChangesNothing('OlderSpec');
    expect(story.state.spec?.port).toBe(8080);
  });

  it('that comes in mid-rollout is served at once, and its steps apply to the next rollout', () => {
    const { rollout } = serviceSpec();
    const steps = [{ weight: 100, holdMs: 0, deadlineMs: MINUTE }];
    const story = holding().when(specify(serviceSpec({ port: 9090, rollout: { ...rollout, steps } }), 2));
    story
      .thenRecords('ServiceSpecified')
      .thenOwes(...SERVES)
      .thenPhase('holding', { step: 0, until: T0 + HOLD });
    story.elapse().thenSplit({ v1: 50, v2: 50 }).given(deploy('v3')).thenSplit({ v1: 0, v3: 100 });
  });

  it('that names fewer data planes lets a step go on that waited for the one gone', () => {
    const story = shifting().served('east');
    story
      .when(specify(serviceSpec({ dataPlanes: ['east'] }), 2))
      .thenRecords('ServiceSpecified', 'StepHeld')
      .thenPhase('holding');
  });

  it('that names fewer data planes has something to do on the one it leaves too', () => {
    holding()
      .when(specify(serviceSpec({ dataPlanes: ['east'] }), 2))
      .thenOwes(...SERVES)
      .when(specify(serviceSpec({ dataPlanes: ['east'], port: 9090 }), 3))
      .thenOwes('serve east');
  });

  it('that names one more makes a way back wait for it too', () => {
    const story = returning()
      .served('east')
      .given(specify(serviceSpec({ dataPlanes: ['east', 'north', 'west'] }), 2));
    story.served('west').thenRecords('ReturnServedBy').served('north').thenRecords('ReturnServedBy', 'RolledBack').thenRests('v1');
  });
});

describe('a service that leaves the mesh', () => {
  const retired = () => holding().given({ type: 'Retire', specVersion: 2 });

  it('gets no traffic from it, and what was rolling out is over', () => {
    const story = retired()
      .thenRecords('ServiceRetired')
      .thenSplit({})
      .thenOwes(...SERVES);
    expect(story.state.rollout).toBeUndefined();
  });

  it('answers to nothing any more', () => {
    for (const command of [deploy('v3'), alert(T0), { type: 'Abort' } as const]) retired().when(command).thenRefuses('UnknownService');
    retired().when({ type: 'Retire', specVersion: 3 }).thenChangesNothing('OlderSpec');
  });

  it('comes back with the version that was stable, by a newer spec only', () => {
    retired().when(specify(serviceSpec(), 2)).thenChangesNothing('OlderSpec');
    retired()
      .when(specify(serviceSpec({ stable: 'v9' }), 3))
      .thenRecords('ServiceSpecified', 'StableEstablished')
      .thenRests('v1');
  });
});
