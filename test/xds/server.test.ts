/**
 * The xds server over a store that comes and goes, with nodes on real ADS streams and the functions behind real HTTP: what
 * is served stays served, and whatever could not be written is written when the store is back. Its timers go when told to.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { envoyDataPlane } from '../../src/dataplanes/envoy/observe.ts';
import type { EnvoyNode } from '../../src/dataplanes/envoy/resources.ts';
import { planService } from '../../src/plan/plan-service.ts';
import { writeFragment } from '../../src/reconcile/model.ts';
import { nodesOf, readinessOf } from '../../src/reconcile/observations.ts';
import { LONGEST_LEASE_MS } from '../../src/xds/mesh-watch.ts';
import { HEARTBEAT_MS } from '../../src/xds/reporter.ts';
import { startXdsServer } from '../../src/xds/server.ts';
import { until } from '../e2e/until.ts';
import { serviceSpec } from '../rollouts/story.ts';
import { type AdsClient, startAdsClient, type Taste } from './ads-client.ts';
import { type FunctionsDoor, openFunctionsDoor } from './functions-door.ts';
import { testEncoder } from './real-envoy.ts';
import { always, never, type StoreThatFails, storeThatFails, writing } from './store-that-fails.ts';

const encode = await testEncoder();
const T0 = Date.parse('2026-11-22T14:00:00Z');
const LEASE_MS = 30_000;
const SECOND = 1_000;
const place = { mesh: 'shop', dataPlane: 'vms' };

const cleanUp: (() => void | Promise<void>)[] = [];
beforeEach(() => {
  // The server's own clockwork; sockets keep theirs.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
});
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo();
  vi.useRealTimers();
});

const caller = (id = 'caller'): EnvoyNode => ({ id, ...place, outbound: { address: '127.0.0.1', port: 15_001 } });

/** Weights of `service`, as the functions would write them. */
async function write(store: StoreThatFails, revision: number, weights: Readonly<Record<string, number>>, service = 'catalog') {
  const split = Object.entries(weights).map(([version, weight]) => ({ version, weight }));
  const plan = planService('shop', serviceSpec({ name: service, dataPlanes: ['vms'] }), { split });
  return (await writeFragment(store.stored, { mesh: 'shop', service, revision, plan })).sequence;
}

async function running(store = storeThatFails(), functions?: FunctionsDoor) {
  const problems: string[] = [];
  const clock = { now: T0 };
  const server = await startXdsServer({
    documents: store.documents,
    encode,
    via: 'x1',
    now: () => clock.now,
    ads: { host: '127.0.0.1', port: 0 },
    door: { host: '127.0.0.1', port: 0 },
    nodeToken: 'nodes',
    ...(functions ? { hints: { url: functions.url, token: 'secret' } } : {}),
    report: (problem) => problems.push(problem),
  });
  cleanUp.push(() => server.stop());

  const door = `http://127.0.0.1:${server.doorPort}`;
  return {
    store,
    problems,
    clock,
    server,
    door,
    /** Time goes by, in steps of a second as the timers do. */
    pass(ms: number): void {
      for (let passed = 0; passed < ms; passed += SECOND) {
        clock.now += SECOND;
        vi.advanceTimersByTime(SECOND);
      }
    },
    connect(node = caller(), token: string | undefined = 'nodes', taste?: Taste): AdsClient {
      const client = startAdsClient(server.adsPort, node, token, taste);
      cleanUp.push(client.stop);
      return client;
    },
    poke: () => fetch(`${door}/poke/shop`, { method: 'POST' }),
    async register(hosts: readonly number[], more: { version?: string; ready?: boolean } = {}): Promise<number> {
      const { version = 'v1', ready = true } = more;
      const endpoints = hosts.map((host) => ({ service: 'catalog', version, address: `10.0.0.${host}`, port: 15_006, ready }));
      const response = await fetch(`${door}/endpoints`, {
        method: 'POST',
        headers: { authorization: 'Bearer nodes', 'content-type': 'application/json' },
        body: JSON.stringify({ ...place, leaseMs: LEASE_MS, endpoints }),
      });
      return response.status;
    },
    served: async () => (await nodesOf(store.stored, place, clock.now)).find(({ node }) => node === 'caller')?.served,
    readiness: () => readinessOf(store.stored, place, 'catalog', clock.now),
  };
}

const splitIs = (client: AdsClient, split: string) => until(`the split is ${split}`, () => client.splits.get('catalog.shop') === split);

const endpointsAre = (client: AdsClient, hosts: readonly number[], version = 'v1') =>
  until(
    `the endpoints are ${hosts}`,
    () => client.endpoints.get(`catalog.shop|${version}`)?.join() === hosts.map((host) => `10.0.0.${host}`).join(),
  );

