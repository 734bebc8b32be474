/** The ADS server under real Envoys: what is published is what they serve, and what they refuse hurts nobody. */
import { once } from 'node:events';
import { fromJson, toBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { nodeMessage } from '../../src/dataplanes/envoy/node-metadata.ts';
import { renderNode, renderShared } from '../../src/dataplanes/envoy/render.ts';
import type { Endpoint, EnvoyNode, EnvoyResource } from '../../src/dataplanes/envoy/resources.ts';
import type { ServicePlan } from '../../src/plan/plan.ts';
import { type AdsServer, type NodeEvent, startAdsServer } from '../../src/xds/ads-server.ts';
import { typeUrl } from '../../src/xds/protobuf.ts';
import { buildShared, buildSnapshot, type Snapshot } from '../../src/xds/snapshot.ts';
import { type Backend, envoyForTests, freePort, get, startBackend, startEnvoy, tally, testEncoder } from './real-envoy.ts';

const envoy = await envoyForTests();
const encode = await testEncoder();

const path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo();
});

describe.skipIf(!envoy)('a real Envoy', () => {
  it('sends requests as the weights say, and as they say after a change', async () => {
    const mesh = await startMesh({ v1: 80, v2: 20 });
    await mesh.served(1);
    const before = await tally(mesh.outbound, 'catalog', 1000);
    // Four standard deviations of a binomial are 51.
    expect(Math.abs((before.v2 ?? 0) - 200)).toBeLessThan(52);
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
    expect(mesh.server().nodes()).toMatchObject([{ connected: true, served: 1, rejection: { sequence: 2 } }]);

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
    await mesh.until(async () => (await get(mesh.outbound, 'catalog')).body === 'v2');
    expect(await tally(mesh.outbound, 'catalog', 100)).toEqual({ v2: 100 });

    mesh.publish(3, { v1: 0, v2: 100 }, [], [reviews('/a')]);
    await mesh.served(3);
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

describe('the server', () => {
  it.each([
    ['no node at all', undefined, 'The first request of a stream must carry the node'],
    ['a node of something else', Buffer.from([0x0a, 0x01, 0x6e]), 'node.metadata.meshwright'],
    ['a node that is no message', Buffer.from([0xff]), 'no envoy.config.core.v3.Node'],
  ])('refuses %s in one sentence', async (_, node, sentence) => {
    const server = await startAdsServer({
      address: { host: '127.0.0.1', port: 0 },
      encode,
      snapshotFor: () => undefined,
      onNode: () => {},
    });
    cleanUp.push(() => server.stop());
    const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
    cleanUp.push(async () => client.close());
    const call = client.makeBidiStreamRequest(
      path,
      (bytes: Buffer) => bytes,
      (bytes) => bytes,
    );
    call.write(node ? Buffer.concat([Buffer.from([0x12, node.length]), node]) : Buffer.alloc(0));
    const [error] = await once(call, 'error');
    expect(error).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(error.details).toContain(sentence);
  });

  it('brings every node to what was published last, however many there are', async () => {
    const nodes = 150;
    let snapshot = snapshotOfCluster(1, '1s');
    const acked = new Map<number, Set<string>>();
    let heard = Promise.withResolvers<void>();
    const server = await startAdsServer({
      address: { host: '127.0.0.1', port: 0 },
      encode,
      snapshotFor: () => snapshot,
      onNode: ({ id }, event) => {
        if (event.fact !== 'acked') return;
        acked.set(event.sequence, (acked.get(event.sequence) ?? new Set()).add(id));
        heard.resolve();
        heard = Promise.withResolvers();
      },
    });
    cleanUp.push(() => server.stop());
    const allAcked = async (sequence: number) => {
      while (acked.get(sequence)?.size !== nodes) await heard.promise;
    };
    const clients = [0, 1].map(
      () => new Client(`127.0.0.1:${server.port}`, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 }),
    );
    for (const client of clients) cleanUp.push(async () => client.close());
    for (let index = 0; index < nodes; index += 1) askForClusters(clients[index % 2], `node-${index}`);
    await allAcked(1);
    snapshot = snapshotOfCluster(2, '2s');
    server.publish();
    snapshot = snapshotOfCluster(3, '3s');
    server.publish();
    await allAcked(3);
    expect(server.nodes().filter(({ connected }) => connected)).toHaveLength(nodes);
  });
});

function snapshotOfCluster(sequence: number, timeout: string): Snapshot {
  const resources: EnvoyResource[] = [{ type: 'cluster', name: 'a', json: { name: 'a', connect_timeout: timeout } }];
  const shared = buildShared({ resources, encode });
  if (!shared.ok) throw new Error(shared.message);
  const built = buildSnapshot({ sequence, shared: shared.shared, own: [], encode });
  if (!built.ok) throw new Error(built.message);
  return built.snapshot;
}

/** A stream that asks for clusters and accepts each response. */
function askForClusters(client: Client | undefined, id: string): void {
  const call = client?.makeBidiStreamRequest(
    path,
    (bytes: Uint8Array) => Buffer.from(bytes),
    (bytes) => bytes,
  );
  const { metadata } = nodeMessage({ id, mesh: 'test', dataPlane: 'vms', outbound: { address: '127.0.0.1', port: 1 } });
  const struct = toBinary(StructSchema, fromJson(StructSchema, JSON.parse(JSON.stringify(metadata))));
  const node = new BinaryWriter().tag(1, WireType.LengthDelimited).string(id).tag(3, WireType.LengthDelimited).bytes(struct).finish();
  const ask = (version: string, nonce: string) => {
    const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).string(version);
    if (nonce === '') writer.tag(2, WireType.LengthDelimited).bytes(node);
    call?.write(writer.tag(4, WireType.LengthDelimited).string(typeUrl('cluster')).tag(5, WireType.LengthDelimited).string(nonce).finish());
  };
  call?.on('error', () => {});
  call?.on('data', (bytes: Buffer) => {
    const reader = new BinaryReader(bytes);
    let [version, nonce] = ['', ''];
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 1) version = reader.string();
      else if (field === 5) nonce = reader.string();
      else reader.skip(wireType);
    }
    ask(version, nonce);
  });
  ask('', '');
}

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
