/**
 * One Envoy's side of an ADS stream, on bare HTTP/2 so that the measuring costs little: it asks and acknowledges as Envoy
 * does (clusters, then endpoints, listeners, routes), and says what each response with routes gives one virtual host.
 */
import { connect } from 'node:http2';
import { fromJson, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import { nodeMessage } from '../src/dataplanes/envoy/node-metadata.ts';
import type { EnvoyNode, EnvoyResourceType } from '../src/dataplanes/envoy/resources.ts';
import { typeUrl } from '../src/xds/protobuf.ts';
import type { ReadResponse } from './ads-response.ts';

const PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';
const ROUTES = 'outbound';

export interface AdsNodeOptions {
  readonly node: EnvoyNode;
  readonly port: number;
  readonly token: string;
  readonly read: ReadResponse;
  /** A whole response with routes is here, and gives the virtual host this split. */
  readonly routed: (split: string) => void;
  /** The stream has ended, which it never should. */
  readonly lost: (reason: string) => void;
}

export function startAdsNode({ node, port, token, read, routed, lost }: AdsNodeOptions): { stop(): void } {
  const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 1 << 20, enablePush: false } });
  const stream = session.request({
    ':method': 'POST',
    ':path': PATH,
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: `Bearer ${token}`,
  });
  let stopped = false;
  const end = (reason: string): void => {
    if (!stopped) lost(`${node.id}: ${reason}`);
    stopped = true;
  };
  session.on('error', (error) => end(error.message));
  stream.on('error', (error) => end(error.message));
  stream.on('close', () => end('its stream was closed'));

  let names: readonly string[] = [];
  /** By type: what was answered last. */
  const answered = new Map<EnvoyResourceType, Answered>();
  const ask = (type: EnvoyResourceType): void => {
    const asked = type === 'endpoints' ? names : type === 'route' ? [ROUTES] : [];
    stream.write(frameOf(type, asked, answered.get(type) ?? { version: '', nonce: '' }));
  };

  // Joined once a message is whole: to join with each chunk costs more than all the rest here.
  let held: Buffer[] = [];
  let [bytes, wanted] = [0, 5];
  stream.on('data', (chunk: Buffer) => {
    held.push(chunk);
    bytes += chunk.length;
    if (bytes < wanted) return;
    let rest = Buffer.concat(held);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const size = 5 + rest.readUInt32BE(1);
      answer(rest.subarray(5, size));
      rest = rest.subarray(size);
    }
    held = [rest];
    bytes = rest.length;
    wanted = rest.length >= 5 ? 5 + rest.readUInt32BE(1) : 5;
  });

  function answer(message: Buffer): void {
    const response = read(message);
    const { type, version, nonce } = response;
    if (response.type === 'route') routed(response.split);
    const first = !answered.has(type);
    answered.set(type, { version, nonce });
    ask(type);
    if (response.type === 'cluster' && response.clusters.join() !== names.join()) {
      names = response.clusters;
      ask('endpoints');
    }
    if (type === 'endpoints' && first) ask('listener');
    if (type === 'listener' && first) ask('route');
  }

  stream.write(frameOf('cluster', [], { version: '', nonce: '' }, encodedNode(node)));
  return {
    stop() {
      stopped = true;
      session.destroy();
    },
  };
}

interface Answered {
  readonly version: string;
  readonly nonce: string;
}

/** A DiscoveryRequest in a gRPC frame. */
function frameOf(type: EnvoyResourceType, names: readonly string[], { version, nonce }: Answered, node?: Uint8Array): Buffer {
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
  return frame;
}

function encodedNode(node: EnvoyNode): Uint8Array {
  const struct = toBinary(StructSchema, fromJson(StructSchema, JSON.parse(JSON.stringify(nodeMessage(node).metadata))));
  return new BinaryWriter().tag(1, WireType.LengthDelimited).string(node.id).tag(3, WireType.LengthDelimited).bytes(struct).finish();
}
