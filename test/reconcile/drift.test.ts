/** Looking for drift, through the app: what is compared and when, what is kept of it, told of it and put back. */
import { describe, expect, it } from 'vitest';
import type { Difference } from '../../src/reconcile/data-plane.ts';
import { readFragment } from '../../src/reconcile/model.ts';
import { putNode } from '../../src/reconcile/observations.ts';
import { serviceStreamId } from '../../src/rollouts/service-stream.ts';
import { deployment, MINUTE, meshFile, serviceFile, shop, T0, type World } from '../world.ts';
import { atRest } from './storing.ts';

const gone: Difference = { kind: 'missing', resource: 'VirtualService shop/catalog' };
const taken: Difference = { kind: 'changed', resource: 'VirtualService shop/catalog', path: 'spec.http', wanted: '[]', restorable: false };

const outcomes = async (world: World) => (await world.app.lookForDrift()).map(({ dataPlane, outcome }) => `${dataPlane} ${outcome}`);
const driftOf = async (world: World) => (await world.app.service('shop', 'catalog'))?.drift;
const recorded = async (world: World) =>
  (await world.app.history('shop', 'catalog', 0, 100))
    .flatMap(({ events }) => events.map(({ type }) => type))
    .filter((type) => /^Drift/.test(type));

describe('looking for drift', () => {
  it('of what is as decided says nothing, and is remembered', async () => {
    const { world } = await atRest();
    expect(await world.app.drift()).toEqual([]);
    expect(await outcomes(world)).toEqual(['east none', 'west none']);
    expect(await world.app.drift()).toMatchObject([{ mesh: 'shop', service: 'catalog', dataPlane: 'east', outcome: 'none', at: T0 }, {}]);
    expect([await recorded(world), world.cards]).toEqual([[], []]);
    world.now += 25 * 60 * MINUTE;
    expect(await world.app.drift()).toEqual([]);
  });

  it('finds what was deleted, has it put back on that data plane, and tells both', async () => {
    const { world, east, west } = await atRest();
    east.lost = [gone];
    const [before, others] = [east.applied, west.applied];
    const revision = (await readFragment(world.documents, 'shop', 'catalog'))?.revision;
    expect(await outcomes(world)).toEqual(['east drift', 'west none']);
    expect([east.applied, west.applied]).toEqual([before + 1, others]);
    expect((await readFragment(world.documents, 'shop', 'catalog'))?.revision).toBe(revision);
    expect(await recorded(world)).toEqual(['DriftFound', 'DriftGone']);
    expect(world.topics()).toEqual(['drifted', 'drift-gone']);
    expect(await outcomes(world)).toEqual(['east none', 'west none']);
  });

  it('leaves what another manager owns, says it once, and shows it for as long as it is so', async () => {
    const { world, east } = await atRest();
    east.kept = [taken];
    const before = east.applied;
    for (let looks = 1; looks <= 3; looks += 1) {
      world.now += 5 * MINUTE;
      expect(await outcomes(world)).toEqual(['east drift', 'west none']);
    }
    expect(east.applied).toBe(before);
    expect([await recorded(world), world.topics()]).toEqual([['DriftFound'], ['drifted']]);
    expect(await driftOf(world)).toMatchObject([{ dataPlane: 'east', since: T0 + 5 * MINUTE, more: 0 }]);
    east.kept = [];
    await outcomes(world);
    expect(await driftOf(world)).toEqual([]);
  });

  it('puts back what goes again beside something that stays, without another word', async () => {
    const { world, east } = await atRest();
    east.kept = [taken];
    east.lost = [gone];
    await outcomes(world);
    east.lost = [gone];
    const before = east.applied;
    await outcomes(world);
    expect([east.applied, east.lost]).toEqual([before + 1, []]);
    expect(world.topics()).toEqual(['drifted']);
  });

  it('knows nothing of a data plane that does not answer: neither that it drifted nor that it did not', async () => {
    const { world, east, west } = await atRest();
    east.kept = [taken];
    await outcomes(world);
    east.kept = 'connection refused';
    west.kept = [taken];
    expect(await world.app.lookForDrift()).toMatchObject([
      { dataPlane: 'east', outcome: 'unknown', because: 'connection refused' },
      { dataPlane: 'west', outcome: 'drift' },
    ]);
    expect((await driftOf(world))?.map(({ dataPlane }) => dataPlane)).toEqual(['east', 'west']);
  });

  it('does not compare what is still on its way there, unless it has been for long', async () => {
    const { world, east } = await atRest();
    east.seen = { kind: 'waiting', for: ['pod-1'] };
    await world.apply(meshFile('shop', ['east', 'west']), serviceFile('catalog', 'rollout: canary\ntimeout: 3s'));
    east.lost = [gone];
    expect(await outcomes(world)).toEqual(['east settling', 'west none']);
    await world.after(5 * MINUTE);
    await outcomes(world);
    world.now += 2 * MINUTE;
    expect(await world.app.lookForDrift({ service: 'catalog' })).toMatchObject([
      { outcome: 'drift', differences: [{ kind: 'behind', resource: 'pod-1' }] },
      { outcome: 'none' },
    ]);
  });

  it('leaves a rollout to its own deadlines', async () => {
    const { world, east } = await atRest();
    east.seen = { kind: 'waiting', for: ['pod-1'] };
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    for (let looks = 1; looks <= 2; looks += 1) {
      world.now += 6 * MINUTE;
      expect(await outcomes(world)).toEqual(['east settling', 'west none']);
    }
  });

  it('does not take what was written meanwhile for drift', async () => {
    const { world, east } = await atRest();
    east.kept = [taken];
    east.meanwhile = async () => {
      await world.apply(meshFile('shop', ['east', 'west']), serviceFile('catalog', 'rollout: canary\ntimeout: 3s'));
      east.meanwhile = async () => {
        east.kept = [];
      };
    };
    expect(await outcomes(world)).toEqual(['east none', 'west none']);
    expect(await recorded(world)).toEqual([]);
  });

  it('takes a proxy to be behind when it is so for a minute, and says whom', async () => {
    const { world, east } = await atRest();
    east.seen = { kind: 'waiting', for: ['pod-1'] };
    expect(await outcomes(world)).toEqual(['east settling', 'west none']);
    world.now += MINUTE;
    east.seen = { kind: 'waiting', for: ['pod-1', 'pod-2'] };
    expect(await world.app.lookForDrift()).toMatchObject([{ outcome: 'drift', differences: [{ resource: 'pod-1' }] }, {}]);
    east.seen = { kind: 'rejected', node: 'pod-2', message: 'no such cluster' };
    expect(await world.app.lookForDrift()).toMatchObject([{ outcome: 'drift', texts: ['pod-2: no such cluster'] }, {}]);
  });

  it('does not take proxies that nobody sees for proxies that serve', async () => {
    const { world, east, west } = await atRest();
    east.seen = { kind: 'waiting', for: [], because: 'No proxy is connected.' };
    west.seen = { kind: 'unobserved', reason: 'the mesh says so' };
    expect(await world.app.lookForDrift()).toMatchObject([
      { outcome: 'unknown', because: 'No proxy is connected.' },
      { outcome: 'none', because: 'What proxies serve is not seen: the mesh says so.' },
    ]);
  });

  it('is limited to a mesh or a service where asked', async () => {
    const { world } = await atRest();
    expect(await world.app.lookForDrift({ service: 'search' })).toEqual([]);
    expect(await world.app.lookForDrift({ mesh: 'bank' })).toEqual([]);
    expect(await world.app.lookForDrift({ mesh: 'shop', service: 'catalog' })).toHaveLength(2);
  });

  it('goes on where the state of one service cannot be read', async () => {
    const { world } = await atRest();
    await world.apply(meshFile('shop', ['east', 'west']), serviceFile('catalog'), serviceFile('search'));
    const partition = serviceStreamId('shop', 'catalog');
    const document = { partition, id: 'head', kind: 'head', ordinal: 1, body: { nonsense: true } };
    await world.documents.batch(partition, [{ op: 'upsert', document }]);
    expect((await world.app.lookForDrift()).map(({ service, outcome }) => `${service} ${outcome}`)).toEqual([
      'catalog unknown',
      'catalog unknown',
      'search none',
      'search none',
    ]);
    expect(world.problems).toHaveLength(2);
  });
});

describe('a plain Envoy', () => {
  it('that stays behind the model for a minute has drifted, and one that is back has not', async () => {
    const world = await shop();
    await world.report('shop');
    expect(await outcomes(world)).toEqual(['edge none']);
    const lags = (served: number) =>
      putNode(world.documents, { mesh: 'shop', dataPlane: 'edge' }, { node: 'edge-2', via: 'x1', served }, world.now);
    await lags(0);
    expect(await outcomes(world)).toEqual(['edge settling']);
    world.now += 2 * MINUTE;
    await world.report('shop');
    await lags(0);
    expect(await world.app.lookForDrift()).toMatchObject([{ outcome: 'drift', differences: [{ kind: 'behind', resource: 'edge-2' }] }]);
    await lags(1_000);
    expect(await outcomes(world)).toEqual(['edge none']);
    expect(await recorded(world)).toEqual(['DriftFound', 'DriftGone']);
  });
});
