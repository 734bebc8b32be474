/** Plain Envoy as it is observed: which nodes count, when a plan is served, refused or waited for, and what is known ready. */
import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../../../src/adapters/memory-documents.ts';
import { AWAY_MS, envoyDataPlane, GONE_MS } from '../../../src/dataplanes/envoy/observe.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import {
  type NodeObservation,
  nodesOf,
  putNode,
  putReadiness,
  putRefusals,
  putWatcher,
  type RefusalsObservation,
} from '../../../src/reconcile/observations.ts';

const T0 = Date.parse('2026-11-22T14:00:00Z');
const place = { mesh: 'shop', dataPlane: 'edge' };
const plan: ServicePlan = {
  mesh: 'shop',
  service: 'catalog',
  namespace: 'store',
  port: 80,
  protocol: 'http',
  selector: { app: 'catalog' },
  versions: [{ name: 'v1', labels: {} }],
  routes: [{ name: 'default', match: {}, split: [{ version: 'v1', weight: 100 }] }],
  dataPlanes: ['edge'],
};
const fragment = { mesh: 'shop', service: 'catalog', revision: 3, sequence: 7, plan };

let documents: MemoryDocuments;
const put = (name: string, served: number, at: number, more: Partial<NodeObservation> = {}) =>
  putNode(documents, place, { node: name, via: 'x1', served, ...more }, at);
const node = (name: string, served: number, more: Partial<NodeObservation> = {}) => put(name, served, T0, more);
const alive = (via: string, ms: number) => putWatcher(documents, place, { via, aliveUntil: T0 + ms }, T0);
const observe = (now = T0) => envoyDataPlane(documents, 'edge', () => {}).observe(fragment, now);

beforeEach(async () => {
  documents = new MemoryDocuments();
  await alive('x1', 60_000);
});

describe('a plan', () => {
  it('is served when every node serves it or something newer', async () => {
    await node('n1', 7);
    await node('n2', 8);
    expect(await observe()).toEqual({ kind: 'served' });
  });

  it('is waited for when one node is behind, and that one is named', async () => {
    await node('n1', 7);
    await node('n2', 6);
    expect(await observe()).toEqual({ kind: 'waiting', for: ['n2'] });
  });

  it('is waited for while nobody is seen: absence is not success', async () => {
    expect(await observe()).toEqual({ kind: 'waiting', for: [] });
  });

  it('names no more than ten of those behind', async () => {
    for (let index = 0; index < 12; index += 1) await node(`n${index}`, 1);
    const seen = await observe();
    expect(seen.kind === 'waiting' && seen.for).toHaveLength(10);
  });

  it('is refused when a node goes without it, with the words of that node', async () => {
    await node('n1', 7);
    await node('n2', 7, { without: ['cart.store', 'catalog.store'], rejected: { sequence: 7, message: 'bad cluster' } });
    expect(await observe()).toEqual({ kind: 'rejected', node: 'n2', message: 'bad cluster' });
  });

  it('is served by a node that goes without something else', async () => {
    await node('n1', 8, { without: ['cart.store'], rejected: { sequence: 8, message: 'bad cluster' } });
    expect(await observe()).toEqual({ kind: 'served' });
  });

  it('is not refused by what was refused before it: the way back is waited for', async () => {
    await node('n1', 6, { without: ['catalog.store'], rejected: { sequence: 6, message: 'bad cluster' } });
    expect(await observe()).toEqual({ kind: 'waiting', for: ['n1'] });
  });

  it('that ends its service is refused by nobody', async () => {
    await node('n1', 7, { without: ['catalog.store'] });
    expect(await envoyDataPlane(documents, 'edge', () => {}).observe({ ...fragment, plan: null }, T0)).toEqual({ kind: 'served' });
  });
});

