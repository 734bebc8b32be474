/** Data planes that store what they are given and may lose it, and a mesh `shop` whose service `catalog` is at rest on two of them. */
import { expect } from 'vitest';
import type { Applied, DataPlane, Difference, Observation } from '../../src/reconcile/data-plane.ts';
import { meshFile, serviceFile, World } from '../world.ts';

/** A data plane with a store of its own: what it lost comes back when it is applied to. */
export class StoringDataPlane implements DataPlane {
  applied = 0;
  lost: readonly Difference[] = [];
  /** Throws where it is a text. */
  kept: readonly Difference[] | string = [];
  seen: Observation = { kind: 'served' };

  async apply(): Promise<Applied> {
    this.applied += 1;
    this.lost = [];
    return { kind: 'applied' };
  }

  async observe(): Promise<Observation> {
    return this.seen;
  }

  /** Happens once, while it is looked at. */
  meanwhile: (() => Promise<unknown>) | undefined;

  async drift(): Promise<readonly Difference[]> {
    const happens = this.meanwhile;
    this.meanwhile = undefined;
    await happens?.();
    if (typeof this.kept === 'string') throw new Error(this.kept);
    return [...this.lost, ...this.kept];
  }

  async readiness() {
    return { v1: 'ready', v2: 'ready' } as const;
  }
}

export async function atRest(): Promise<{ world: World; east: StoringDataPlane; west: StoringDataPlane }> {
  const [east, west] = [new StoringDataPlane(), new StoringDataPlane()];
  const world = new World({ connect: (_mesh, { name }) => (name === 'east' ? east : west) });
  await world.apply(meshFile('shop', ['east', 'west']), serviceFile('catalog'));
  expect(await world.owed('catalog')).toEqual([]);
  world.cards.length = 0;
  return { world, east, west };
}
