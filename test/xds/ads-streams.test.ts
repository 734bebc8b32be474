/** The ADS server's streams, spoken to without an Envoy: who is refused, who is who, and that everybody is reached. */
import { once } from 'node:events';
import { fromJson, toBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import { Client, type ClientDuplexStream, credentials, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { nodeMessage } from '../../src/dataplanes/envoy/node-metadata.ts';
import type { EnvoyNode, EnvoyResource } from '../../src/dataplanes/envoy/resources.ts';
import { type AdsServer, startAdsServer } from '../../src/xds/ads-server.ts';
import { typeUrl } from '../../src/xds/protobuf.ts';
import { buildShared, buildSnapshot, type Snapshot } from '../../src/xds/snapshot.ts';
import { testEncoder } from './real-envoy.ts';

const encode = await testEncoder();

const path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo();
});

const named = (id: string, more: Partial<EnvoyNode> = {}): EnvoyNode => ({
  id,
  mesh: 'test',
  dataPlane: 'vms',
  outbound: { address: '127.0.0.1', port: 1 },
  ...more,
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
    const connect = () => {
      const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
      cleanUp.push(async () => client.close());
      return client;
    };
    const [one, other] = [connect(), connect()];
    for (let index = 0; index < nodes; index += 1) askForClusters(index % 2 === 0 ? one : other, named(`node-${index}`));
    await allAcked(1);
    snapshot = snapshotOfCluster(2, '2s');
    server.publish();
    snapshot = snapshotOfCluster(3, '3s');
    server.publish();
    await allAcked(3);
    expect(server.nodes().filter(({ connected }) => connected)).toHaveLength(nodes);
  });
});

describe('nodes of one name', () => {
  it('in two meshes, or two data planes of one, are nodes of their own: each has its own snapshot and presence', async () => {
    const places = [
      { mesh: 'shop', dataPlane: 'vms' },
      { mesh: 'bank', dataPlane: 'vms' },
      { mesh: 'shop', dataPlane: 'edge' },
    ];
    const mesh = await startNodes();
    for (const [index, place] of places.entries()) {
      mesh.open(named('caller', { ...place, outbound: { address: '127.0.0.1', port: index + 1 } }));
      await mesh.heard(`${place.mesh}/${place.dataPlane}:${index + 1} connected`);
    }
    mesh.asked.length = 0;
    mesh.server.publish();
    expect(mesh.asked.sort()).toEqual(['bank/vms:2', 'shop/edge:3', 'shop/vms:1']);
    expect(mesh.server.nodes()).toHaveLength(3);
  });

  it('and of other listeners in one data plane cannot both be here: the second is turned away, and taken when the first has gone', async () => {
    const mesh = await startNodes();
    const first = mesh.open(named('caller'));
    await mesh.heard('test/vms:1 connected');
    const other = named('caller', { outbound: { address: '127.0.0.1', port: 2 } });
    const [error] = await once(mesh.open(other), 'error');
    expect(error).toMatchObject({ code: status.ALREADY_EXISTS });
    expect(error.details).toContain('is connected as caller in test/vms; give each Envoy an id of its own');
    expect(mesh.events).toEqual(['test/vms:1 connected']);
    first.end();
    await mesh.heard('test/vms:1 disconnected');
    mesh.open(other);
    await mesh.heard('test/vms:2 connected');
  });

  it('and the same listeners are one that has come back before its last stream was seen to end', async () => {
    const mesh = await startNodes();
    const first = mesh.open(named('caller'));
    await mesh.heard('test/vms:1 connected');
    const second = mesh.open(named('caller'));
    await mesh.until(() => mesh.asked.length === 2);
    first.end();
    await once(first, 'end');
    second.end();
    await mesh.heard('test/vms:1 disconnected');
    expect(mesh.events).toEqual(['test/vms:1 connected', 'test/vms:1 disconnected']);
  });
});

const nameOf = ({ mesh, dataPlane, outbound }: EnvoyNode) => `${mesh}/${dataPlane}:${outbound?.port}`;

/** A server without any snapshot; `asked`: for whom it wanted one. */
async function startNodes() {
  const asked: string[] = [];
  const events: string[] = [];
  let news = Promise.withResolvers<void>();
  const moved = () => {
    news.resolve();
    news = Promise.withResolvers();
  };
  const until = async (holds: () => boolean) => {
    while (!holds()) await news.promise;
  };
  const server: AdsServer = await startAdsServer({
    address: { host: '127.0.0.1', port: 0 },
    encode,
    snapshotFor: (node) => {
      asked.push(nameOf(node));
      moved();
      return undefined;
    },
    onNode: (node, { fact }) => {
      events.push(`${nameOf(node)} ${fact}`);
      moved();
    },
  });
  cleanUp.push(() => server.stop());
  const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  cleanUp.push(async () => client.close());
  return {
    server,
    asked,
    events,
    until,
    heard: (event: string) => until(() => events.includes(event)),
    open: (node: EnvoyNode) => askForClusters(client, node),
  };
}

function snapshotOfCluster(sequence: number, timeout: string): Snapshot {
  const resources: EnvoyResource[] = [{ type: 'cluster', name: 'a', json: { name: 'a', connect_timeout: timeout } }];
  const shared = buildShared({ resources, encode });
  if (!shared.ok) throw new Error(shared.message);
  const built = buildSnapshot({ sequence, shared: shared.shared, own: [], encode });
  if (!built.ok) throw new Error(built.message);
  return built.snapshot;
}

/** A stream that asks for clusters and accepts each response. */
function askForClusters(client: Client, envoyNode: EnvoyNode): ClientDuplexStream<Uint8Array, Buffer> {
  const { id } = envoyNode;
  const call = client.makeBidiStreamRequest(
    path,
    (bytes: Uint8Array) => Buffer.from(bytes),
    (bytes) => bytes,
  );
  const { metadata } = nodeMessage(envoyNode);
  const struct = toBinary(StructSchema, fromJson(StructSchema, JSON.parse(JSON.stringify(metadata))));
  const node = new BinaryWriter().tag(1, WireType.LengthDelimited).string(id).tag(3, WireType.LengthDelimited).bytes(struct).finish();
  const ask = (version: string, nonce: string) => {
    const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).string(version);
    if (nonce === '') writer.tag(2, WireType.LengthDelimited).bytes(node);
    call.write(writer.tag(4, WireType.LengthDelimited).string(typeUrl('cluster')).tag(5, WireType.LengthDelimited).string(nonce).finish());
  };
  call.on('error', () => {});
  call.on('data', (bytes: Buffer) => {
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
  return call;
}