describe('a store that is away', () => {
  it('takes nothing from nodes, not even from those that come meanwhile; what it missed is served when it is back', async () => {
    const store = storeThatFails();
    await write(store, 1, { v1: 100 });
    const { connect, pass, problems } = await running(store);
    const before = connect();
    await splitIs(before, 'v1=100');

    store.fails = always;
    await write(store, 2, { v1: 60, v2: 40 });
    pass(5 * SECOND);
    const newcomer = connect(caller('newcomer'));
    await splitIs(newcomer, 'v1=100');
    expect(before.splits.get('catalog.shop')).toBe('v1=100');
    expect(problems).toContain('The model of shop could not be read; it is tried again.');

    store.fails = never;
    pass(SECOND);
    await splitIs(before, 'v1=60,v2=40');
    await splitIs(newcomer, 'v1=60,v2=40');
  });

  it('at the start is waited for', async () => {
    const store = storeThatFails();
    await write(store, 1, { v1: 100 });
    store.fails = always;
    const { connect, pass, problems } = await running(store);
    const client = connect();
    await until('it was asked in vain', () => problems.some((problem) => problem.startsWith('The model of shop could not be read yet')));
    expect(client.splits.size).toBe(0);
    store.fails = never;
    pass(SECOND);
    await splitIs(client, 'v1=100');
  });

  it('refuses a registration, which is taken when it comes again', async () => {
    const store = storeThatFails();
    await write(store, 1, { v1: 100 });
    const { connect, register } = await running(store);
    const client = connect();
    expect(await register([1])).toBe(200);
    await endpointsAre(client, [1]);

    store.fails = always;
    expect(await register([1, 2])).toBe(503);
    expect(await register([1]), 'a renewal needs no store').toBe(200);
    store.fails = never;
    expect(await register([1, 2])).toBe(200);
    await endpointsAre(client, [1, 2]);
  });
});

describe('a fragment that this build cannot read', () => {
  it('freezes nobody: the others are served, its service as before, and whoever waits for it hears that it is refused', async () => {
    const store = storeThatFails();
    await write(store, 1, { v1: 100 });
    const { connect, pass, clock, problems } = await running(store);
    const client = connect();
    await splitIs(client, 'v1=100');

    await write(store, 2, { v1: 50, v2: 50 });
    const found = await store.stored.read('model/shop', 'fragment~catalog');
    if (!found) throw new Error('it was written');
    const text = JSON.stringify(found.document).replace('"protocol":"http"', '"protocol":"tcp"');
    await store.stored.batch('model/shop', [{ op: 'upsert', document: JSON.parse(text) }]);
    await write(store, 1, { v1: 100 }, 'cart');
    pass(SECOND);
    await until('the other service is served', () => client.splits.get('cart.shop') === 'v1=100');
    expect(client.splits.get('catalog.shop')).toBe('v1=100');
    expect(problems).toEqual([
      expect.stringMatching(/^The plan of catalog at 2 is not served on shop\/vms; the one before stays: .*protocol/s),
    ]);

    const dataPlane = envoyDataPlane(store.stored, 'vms', () => {});
    const fragmentOf = async (service: string, sequence: number) => {
      const plan = planService('shop', serviceSpec({ name: service, dataPlanes: ['vms'] }), { split: [{ version: 'v1', weight: 100 }] });
      return dataPlane.observe({ mesh: 'shop', service, revision: 1, sequence, plan }, clock.now);
    };
    await until('the other is seen to be served', async () => (await fragmentOf('cart', 3)).kind === 'served');
    expect(await fragmentOf('catalog', 2)).toMatchObject({
      kind: 'rejected',
      node: 'caller',
      message: expect.stringContaining('protocol'),
    });
  });
});

describe('after a restart', () => {
  it('endpoints are served as they were, and none expires before the longest lease has passed', async () => {
    const store = storeThatFails();
    await write(store, 1, { v1: 100 });
    const first = await running(store);
    expect(await first.register([1, 2, 3])).toBe(200);
    await first.server.stop();

    const { connect, pass, register } = await running(store);
    const client = connect();
    await endpointsAre(client, [1, 2, 3]);
    pass(20 * SECOND);
    expect(await register([1, 2])).toBe(200);
    pass(20 * SECOND);
    expect(LEASE_MS).toBeLessThan(40 * SECOND);
    // Whoever was dropped by now would be missing beside the new one.
    expect(await register([1, 2, 4])).toBe(200);
    await endpointsAre(client, [1, 2, 3, 4]);
    pass(LONGEST_LEASE_MS - 40 * SECOND);
    await endpointsAre(client, [1, 2, 4]);
  });
});

