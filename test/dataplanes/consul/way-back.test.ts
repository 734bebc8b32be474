/** What of live entries is written anew to take requests from versions: which subsets splits and routes name afterwards. */
import { describe, expect, it } from 'vitest';
import { look } from '../../../src/dataplanes/consul/apply.ts';
import { consulDataPlane } from '../../../src/dataplanes/consul/data-plane.ts';
import { consulEntries } from '../../../src/dataplanes/consul/render.ts';
import { takenBack } from '../../../src/dataplanes/consul/way-back.ts';
import type { JsonObject } from '../../../src/journal/documents.ts';
import type { PlannedRoute, ServicePlan } from '../../../src/plan/plan.ts';
import { decided, fragmentOf, planOf } from './applying.ts';
import { memoryConsul } from './memory-consul.ts';

/** `v1`: all of it to that version; nothing: divided as everything else. */
type Lead = readonly [header: string, version?: string];

function plan(weights: Readonly<Record<string, number>>, ...leads: readonly Lead[]): ServicePlan {
  const { routes, ...rest } = planOf('catalog', weights);
  const route = ([name, version]: Lead): PlannedRoute => ({
    name,
    match: { headers: [{ name, present: true }] },
    split: version === undefined ? (routes[0]?.split ?? []) : [{ version, weight: 100 }],
  });
  return { ...rest, routes: [...leads.map(route), ...routes] };
}

/** By kind, the subset or weight of each split, or the subset of each route with its header, as it would be written. */
async function taken(live: ServicePlan, wanted: ServicePlan): Promise<Readonly<Record<string, readonly string[]>>> {
  const consul = memoryConsul();
  await consulDataPlane(consul, { defaultPolicy: 'deny', takeOver: false, decided }).apply(fragmentOf('catalog', 1, live));
  const there = await look(consul, 'catalog');
  if ('message' in there) throw new Error(there.message);
  return Object.fromEntries(
    takenBack(consulEntries(wanted), there).map(({ kind, fields }) => [kind, [...splits(fields), ...routes(fields)]]),
  );
}

const objects = (value: unknown): readonly ReturnType<typeof Object>[] => (Array.isArray(value) ? value.map((each) => Object(each)) : []);
const splits = ({ Splits }: JsonObject): readonly string[] =>
  objects(Splits).map(({ ServiceSubset, Weight }) => `${ServiceSubset} ${Weight ?? 0}`);
const routes = ({ Routes }: JsonObject): readonly string[] =>
  objects(Routes).map(({ Match, Destination }) => `${Match.HTTP.Header?.[0].Name ?? '/'} ${Destination.ServiceSubset ?? 'split'}`);

describe('taking requests from a version', () => {
  it('gives them to those that the plan gives them to', async () => {
    expect(await taken(plan({ v1: 75, v2: 25 }), plan({ v1: 100, v2: 0 }))).toEqual({ 'service-splitter': ['v1 100', 'v2 0'] });
    expect(await taken(plan({ v1: 40, v2: 20, v3: 40 }), plan({ v1: 70, v2: 30 }))).toEqual({ 'service-splitter': ['v1 70', 'v2 30'] });
  });

  it('names no version that the resolver does not have', async () => {
    expect(await taken(plan({ v1: 75, v2: 25 }), plan({ v1: 100, v3: 0 }))).toEqual({ 'service-splitter': ['v1 100'] });
    expect(await taken(plan({ v1: 75, v2: 25 }), plan({ v1: 90, v3: 10 }))).toEqual({});
    expect(await taken(plan({ v1: 100, v2: 0 }, ['testers', 'v2']), plan({ v1: 100, v3: 0 }, ['testers', 'v3']))).toEqual({});
  });

  it('writes nothing where everybody who has requests is to have some', async () => {
    expect(await taken(plan({ v1: 75, v2: 25 }), plan({ v1: 25, v2: 75 }))).toEqual({});
    expect(await taken(plan({ v1: 75, v2: 25 }, ['testers', 'v2']), plan({ v1: 75, v2: 25 }, ['testers']))).toEqual({});
  });

  it('turns routes after the split that they may lead to', async () => {
    const turned = await taken(plan({ v1: 75, v2: 25 }, ['testers', 'v2']), plan({ v1: 100, v2: 0 }, ['testers']));
    expect(turned).toEqual({ 'service-splitter': ['v1 100', 'v2 0'], 'service-router': ['testers split', '/ split'] });
    expect(Object.keys(turned)).toEqual(['service-splitter', 'service-router']);
    const narrowed = await taken(plan({ v1: 75, v2: 25 }, ['testers']), plan({ v1: 75, v2: 25 }, ['testers', 'v1']));
    expect(narrowed).toEqual({ 'service-router': ['testers v1', '/ split'] });
  });

  it('knows a route by what it matches, wherever it is', async () => {
    const live = plan({ v1: 100, v2: 0 }, ['testers', 'v2'], ['insiders', 'v2']);
    expect(await taken(live, plan({ v1: 100, v2: 0 }, ['insiders', 'v1'], ['testers', 'v2']))).toEqual({
      'service-router': ['testers v2', 'insiders v1', '/ split'],
    });
  });

  it('takes one whose match is changed by its place, and one that is no more for everything else', async () => {
    const live = plan({ v1: 100, v2: 0 }, ['testers', 'v2'], ['insiders', 'v2']);
    expect(await taken(live, plan({ v1: 100, v2: 0 }, ['others', 'v1'], ['insiders', 'v2']))).toEqual({
      'service-router': ['testers v1', 'insiders v2', '/ split'],
    });
    expect(await taken(live, plan({ v1: 100, v2: 0 }))).toEqual({ 'service-router': ['testers split', 'insiders split', '/ split'] });
  });
});
