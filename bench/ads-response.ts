/**
 * Reading what an ADS server sent, as far as a measuring node needs it: which clusters there are, and how a virtual host's
 * last route divides its requests. Field numbers: envoy.service.discovery.v3 and envoy.config.cluster/route.v3.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { EnvoyResourceType } from '../src/dataplanes/envoy/resources.ts';
import { resourceTypeOf } from '../src/xds/protobuf.ts';

export type AdsResponse = { readonly version: string; readonly nonce: string } & (
  | { readonly type: 'cluster'; readonly clusters: readonly string[] }
  /** `<cluster>=<weight>`, joined by commas; empty where the virtual host is not there. */
  | { readonly type: 'route'; readonly split: string }
  | { readonly type: Exclude<EnvoyResourceType, 'cluster' | 'route'> }
);

export type ReadResponse = (message: Buffer) => AdsResponse;

/** A thousand nodes get the same bytes: they are read once, and compared after that. */
export function responseReader(virtualHost: string): ReadResponse {
  let known: { readonly message: Buffer; readonly response: AdsResponse }[] = [];
  return (message) => {
    const same = known.find((each) => each.message.equals(message));
    if (same) return same.response;
    const response = readResponse(message, virtualHost);
    known = [{ message: Buffer.from(message), response }, ...known.slice(0, 7)];
    return response;
  };
}

function readResponse(message: Buffer, virtualHost: string): AdsResponse {
  const { text: url } = only(message, 4);
  const type = resourceTypeOf(url);
  const stamp = { version: only(message, 1).text, nonce: only(message, 5).text };
  const resources = all(message, 2).map((resource) => only(resource, 2).bytes);
  if (!type) throw new Error(`A response of the type ${url} was not asked for.`);
  if (type === 'cluster') return { ...stamp, type, clusters: resources.map((cluster) => only(cluster, 1).text) };
  if (type !== 'route') return { ...stamp, type };
  const hosts = resources.flatMap((routes) => all(routes, 2)).filter((host) => only(host, 1).text === virtualHost);
  return { ...stamp, type, split: hosts.map(splitOf).join() };
}

/** VirtualHost.routes -> Route.route -> RouteAction.cluster, or RouteAction.weighted_clusters.clusters. */
function splitOf(host: Uint8Array): string {
  const action = only(all(host, 3).at(-1) ?? new Uint8Array(), 2).bytes;
  const [whole] = all(action, 1);
  if (whole) return `${Buffer.from(whole)}=100`;
  const weighted = all(only(action, 3).bytes, 1);
  return weighted.map((cluster) => `${only(cluster, 1).text}=${wrapped(only(cluster, 2).bytes)}`).join();
}

/** A google.protobuf.UInt32Value. */
function wrapped(bytes: Uint8Array): number {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) return reader.uint32();
    reader.skip(wireType);
  }
  return 0;
}

/** Every length-delimited value of a field. */
function all(message: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new BinaryReader(message);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === wanted && wireType === WireType.LengthDelimited) found.push(reader.bytes());
    else reader.skip(wireType);
  }
  return found;
}

function only(message: Uint8Array, field: number): { readonly bytes: Uint8Array; readonly text: string } {
  const bytes = all(message, field)[0] ?? new Uint8Array();
  return { bytes, text: Buffer.from(bytes).toString() };
}
