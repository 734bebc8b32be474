/** Data planes that do as a test says, and a mesh `shop` whose service `catalog` lives on two of them. */
import { expect } from 'vitest';
import type { Applied, DataPlane, Observation } from '../../src/reconcile/data-plane.ts';
import type { Fragment } from '../../src/reconcile/model.ts';
import { meshFile, serviceFile, World } from '../world.ts';

/** A data plane that says what a test wants it to say. */
export class ScriptedDataPlane implements DataPlane {
  readonly applied: number[] = [];
  readonly pruned: number[] = [];
  /** Of the newest that was applied, observed and pruned: whether there was any. */
  readonly plans: Partial<Record<'applied' | 'observed' | 'pruned', boolean>> = {};
  answer: Applied = { kind: 'applied' };
  seen: Observation | Error = { kind: 'served' };
  down = false;
  /** When it does. */
  answers = Promise.resolve();

  async apply({ revision, plan }: Fragment): Promise<Applied> {
    if (this.down) throw new Error('connection refused');
    this.plans.applied = plan !== null;
    this.applied.push(revision);
    return this.answer;
  }

  async prune({ revision, plan }: Fragment): Promise<Applied> {
    this.plans.pruned = plan !== null;
    this.pruned.push(revision);
    return this.answer;
  }

  async observe({ plan }: Fragment): Promise<Observation> {
    this.plans.observed = plan !== null;
    await this.answers;
    if (this.seen instanceof Error) throw this.seen;
    return this.seen;
  }

  async readiness(): Promise<Readonly<Record<string, 'ready' | 'none'>>> {
    return { v1: 'ready', v2: 'ready' } as const;
  }
}

/** One that has what it was given, beside what others give it. */
export class StoringDataPlane extends ScriptedDataPlane {
  ready: Readonly<Record<string, 'ready' | 'none'>> | Error = {};

  async drift() {
    return [];
  }

  override async readiness() {
    if (this.ready instanceof Error) throw this.ready;
    return this.ready;
  }
}

export async function scripted(): Promise<{ world: World; edge: ScriptedDataPlane; west: ScriptedDataPlane }> {
  const [edge, west] = [new ScriptedDataPlane(), new ScriptedDataPlane()];
  const world = new World({ connect: (_mesh, { name }) => (name === 'edge' ? edge : west) });
  await world.apply(meshFile('shop', ['edge', 'west']), serviceFile('catalog'));
  expect(await world.owed('catalog')).toEqual([]);
  return { world, edge, west };
}

export const errorOf = async (world: World, what: string) =>
  (await world.app.service('shop', 'catalog'))?.pending.find((each) => each.what === what)?.error;
export const phaseOf = async (world: World) => (await world.app.service('shop', 'catalog'))?.rollout?.phase;
