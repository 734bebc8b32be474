/** The ADS server under real Envoys: what is published is what they serve, and what they refuse hurts nobody. */
import { afterEach, describe, expect, it } from 'vitest';
import { renderNode, renderShared } from '../../src/dataplanes/envoy/render.ts';
import type { Endpoint, EnvoyNode, EnvoyResource } from '../../src/dataplanes/envoy/resources.ts';
import type { ServicePlan } from '../../src/plan/plan.ts';
import { type AdsServer, type NodeEvent, startAdsServer } from '../../src/xds/ads-server.ts';
import { buildShared, buildSnapshot, type Snapshot } from '../../src/xds/snapshot.ts';
import { binomialInterval, isWithin } from '../e2e/binomial.ts';
import { type Backend, envoyForTests, freePort, get, startBackend, startEnvoy, tally, testEncoder } from './real-envoy.ts';

const envoy = await envoyForTests();
const encode = await testEncoder();

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo();
});

describe.skipIf(!envoy)('a real Envoy', () => {
  it('sends requests as the weights say, and as they say after a change', async () => {
    const mesh = await startMesh({ v1: 80, v2: 20 });
    await mesh.served(1);
    const before = await tally(mesh.outbound, 'catalog', 1000);
    expect(isWithin(before.v2 ?? 0, binomialInterval(1000, 0.2))).toBe(true);
    expect((before.v1 ?? 0) + (before.v2 ?? 0)).toBe(1000);

    mesh.publish(2, { v1: 0, v2: 100 });
    await mesh.served(2);
    expect(await tally(mesh.outbound, 'catalog', 200)).toEqual({ v2: 200 });
  });

  it('refuses a bad resource, is not sent it again, keeps serving, and still takes a way back', async () => {
    const mesh = await startMesh({ v1: 50, v2: 50 });
    await mesh.served(1);
    const bad: EnvoyResource = {
      type: 'cluster',
      name: 'bad',
      json: { name: 'bad', type: 'STATIC', connect_timeout: '1s', lb_policy: 'CLUSTER_PROVIDED' },
    };
    mesh.publish(2, { v1: 50, v2: 50 }, [bad]);
    const rejection = await mesh.event((event) => event.fact === 'rejected');
    expect(rejection).toMatchObject({ type: 'cluster', sequence: 2, resources: ['bad'] });
    expect(rejection.fact === 'rejected' ? rejection.message : '').toContain('bad');

    mesh.publish(3, { v1: 100, v2: 0 }, [bad]);
    await mesh.event((event) => event.fact === 'acked' && event.type === 'route' && event.sequence === 3);
    expect(await tally(mesh.outbound, 'catalog', 200)).toEqual({ v1: 200 });
    expect(mesh.events.filter((event) => event.fact === 'rejected')).toHaveLength(1);
    // No request is to reach it, so nobody goes without anything.
    await mesh.served(3);
    expect(mesh.server().nodes()).toMatchObject([{ connected: true, served: 3, without: [] }]);

    mesh.publish(4, { v1: 100, v2: 0 });
    await mesh.served(4);
    expect(mesh.server().nodes()[0]).not.toHaveProperty('rejection');
  });

  it('keeps the routes of every other service when those of one are refused', async () => {
    const mesh = await startMesh({ v1: 50, v2: 50 });
    await mesh.served(1);
    const reviews = (target: string): ServicePlan => ({
      ...plan({ v1: 100 }),
      service: 'reviews',
      routes: [{ name: 'r', match: { path: { regex: target } }, split: [{ version: 'v1', weight: 100 }] }, ...plan({ v1: 100 }).routes],
    });
    mesh.publish(2, { v1: 0, v2: 100 }, [], [reviews('/(')]);
    await mesh.event((event) => event.fact === 'rejected' && event.type === 'route' && event.resources.length > 0);
    expect(await mesh.served(2)).toMatchObject({ without: ['reviews.shop'] });
    expect(mesh.server().nodes()).toMatchObject([{ served: 2, without: ['reviews.shop'], rejection: { sequence: 2 } }]);
    await mesh.until(async () => (await get(mesh.outbound, 'catalog')).body === 'v2');
    expect(await tally(mesh.outbound, 'catalog', 100)).toEqual({ v2: 100 });

    mesh.publish(3, { v1: 0, v2: 100 }, [], [reviews('/a')]);
    expect(await mesh.served(3)).toMatchObject({ without: [] });
    expect(mesh.server().nodes()[0]).not.toHaveProperty('rejection');
    expect((await get(mesh.outbound, 'reviews')).body).toBe('v1');
  });

  it('goes on when the server has gone, and with the newest when it is back', async () => {
    const mesh = await startMesh({ v1: 100, v2: 0 });
    await mesh.served(1);
    await mesh.restart(async () => {
      expect(await tally(mesh.outbound, 'catalog', 50)).toEqual({ v1: 50 });
    });
    mesh.publish(7, { v1: 0, v2: 100 });
    await mesh.served(7);
    expect(await tally(mesh.outbound, 'catalog', 50)).toEqual({ v2: 50 });
  });

  it('never answers 503 while clusters come and go under constant requests', async () => {
    const mesh = await startMesh({ v1: 100 });
    await mesh.served(1);
    let running = true;
    const bad: string[] = [];
    let good = 0;
    const load = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (running) {
          const { status: code, body } = await get(mesh.outbound, 'catalog');
          if (code === 200) good += 1;
          else bad.push(`${code} ${body}`);
        }
      }),
    );
    const stop = async () => {
      running = false;
      await load;
    };
    cleanUp.push(stop);
    for (let round = 0; round < 10; round += 1) {
      mesh.publish(2 + 2 * round, { v2: 100 });
      await mesh.served(2 + 2 * round);
      mesh.publish(3 + 2 * round, { v1: 100 });
      await mesh.served(3 + 2 * round);
    }
    await stop();
    expect(bad).toEqual([]);
    expect(good).toBeGreaterThan(20);
  });
});

