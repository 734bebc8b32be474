/** A data plane that gives no answer for an hour: what happens elsewhere meanwhile, and what it gets when it is back. */
import { describe, expect, it } from 'vitest';
import type { Applied, DataPlane, Observation } from '../../src/reconcile/data-plane.ts';
import type { Fragment } from '../../src/reconcile/model.ts';
import { deployment, MINUTE, meshFile, serviceFile, World } from '../world.ts';

/** A control plane that serves what it is given at once, while it is there. */
class Cluster implements DataPlane {
  isAway = false;
  /** By service: the newest revision applied, and the share of v2 in it. */
  readonly holds = new Map<string, { readonly revision: number; readonly v2: number }>();
  asked = 0;

  async apply({ service, revision, plan }: Fragment): Promise<Applied> {
    this.#answer();
    const split = plan?.routes.at(-1)?.split ?? [];
    this.holds.set(service, { revision, v2: split.find(({ version }) => version === 'v2')?.weight ?? 0 });
    return { kind: 'applied' };
  }

  async observe({ service, revision }: Fragment): Promise<Observation> {
    this.#answer();
    return (this.holds.get(service)?.revision ?? 0) >= revision ? { kind: 'served' } : { kind: 'waiting', for: [] };
  }

  async readiness(): Promise<Readonly<Record<string, 'ready' | 'none'>>> {
    this.#answer();
    return { v1: 'ready', v2: 'ready' };
  }

  #answer(): void {
    this.asked += 1;
    if (this.isAway) throw new Error('the API server gave no answer');
  }
}

async function twoClusters() {
  const [east, west] = [new Cluster(), new Cluster()];
  const world = new World({ connect: (_mesh, { name }) => (name === 'east' ? east : west) });
  await world.apply(
    meshFile('shop', ['east', 'west']),
    serviceFile('catalog'),
    serviceFile('cart', 'dataPlanes: [west]\nrollout: { steps: [50] }'),
  );
  await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
  expect((await world.app.service('shop', 'catalog'))?.rollout).toMatchObject({ phase: 'holding', step: 1 });
  return { world, east, west };
}

describe('a cluster that is away for an hour', () => {
  it('keeps no other from going back, and no other service from its rollout', async () => {
    const { world, east, west } = await twoClusters();
    east.isAway = true;
    await world.app.byHand('shop', 'catalog', { id: 'abort', actor: 'kim' }, { type: 'Abort' });
    expect(west.holds.get('catalog')?.v2).toBe(0);
    expect(east.holds.get('catalog')?.v2).toBe(5);

    await world.app.receiveEvent(deployment('2', 'cart', 'v2'));
    for (let minute = 0; minute < 60; minute += 1) await world.after(MINUTE);
    expect((await world.app.service('shop', 'cart'))?.stable).toBe('v2');
    expect(await world.owed('cart')).toEqual([]);
  });

  it('is what the rollout still waits for, is asked no more than once a minute in the end, and is told of', async () => {
    const { world, east } = await twoClusters();
    east.isAway = true;
    await world.app.byHand('shop', 'catalog', { id: 'abort', actor: 'kim' }, { type: 'Abort' });
    for (let minute = 0; minute < 10; minute += 1) await world.after(MINUTE);
    const before = east.asked;
    for (let minute = 0; minute < 50; minute += 1) await world.after(MINUTE);
    expect(east.asked - before).toBeLessThanOrEqual(2 * 50);
    const status = await world.app.service('shop', 'catalog');
    expect(status?.rollout?.phase).toBe('returning');
    expect(status?.pending).toEqual([expect.objectContaining({ what: 'serve east', error: 'the API server gave no answer' })]);
    const stuck = world.cards.filter(({ topic }) => topic === 'stuck');
    expect(stuck.length).toBeGreaterThan(0);
    expect(stuck.map(({ data }) => data.text).join(' ')).toContain('east');
  });

  it('gets what is decided now, and none of what was decided meanwhile, when it is back', async () => {
    const { world, east, west } = await twoClusters();
    east.isAway = true;
    await world.app.byHand('shop', 'catalog', { id: 'abort', actor: 'kim' }, { type: 'Abort' });
    for (let minute = 0; minute < 60; minute += 1) await world.after(MINUTE);
    east.isAway = false;
    await world.after(MINUTE);
    expect(east.holds.get('catalog')).toEqual(west.holds.get('catalog'));
    expect(await world.app.service('shop', 'catalog')).toMatchObject({ stable: 'v1', rollout: null, pending: [] });
  });
});
