/** What a data plane is given, refuses, keeps and cannot say, as the effects of serving a plan see it. */
import { describe, expect, it } from 'vitest';
import { readFragment } from '../../src/reconcile/model.ts';
import { deployment, MINUTE, meshFile, serviceFile, World } from '../world.ts';

import { errorOf, phaseOf, StoringDataPlane, scripted } from './scripted.ts';

describe('what a data plane is given first, where requests go their own way until then', () => {
  const storing = async () => {
    const edge = new StoringDataPlane();
    edge.ready = { v1: 'none' };
    const world = new World({ connect: () => edge });
    return { edge, world };
  };
  const first = [meshFile('shop'), serviceFile('catalog')] as const;

  it('is kept back while the version that is to get them has no ready endpoint, is said once, and comes by itself', async () => {
    const { world, edge } = await storing();
    await world.apply(...first);
    await world.after(MINUTE);
    expect(edge.applied).toEqual([]);
    expect(await errorOf(world, 'serve edge')).toBe('v1 has no ready endpoint there; nothing is written until it has one.');
    expect(world.cards).toMatchObject([{ topic: 'kept-back', data: { version: 'v1', what: 'edge' } }]);
    edge.ready = { v1: 'ready' };
    await world.after(MINUTE);
    expect(edge.applied).toHaveLength(1);
    expect(await world.owed('catalog')).toEqual([]);
  });

  it('is no drift while it is kept back, however long', async () => {
    const { world, edge } = await storing();
    await world.apply(...first);
    edge.seen = { kind: 'waiting', for: ['edge-1'] };
    for (let looks = 0; looks < 3; looks += 1) {
      world.now += 10 * MINUTE;
      expect(await world.app.lookForDrift()).toMatchObject([
        { outcome: 'settling', because: expect.stringContaining('no ready endpoint') },
      ]);
    }
    expect(edge.applied).toEqual([]);
  });

  it('is so of a version that its first push names, too', async () => {
    const { world, edge } = await storing();
    const open = { path: 'catalog.yaml', text: serviceFile('catalog').text.replace('stable: v1\n', '') };
    await world.apply(meshFile('shop'), open);
    await world.app.receiveEvent(deployment('1', 'catalog', 'v1'));
    expect([edge.plans.applied, world.topics()]).toEqual([false, ['established', 'kept-back']]);
  });

  it('goes where readiness is unknown, or cannot be read', async () => {
    const { world, edge } = await storing();
    edge.ready = {};
    await world.apply(...first);
    expect(edge.applied).toHaveLength(1);
    const other = await storing();
    other.edge.ready = new Error('no answer');
    await other.world.apply(...first);
    expect(other.edge.applied).toHaveLength(1);
  });

  it('was the first only once: later nothing is kept back, until the service comes there anew', async () => {
    const { world, edge } = await storing();
    edge.ready = { v1: 'ready' };
    await world.apply(...first);
    edge.ready = { v1: 'none' };
    await world.apply(meshFile('shop'), serviceFile('catalog', 'rollout: canary\ntimeout: 3s'));
    expect(edge.applied).toHaveLength(2);
    await world.apply(meshFile('shop'), serviceFile('other'));
    const gone = edge.applied.length;
    await world.apply(meshFile('shop'), serviceFile('other'), serviceFile('catalog'));
    expect(edge.applied).toHaveLength(gone);
  });
});

describe('a data plane that refuses what is applied', () => {
  it('stops the way up with its sentence, is not looked at, and is asked again', async () => {
    const { world, edge } = await scripted();
    edge.answer = { kind: 'refused', message: 'spec.http belongs to helm' };
    edge.seen = new Error('looked at');
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    expect(await phaseOf(world)).toBe('shifting');
    expect((await world.app.service('shop', 'catalog'))?.rollout?.because).toBe('edge refused it: spec.http belongs to helm');
    expect(await errorOf(world, 'serve edge')).toBe('spec.http belongs to helm');
    expect(world.topics()).toContain('stuck');
    edge.answer = { kind: 'applied' };
    edge.seen = { kind: 'served' };
    await world.after(1000);
    expect(await phaseOf(world)).toBe('holding');
  });
});

describe('what came before', () => {
  it('is taken away once the new is seen to be served, and not before', async () => {
    const { world, edge, west } = await scripted();
    west.seen = { kind: 'waiting', for: ['web-1'], because: 'not acknowledged' };
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    const { revision } = (await readFragment(world.documents, 'shop', 'catalog')) ?? {};
    expect(edge.pruned.at(-1)).toBe(revision);
    expect(west.pruned).not.toContain(revision);
    expect(await errorOf(world, 'serve west')).toBe('not acknowledged');
    west.seen = { kind: 'served' };
    await world.after(1000);
    expect(west.pruned.at(-1)).toBeGreaterThanOrEqual(revision ?? Number.NaN);
    expect(await world.owed('catalog')).toEqual([]);
  });
});

describe('a data plane that cannot be observed, which the spec accepts', () => {
  it('counts as serving, aloud, and keeps what came before for a while', async () => {
    const { world, edge, west } = await scripted();
    edge.seen = { kind: 'unobserved', reason: 'the mesh says so' };
    const before = [...edge.pruned];
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    expect(await phaseOf(world)).toBe('holding');
    expect(await world.owed('catalog')).toEqual(['serve edge']);
    expect(edge.pruned).toEqual(before);
    const commits = await world.app.history('shop', 'catalog', 0, 100);
    const served = commits.flatMap(({ events }) => events).filter((event) => event.type === 'StepServedBy');
    expect(served).toContainEqual({ type: 'StepServedBy', dataPlane: 'edge', unobserved: 'the mesh says so' });
    expect(served).toContainEqual({ type: 'StepServedBy', dataPlane: 'west' });
    expect(west.pruned.length).toBeGreaterThan(0);
    await world.after(30_000);
    expect(edge.pruned.length).toBeGreaterThan(before.length);
    expect(await world.owed('catalog')).toEqual([]);
  });
});