describe('a node that comes late', () => {
  it('is told of when it serves what the others were told to serve: somebody may have waited for it', async () => {
    const functions = await openFunctionsDoor();
    cleanUp.push(functions.stop);
    const store = storeThatFails();
    await write(store, 1, { v1: 100 }, 'cart');
    const { connect, pass, clock } = await running(store, functions);
    const client = connect();
    await until('the first hint', () => functions.knocks.length === 1);
    const sequence = await write(store, 1, { v1: 100 });
    pass(SECOND);
    await splitIs(client, 'v1=100');
    await until('the second hint', () => functions.knocks.length === 2);

    connect(caller('newcomer'));
    const newcomer = async () => (await nodesOf(store.stored, place, clock.now)).find(({ node }) => node === 'newcomer');
    await until('the newcomer serves it', async () => (await newcomer())?.served === sequence);
    pass(SECOND);
    await until('the third hint', () => functions.knocks.length === 3);
    pass(SECOND);
    expect(functions.knocks.map(({ services }) => services)).toEqual([['cart'], ['catalog'], ['catalog']]);
  });
});

describe('a node', () => {
  it.each([
    ['without the token', undefined],
    ['with another token', 'other'],
  ])('%s is refused in one sentence', async (_, token) => {
    const store = storeThatFails();
    await write(store, 1, { v1: 100 });
    const { server } = await running(store);
    const client = startAdsClient(server.adsPort, caller(), token);
    cleanUp.push(client.stop);
    expect(await client.ended).toContain('Send the token of this mesh\'s nodes as "authorization: Bearer <token>".');
    expect(client.splits.size).toBe(0);
  });
});

describe('what one node refuses', () => {
  it('is told of the service it concerns, while others have not come as far; and that node goes on with the rest', async () => {
    const functions = await openFunctionsDoor();
    cleanUp.push(functions.stop);
    const store = storeThatFails();
    await write(store, 1, { v1: 100 });
    await write(store, 1, { v1: 100 }, 'cart');
    const { connect, poke, clock } = await running(store, functions);
    const client = connect(caller(), 'nodes', (split) => (split.includes('v2') ? 'refuses' : 'takes'));
    await splitIs(client, 'v1=100');
    connect(caller('silent'), 'nodes', () => 'says nothing');
    await until('it is there', async () => (await nodesOf(store.stored, place, clock.now)).some(({ node }) => node === 'silent'));
    const sequence = await write(store, 2, { v1: 90, v2: 10 });
    await poke();
    await until('the functions know', () => functions.knocks.some(({ services }) => services.join() === 'catalog'));
    const seen = (await nodesOf(store.stored, place, clock.now)).find(({ node }) => node === 'caller');
    expect(seen).toMatchObject({ served: sequence, without: ['catalog.shop'], rejected: { sequence, message: 'bad split' } });
    await write(store, 2, { v1: 50, v3: 50 }, 'cart');
    await poke();
    await until('cart has moved', () => client.splits.get('cart.shop') === 'v1=50,v3=50');
    expect(client.splits.get('catalog.shop')).toBe('v1=100');
  });
});

describe('a write of what was seen that failed', () => {
  it('is made good with the next heartbeat, and then the functions are told', async () => {
    const functions = await openFunctionsDoor();
    cleanUp.push(functions.stop);
    const store = storeThatFails();
    const sequence = await write(store, 1, { v1: 100 });
    const { connect, pass, served, problems } = await running(store, functions);
    store.fails = writing('node');
    connect();
    await until('a write failed', () => problems.some((problem) => problem.includes('could not be written')));
    store.fails = never;
    pass(HEARTBEAT_MS);
    await until('it is written', async () => (await served()) === sequence);
    await until('the functions know', () => functions.knocks.some(({ services }) => services.includes('catalog')));
  });

  it('of readiness is made good with the next look at the leases', async () => {
    const functions = await openFunctionsDoor();
    cleanUp.push(functions.stop);
    const store = storeThatFails();
    await write(store, 1, { v1: 100 });
    const { register, pass, readiness, problems } = await running(store, functions);
    store.fails = writing('readiness');
    expect(await register([1])).toBe(200);
    await until('a write failed', () => problems.some((problem) => problem.startsWith('The readiness of catalog')));
    expect(await readiness()).toEqual({});
    store.fails = never;
    pass(SECOND);
    await until('it is written', async () => (await readiness()).v1 === 'ready');
    await until('the functions know', () => functions.knocks.some(({ services }) => services.includes('catalog')));
  });
});