describe('a node', () => {
  it('that went away counts for 30 seconds and no longer', async () => {
    await node('n1', 7);
    await node('n2', 6, { goneAt: T0 });
    expect(await observe(T0 + GONE_MS - 1)).toEqual({ kind: 'waiting', for: ['n2'] });
    expect(await observe(T0 + GONE_MS)).toEqual({ kind: 'served' });
    expect((await nodesOf(documents, place, T0 + GONE_MS)).map((each) => each.node).sort()).toEqual(['n1', 'n2']);
  });

  it('that was the only one and went away serves nothing', async () => {
    await node('n1', 7, { goneAt: T0 });
    expect(await observe(T0 + GONE_MS)).toEqual({ kind: 'waiting', for: [] });
  });

  it('whose watcher fell silent is gone from then on: it leaves the count 30 seconds later', async () => {
    await node('n1', 6);
    await alive('x2', 600_000);
    await node('n2', 7, { via: 'x2' });
    expect(await observe(T0 + 60_000 + GONE_MS - 1)).toEqual({ kind: 'waiting', for: ['n1'] });
    expect(await observe(T0 + 60_000 + GONE_MS)).toEqual({ kind: 'served' });
  });

  it('serves nothing any more when all that were seen are gone', async () => {
    await node('n1', 7);
    expect(await observe(T0 + 60_000 + GONE_MS - 1)).toEqual({ kind: 'served' });
    expect(await observe(T0 + 60_000 + GONE_MS)).toEqual({ kind: 'waiting', for: [] });
  });

  it('of a watcher that nobody knows does not count', async () => {
    await node('n1', 7, { via: 'x9' });
    expect(await observe()).toEqual({ kind: 'waiting', for: [] });
  });

  it('is seen as it was seen last', async () => {
    await node('n1', 6, { rejected: { sequence: 7, message: 'bad' } });
    await node('n1', 7);
    expect(await observe()).toEqual({ kind: 'served' });
  });

  it('that came to another watcher counts as that one sees it, whatever the one that it left says, and when', async () => {
    await alive('x2', 600_000);
    await node('n1', 7, { via: 'x2' });
    await node('n2', 6, { via: 'x2' });
    await node('n2', 6, { goneAt: T0 + 5 });
    expect(await observe(T0 + 5 + GONE_MS)).toEqual({ kind: 'waiting', for: ['n2'] });
    await node('n2', 7, { via: 'x2' });
    expect(await observe(T0 + 5 + GONE_MS)).toEqual({ kind: 'served' });
    expect(await nodesOf(documents, place, T0)).toHaveLength(2);
  });

  it('that two watchers see counts as the last word on it says, and one that both have lost until the last of them lost it', async () => {
    await alive('x2', 60_000);
    await put('n1', 6, T0, { via: 'x2' });
    await put('n1', 7, T0 + 1);
    expect(await observe()).toEqual({ kind: 'served' });
    await put('n1', 6, T0 + 2, { via: 'x2' });
    expect(await observe()).toEqual({ kind: 'waiting', for: ['n1'] });
    await put('n1', 6, T0 + 3, { via: 'x2', goneAt: T0 + 2_000 });
    await put('n1', 7, T0 + 4, { goneAt: T0 + 1_000 });
    expect(await observe(T0 + 1_000 + GONE_MS)).toEqual({ kind: 'waiting', for: ['n1'] });
    expect(await observe(T0 + 2_000 + GONE_MS)).toEqual({ kind: 'waiting', for: [] });
  });

  it('of another data plane or mesh is not seen', async () => {
    for (const elsewhere of [
      { mesh: 'shop', dataPlane: 'west' },
      { mesh: 'office', dataPlane: 'edge' },
    ])
      await putNode(documents, elsewhere, { node: 'n1', via: 'x1', served: 7 }, T0);
    expect(await observe()).toEqual({ kind: 'waiting', for: [] });
  });
});

