/**
 * How long a change takes to reach 1,000 ADS streams, and what they cost in memory. The xds server is a process of its
 * own (`fanout-server.ts`); this process is the 1,000 nodes, each with a connection of its own, answering as Envoy does.
 * The clock starts when the change is handed to the server and ends when a node has the whole response.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type ClientHttp2Session, connect } from 'node:http2';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromJson, toBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import { build } from 'esbuild';
import { z } from 'zod';
import { nodeMessage } from '../src/dataplanes/envoy/node-metadata.ts';
import type { EnvoyResourceType } from '../src/dataplanes/envoy/resources.ts';
import { resourceTypeOf, typeUrl } from '../src/xds/protobuf.ts';
import { cachedDescriptors } from '../src/xds/protobuf-build.ts';

export interface BenchResult {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly target: number;
  readonly peer: string;
}

const path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';
const services = Array.from({ length: 100 }, (_, index) => `service-${index}`);

/** `fanout_1000_p99_ms` over all nodes and rounds, and `fanout_1000_rss_mb`, the most the server took after a round. */
export async function measureFanout({ nodes = 1000, rounds = 20, warmUp = 5 } = {}): Promise<readonly BenchResult[]> {
  const directory = await mkdtemp(join(tmpdir(), 'meshwright-fanout-'));
  const program = join(directory, 'fanout-server.mjs');
  // Bundled as what is shipped: Node's own TypeScript loader would add 30 MB.
  await build({
    entryPoints: [join(import.meta.dirname, 'fanout-server.ts')],
    outfile: program,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    banner: { js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" },
  });
  const server = fork(program, [String(nodes), await cachedDescriptors()]);
  const connected: Node[] = [];
  try {
    const { port } = z.object({ port: z.number() }).parse((await once(server, 'message'))[0]);
    let latencies: number[] = [];
    let started = performance.now();
    const received = () => {
      latencies.push(performance.now() - started);
    };
    const first = once(server, 'message');
    for (let index = 0; index < nodes; index += 1) connected.push(startNode(port, `node-${index}`, received));
    await first;

    let most = 0;
    for (let round = 0; round < warmUp + rounds; round += 1) {
      if (round === warmUp) latencies = [];
      const all = once(server, 'message');
      started = performance.now();
      server.send({ publish: round + 2 });
      const { rss } = z.object({ rss: z.number() }).parse((await all)[0]);
      most = Math.max(most, rss);
    }
    if (latencies.length !== nodes * rounds) throw new Error(`${nodes * rounds} arrivals were due, ${latencies.length} were seen.`);
    latencies.sort((a, b) => a - b);
    const at = (share: number) => Math.round((latencies[Math.ceil(latencies.length * share) - 1] ?? 0) * 10) / 10;
    console.error(
      `fanout: ${latencies.length} arrivals, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, worst ${at(1)} ms; load ${loadavg()[0]?.toFixed(1)} on ${cpus().length} cores`,
    );
    return [
      {
        name: 'fanout_1000_p99_ms',
        value: at(0.99),
        unit: 'ms',
        target: 110,
        peer: 'go-control-plane 111 shared, 493 rebuilt per node; sovereign 3,959',
      },
      {
        name: 'fanout_1000_rss_mb',
        value: Math.round(most / 1e6),
        unit: 'MB',
        target: 150,
        peer: 'go-control-plane 93 shared, 546 rebuilt per node',
      },
    ];
  } finally {
    for (const { session } of connected) session.destroy();
    server.disconnect();
    if (server.exitCode === null) await once(server, 'exit');
    await rm(directory, { recursive: true });
  }
}

interface Node {
  readonly session: ClientHttp2Session;
}

/** One Envoy's side of a stream, on bare HTTP/2 so that the measuring costs little. `received`: it has the routes of a new version. */
function startNode(port: number, id: string, received: () => void): Node {
  const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 1 << 20, enablePush: false } });
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' });
  session.on('error', () => {});
  stream.on('error', () => {});
  const ask = (type: EnvoyResourceType, names: readonly string[] = [], version = '', nonce = '', node?: Uint8Array) => {
    const writer = new BinaryWriter();
    if (version) writer.tag(1, WireType.LengthDelimited).string(version);
    if (node) writer.tag(2, WireType.LengthDelimited).bytes(node);
    for (const name of names) writer.tag(3, WireType.LengthDelimited).string(name);
    writer.tag(4, WireType.LengthDelimited).string(typeUrl(type));
    if (nonce) writer.tag(5, WireType.LengthDelimited).string(nonce);
    const message = writer.finish();
    const frame = Buffer.alloc(5 + message.length);
    frame.writeUInt32BE(message.length, 1);
    frame.set(message, 5);
    stream.write(frame);
  };
  const begun = new Set<string>();
  let rest: Buffer = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const end = 5 + rest.readUInt32BE(1);
      answer(rest.subarray(5, end));
      rest = rest.subarray(end);
    }
  });

  function answer(message: Buffer): void {
    const { version, type, nonce } = envelope(message);
    if (type === 'route') received();
    ask(type, type === 'endpoints' ? services : type === 'route' ? ['outbound'] : [], version, nonce);
    if (begun.has(type)) return;
    begun.add(type);
    if (type === 'cluster') ask('endpoints', services);
    if (type === 'endpoints') ask('listener');
    if (type === 'listener') ask('route', ['outbound']);
  }

  ask('cluster', [], '', '', encodedNode(id));
  return { session };
}

/** The fields of a DiscoveryResponse that an answer needs; the resources are passed over. */
function envelope(message: Uint8Array): { readonly version: string; readonly type: EnvoyResourceType; readonly nonce: string } {
  const reader = new BinaryReader(message);
  let [version, url, nonce] = ['', '', ''];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) version = reader.string();
    else if (field === 4) url = reader.string();
    else if (field === 5) nonce = reader.string();
    else reader.skip(wireType);
  }
  const type = resourceTypeOf(url);
  if (!type) throw new Error(`A response of the type ${url} was not asked for.`);
  return { version, type, nonce };
}

function encodedNode(id: string): Uint8Array {
  const { metadata } = nodeMessage({ id, mesh: 'bench', dataPlane: 'bench', outbound: { address: '127.0.0.1', port: 15001 } });
  const struct = toBinary(StructSchema, fromJson(StructSchema, JSON.parse(JSON.stringify(metadata))));
  return new BinaryWriter().tag(1, WireType.LengthDelimited).string(id).tag(3, WireType.LengthDelimited).bytes(struct).finish();
}

if (import.meta.main) console.log(JSON.stringify(await measureFanout()));
