/**
 * What a way back does where the rest of it is refused, whatever Consul it is: held by the one in memory and by the real one. Each
 * test has a service of its own.
 */
import { expect, it } from 'vitest';
import { consulDataPlane } from '../../../src/dataplanes/consul/data-plane.ts';
import type { Consul } from '../../../src/dataplanes/consul/server.ts';
import type { JsonObject } from '../../../src/journal/documents.ts';
import type { PlannedRoute, ServicePlan } from '../../../src/plan/plan.ts';
import { type Bench, decided, fragmentOf, planOf } from './applying.ts';

type Weights = Readonly<Record<string, number>>;

/** Of plans that Consul cannot mean. */
const LOSSY: Partial<ServicePlan> = { retryBudget: { percent: 20, minConcurrent: 3 } };

let named = 0;

/** Inside a `describe`; `bench` is asked for by each test. */
export function specifyReturning(bench: () => Bench): void {
  const open = async (weights: Weights, testers: readonly PlannedRoute[] = []) => {
    named += 1;
    const { consul: whole, put } = bench();
    let refused = '';
    const consul: Consul = {
      ...whole,
      write: async (entry, over) => (entry.Kind === refused ? { kind: 'refused', message: 'no' } : whole.write(entry, over)),
    };
    const service = `returning-${named}`;
    const dataPlane = consulDataPlane(consul, { defaultPolicy: 'deny', takeOver: false, decided });
    let revision = 0;
    const bring = (to: Weights, more: Partial<ServicePlan> = {}, before: readonly PlannedRoute[] = []) => {
      const plan = planOf(service, to, more);
      return dataPlane.apply(fragmentOf(service, ++revision, { ...plan, routes: [...before, ...plan.routes] }));
    };
    const entry = async (kind: string): Promise<JsonObject> => {
      const read = await consul.read(kind, service);
      if (read.kind !== 'found') throw new Error(`There is no ${kind} ${service}.`);
      return read.entry;
    };
    /** By version, without those that get nothing. */
    const weightsNow = async () => {
      const { Splits } = await entry('service-splitter');
      const splits = Array.isArray(Splits) ? Splits.map((split) => Object(split)) : [];
      return Object.fromEntries(splits.filter(({ Weight }) => Weight > 0).map(({ ServiceSubset, Weight }) => [ServiceSubset, Weight]));
    };
    const subsetsOfRoutes = async () => {
      const { Routes } = await entry('service-router');
      return Array.isArray(Routes) ? Routes.map((route) => Object(Object(route).Destination).ServiceSubset) : [];
    };
    /** Somebody else's from now on, as it is. */
    const handOver = async (kind: string) => put({ ...(await entry(kind)), Meta: {} });
    expect(await bring(weights, {}, testers)).toEqual({ kind: 'applied' });
    /** Writes of that kind are, from now on. */
    const refuse = (kind: string) => {
      refused = kind;
    };
    return { service, dataPlane, bring, refuse, entry, weightsNow, subsetsOfRoutes, handOver };
  };
  const testers = (version: string): PlannedRoute => ({
    name: 'testers',
    match: { headers: [{ name: 'tester', present: true }] },
    split: [{ version, weight: 100 }],
  });

  it.each(['service-resolver', 'service-defaults', 'service-router'])(
    'takes requests from a version where somebody else has the %s, and says whose the rest is',
    async (kind) => {
      const { service, bring, weightsNow, handOver } = await open({ v1: 75, v2: 25 });
      await handOver(kind);
      const message = expect.stringContaining(`${kind} ${service} was written by somebody else`);
      expect(await bring({ v1: 100, v2: 0 })).toEqual({ kind: 'refused', message });
      expect(await weightsNow()).toEqual({ v1: 100 });
    },
  );

  it('takes them where the plan is one that Consul cannot mean, and writes nothing else of it', async () => {
    const { bring, entry, weightsNow } = await open({ v1: 75, v2: 25 });
    const before = await entry('service-resolver');
    const refused = { kind: 'refused', message: expect.stringMatching(/^retryBudget: /) };
    expect(await bring({ v1: 100 }, { ...LOSSY, connectTimeoutMs: 1500 })).toEqual(refused);
    expect(await weightsNow()).toEqual({ v1: 100 });
    expect(await entry('service-resolver')).toEqual(before);
    expect(await entry('service-splitter')).toMatchObject({ Meta: { 'meshwright/revision': '2' } });
  });

  it('turns no route to a split that is not written', async () => {
    const { bring, refuse, weightsNow, subsetsOfRoutes } = await open({ v1: 75, v2: 25 }, [testers('v2')]);
    refuse('service-splitter');
    expect(await bring({ v1: 100, v2: 0 })).toEqual({ kind: 'refused', message: expect.stringMatching(/^service-splitter .*: no$/) });
    expect(await weightsNow()).toEqual({ v1: 75, v2: 25 });
    expect(await subsetsOfRoutes()).toEqual(['v2', undefined]);
  });

  it('takes them from a version that a route leads to, to another or to the split', async () => {
    const { bring, weightsNow, subsetsOfRoutes } = await open({ v1: 75, v2: 25 }, [testers('v2')]);
    expect(await bring({ v1: 100, v2: 0 }, LOSSY, [testers('v1')])).toMatchObject({ kind: 'refused' });
    expect(await subsetsOfRoutes()).toEqual(['v1', undefined]);
    expect(await weightsNow()).toEqual({ v1: 100 });
    const other = await open({ v1: 75, v2: 25 }, [testers('v2')]);
    expect(await other.bring({ v1: 100, v2: 0 }, LOSSY)).toMatchObject({ kind: 'refused' });
    expect(await other.subsetsOfRoutes()).toEqual([undefined, undefined]);
    expect(await other.weightsNow()).toEqual({ v1: 100 });
  });

  it('leaves routes that lead as they are to, and those of somebody else', async () => {
    const { bring, entry, weightsNow, subsetsOfRoutes, handOver } = await open({ v1: 75, v2: 25 }, [testers('v2')]);
    const router = await entry('service-router');
    expect(await bring({ v1: 100, v2: 0 }, LOSSY, [testers('v2')])).toMatchObject({ kind: 'refused' });
    expect(await entry('service-router')).toEqual(router);
    expect(await weightsNow()).toEqual({ v1: 100 });
    await handOver('service-router');
    expect(await bring({ v1: 100, v2: 0 }, {}, [testers('v1')])).toMatchObject({ kind: 'refused' });
    expect(await subsetsOfRoutes()).toEqual(['v2', undefined]);
  });

  it.each([
    ['shift and leave nobody', { v1: 50, v2: 50 }],
    ['go to a version that Consul does not know yet', { v3: 100 }],
  ])('writes nothing of weights that %s before all of it may be written', async (_what, to) => {
    const { bring, entry } = await open({ v1: 75, v2: 25 });
    const before = await entry('service-splitter');
    expect(await bring(to, LOSSY)).toMatchObject({ kind: 'refused' });
    expect(await entry('service-splitter')).toEqual(before);
  });

  it('needs no version that is gone: one without requests is not named', async () => {
    const { bring, weightsNow } = await open({ v1: 75, v2: 25 });
    expect(await bring({ v1: 100, v3: 0 }, LOSSY)).toMatchObject({ kind: 'refused' });
    expect(await weightsNow()).toEqual({ v1: 100 });
    expect(await bring({ v1: 100, v3: 0 })).toEqual({ kind: 'applied' });
  });
}