describe('a service in shadow', () => {
  const dryRun = (now = T0) => envoyDataPlane(documents, 'edge', () => {}).dryRun?.(plan, { sequence: 7, now });
  const standing = (name: string, more: Partial<NodeObservation> = {}) => node(name, 7, { service: 'catalog', ...more });
  const heard = (
    name: string,
    via: string,
    callers: Readonly<Record<string, number>>,
    more: Partial<RefusalsObservation> = {},
    at = T0,
  ) => {
    const refused = Object.values(callers).reduce((sum, each) => sum + each, 0);
    const named = Object.entries(callers).map(([caller, refused]) => ({ caller, refused }));
    return putRefusals(documents, place, [{ node: name, via, service: 'catalog', since: T0, refused, callers: named, ...more }], at);
  };

  it('refuses nobody as long as its nodes are here and say nothing; other nodes do not matter', async () => {
    await standing('n1');
    await node('caller', 6);
    await node('elsewhere', 3, { service: 'cart' });
    expect(await dryRun()).toEqual({ proxies: [{ proxy: 'n1', wouldRefuse: 0 }], callers: [] });
  });

  it('is counted by node and watcher, and by caller over all nodes', async () => {
    await standing('n1');
    await standing('n2');
    await heard('n1', 'x1', { a: 2, b: 1 }, { refused: 5 });
    await heard('n2', 'x1', { a: 1 });
    await heard('n1', 'x0', { a: 4 });
    await heard('n1', 'x1', { c: 9 }, { service: 'cart' });
    const seen = await dryRun();
    expect(seen?.unseen).toBeUndefined();
    expect(seen?.proxies.toSorted((a, b) => a.wouldRefuse - b.wouldRefuse)).toEqual([
      { proxy: 'n2', counter: `x1/${T0}`, wouldRefuse: 1 },
      { proxy: 'n1', counter: `x0/${T0}`, wouldRefuse: 4 },
      { proxy: 'n1', counter: `x1/${T0}`, wouldRefuse: 5 },
    ]);
    expect(seen?.callers?.toSorted((a, b) => a.wouldRefuse - b.wouldRefuse)).toEqual([
      { caller: 'b', counter: `x1/${T0}`, wouldRefuse: 1 },
      { caller: 'a', counter: `x1/${T0}`, wouldRefuse: 3 },
      { caller: 'a', counter: `x0/${T0}`, wouldRefuse: 4 },
    ]);
  });

  it('is not seen while none of its nodes is here', async () => {
    await node('caller', 7);
    await heard('n1', 'x1', { a: 2 });
    expect(await dryRun()).toMatchObject({
      proxies: [{ proxy: 'n1', wouldRefuse: 2 }],
      unseen: expect.stringMatching(/^No Envoy before a workload of catalog is connected/),
    });
  });

  it('is not seen for an hour after one of its nodes went away: that may serve on unheard', async () => {
    await standing('n1');
    await standing('n2', { goneAt: T0 });
    await alive('x1', 2 * AWAY_MS);
    const unseen =
      'n2 is not connected to the xds server, and may serve on unheard: start it again, or wait an hour if it is gone for good.';
    expect((await dryRun(T0 + AWAY_MS - 1))?.unseen).toBe(unseen);
    expect((await dryRun(T0 + AWAY_MS))?.unseen).toBeUndefined();
  });

  it('is not seen while its watcher is silent', async () => {
    await standing('n1');
    expect((await dryRun(T0 + 60_000))?.unseen).toMatch(/^n1 is not connected/);
  });

  it.each([
    ['has not come to it', { served: 6 }],
    ['does not take it', { without: ['catalog.store'] }],
  ])('is not seen at a node that %s', async (_, more) => {
    await standing('n1', more);
    expect((await dryRun())?.unseen).toMatch(/^n1 is not at the newest plan of catalog/);
  });

  it('is not counted by what was heard a day ago', async () => {
    await alive('x1', 48 * AWAY_MS);
    await standing('n1');
    await heard('n1', 'x1', { a: 2 });
    expect((await dryRun(T0 + 24 * AWAY_MS - 1))?.proxies).toMatchObject([{ wouldRefuse: 2 }]);
    expect((await dryRun(T0 + 24 * AWAY_MS))?.proxies).toEqual([{ proxy: 'n1', wouldRefuse: 0 }]);
  });
});

describe('readiness', () => {
  const readiness = (now: number) => envoyDataPlane(documents, 'edge', () => {}).readiness('shop', 'catalog', now);

  it('is known while its watcher is alive, and unknown after', async () => {
    await putReadiness(documents, place, { service: 'catalog', via: 'x1', versions: { v1: 'ready', v2: 'none' } }, T0);
    expect(await readiness(T0)).toEqual({ v1: 'ready', v2: 'none' });
    expect(await readiness(T0 + 60_000)).toEqual({});
  });

  it('of a service that nobody reported is unknown', async () => {
    expect(await readiness(T0)).toEqual({});
  });
});

it('pokes the xds server with the sequence of the mesh', async () => {
  const poked: unknown[] = [];
  await envoyDataPlane(documents, 'edge', (mesh, sequence) => poked.push([mesh, sequence])).apply(fragment);
  expect(poked).toEqual([['shop', 7]]);
});