type Weights = Readonly<Record<string, number>>;

function plan(weights: Weights): ServicePlan {
  const versions = Object.keys(weights).map((name) => ({ name, labels: { version: name } }));
  const split = Object.entries(weights).map(([version, weight]) => ({ version, weight }));
  return {
    mesh: 'test',
    service: 'catalog',
    namespace: 'shop',
    port: 80,
    protocol: 'http',
    selector: { app: 'catalog' },
    versions,
    routes: [{ name: 'default', match: {}, split }],
    dataPlanes: ['vms'],
  };
}

/** A caller's Envoy, a server and two versions of `catalog`; the versions in `weights` are those that exist. */
async function startMesh(weights: Weights) {
  const backends: Record<string, Backend> = { v1: await startBackend('v1'), v2: await startBackend('v2') };
  for (const backend of Object.values(backends)) cleanUp.push(backend.stop);
  const endpoints = ['catalog', 'reviews'].flatMap((service) =>
    Object.entries(backends).map(([version, { port }]): Endpoint => ({ service, version, address: '127.0.0.1', port })),
  );
  const outbound = await freePort();
  const node: EnvoyNode = { id: `caller-${outbound}`, mesh: 'test', dataPlane: 'vms', outbound: { address: '127.0.0.1', port: outbound } };
  const events: NodeEvent[] = [];
  const wake: (() => void)[] = [];
  let snapshot = snapshotOf(1, weights);
  let server = await start(0);
  cleanUp.push(() => server.stop());

  function snapshotOf(
    sequence: number,
    split: Weights,
    extra: readonly EnvoyResource[] = [],
    plans: readonly ServicePlan[] = [],
  ): Snapshot {
    const all = [plan(split), ...plans];
    const shared = buildShared({ resources: [...renderShared(all, endpoints), ...extra], encode });
    if (!shared.ok) throw new Error(shared.message);
    const built = buildSnapshot({ sequence, shared: shared.shared, own: renderNode(node, all), encode });
    if (!built.ok) throw new Error(built.message);
    return built.snapshot;
  }

  function start(port: number): Promise<AdsServer> {
    return startAdsServer({
      address: { host: '127.0.0.1', port },
      encode,
      snapshotFor: () => snapshot,
      onNode: (_, event) => {
        events.push(event);
        for (const one of wake.splice(0)) one();
      },
    });
  }

  async function event(matches: (event: NodeEvent) => boolean): Promise<NodeEvent> {
    for (;;) {
      const found = events.find(matches);
      if (found) return found;
      await new Promise<void>((resolve) => wake.push(resolve));
    }
  }

  const running = await startEnvoy(envoy ?? '', node, server.port);
  cleanUp.push(running.stop);
  return {
    outbound,
    events,
    event,
    server: () => server,
    log: running.log,
    served: (sequence: number) => event((one) => one.fact === 'served' && one.sequence === sequence),
    publish(sequence: number, split: Weights, extra: readonly EnvoyResource[] = [], plans: readonly ServicePlan[] = []) {
      snapshot = snapshotOf(sequence, split, extra, plans);
      server.publish();
    },
    async until(holds: () => Promise<boolean>) {
      while (!(await holds()));
    },
    async restart(meanwhile: () => Promise<void>) {
      const { port } = server;
      await server.stop();
      await meanwhile();
      events.length = 0;
      server = await start(port);
    },
  };
}
