/**
 * An Envoy's side of ADS over a real gRPC stream: asks as Envoy does (clusters and listeners whole; endpoints, routes and the
 * bundle by the names those refer to), accepts what comes, and says what it holds in words. Nothing of the server's state is shared.
 */
import { readFile } from 'node:fs/promises';
import { createFileRegistry, fromBinary, fromJson, toBinary, toJson } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { FileDescriptorSetSchema, StructSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { z } from 'zod';
import { nodeMessage } from '../../src/dataplanes/envoy/node-metadata.ts';
import type { EnvoyNode, EnvoyResourceType } from '../../src/dataplanes/envoy/resources.ts';
import { resourceTypeOf, typeUrl } from '../../src/xds/protobuf.ts';
import { cachedDescriptors } from '../../src/xds/protobuf-build.ts';

const PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(await cachedDescriptors())));

const routesSchema = z.object({
  virtualHosts: z.array(
    z.object({
      name: z.string(),
      routes: z.array(
        z.object({
          route: z.object({
            cluster: z.string().optional(),
            weightedClusters: z.object({ clusters: z.array(z.object({ name: z.string(), weight: z.number().optional() })) }).optional(),
          }),
        }),
      ),
    }),
  ),
});
const assignmentSchema = z.object({
  clusterName: z.string(),
  endpoints: z
    .array(
      z.object({
        lbEndpoints: z.array(z.object({ endpoint: z.object({ address: z.object({ socketAddress: z.object({ address: z.string() }) }) }) })),
      }),
    )
    .default([]),
});

const bundleSchema = z.object({ validationContext: z.object({ trustedCa: z.object({ inlineString: z.string() }) }) });

export interface AdsClient {
  /** By virtual host: what its last route sends where, as `v1=90,v2=10`. */
  readonly splits: ReadonlyMap<string, string>;
  /** By cluster: the addresses of its endpoints. */
  readonly endpoints: ReadonlyMap<string, readonly string[]>;
  /** The roots of every bundle that it was sent, as PEM. */
  readonly bundles: readonly string[];
  /** How the stream ended, in the server's words. */
  readonly ended: Promise<string>;
  stop(): void;
}

/** What it does with a route configuration that has this split, or a bundle of these roots. */
export type Taste = (splitOrRoots: string) => 'takes' | 'refuses' | 'says nothing';

/** Without `token` it shows none. */
export function startAdsClient(port: number, node: EnvoyNode, token?: string, taste: Taste = () => 'takes'): AdsClient {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  const metadata = new Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  const call = client.makeBidiStreamRequest(
    PATH,
    (bytes: Uint8Array) => Buffer.from(bytes),
    (bytes) => bytes,
    metadata,
  );
  const ended = Promise.withResolvers<string>();
  call.on('error', (error) => ended.resolve(error.message));
  call.on('end', () => ended.resolve('ended'));

  const names: Record<EnvoyResourceType, readonly string[]> = { cluster: [], endpoints: [], listener: [], route: [], secret: [] };
  const last = new Map<EnvoyResourceType, Answer>();
  const splits = new Map<string, string>();
  const endpoints = new Map<string, readonly string[]>();
  const bundles: string[] = [];

  const ask = (type: EnvoyResourceType, first?: Uint8Array): void => {
    call.write(encodeRequest(type, names[type], last.get(type), first));
  };
  const subscribe = (type: 'endpoints' | 'route' | 'secret', wanted: readonly string[]): void => {
    if (wanted.join() === names[type].join()) return;
    names[type] = wanted;
    ask(type);
  };

  call.on('data', (bytes: Buffer) => {
    const response = decodeResponse(bytes);
    const { type, resources } = response;
    const roots = type === 'secret' ? resources.map((one) => bundleSchema.parse(one).validationContext.trustedCa.inlineString) : [];
    bundles.push(...roots);
    const tasted = type === 'route' ? resources.flatMap(splitsOf).map(([, split]) => split) : roots;
    const tastes = tasted.map(taste);
    if (tastes.includes('says nothing')) return;
    if (tastes.includes('refuses')) {
      call.write(
        encodeRequest(
          type,
          names[type],
          { version: last.get(type)?.version ?? '', nonce: response.nonce },
          undefined,
          type === 'route' ? 'bad split' : 'bad roots',
        ),
      );
      return;
    }
    last.set(type, response);
    if (type === 'route') splits.clear();
    for (const resource of resources) {
      if (type === 'route') for (const [host, split] of splitsOf(resource)) splits.set(host, split);
      if (type === 'endpoints') endpoints.set(...addressesOf(resource));
    }
    ask(type);
    if (type === 'cluster')
      subscribe(
        'endpoints',
        namesIn(resources)
          .filter((name) => name.includes('|'))
          .sort(),
      );
    if (type === 'cluster' && JSON.stringify(resources).includes('"sdsConfig":{"ads":{}')) subscribe('secret', ['bundle']);
    if (type === 'listener')
      subscribe(
        'route',
        namesIn(resources).filter((name) => name === 'outbound'),
      );
  });

  ask('cluster', encodeNode(node));
  ask('listener');
  return {
    splits,
    endpoints,
    bundles,
    ended: ended.promise,
    stop() {
      call.cancel();
      client.close();
    },
  };
}

interface Answer {
  readonly type: EnvoyResourceType;
  readonly version: string;
  readonly nonce: string;
  readonly resources: readonly unknown[];
}

const namesIn = (resources: readonly unknown[]): string[] => resources.map((one) => z.object({ name: z.string() }).parse(one).name);

function splitsOf(resource: unknown): [string, string][] {
  return routesSchema.parse(resource).virtualHosts.map(({ name, routes }) => {
    const { cluster, weightedClusters } = routes.at(-1)?.route ?? {};
    const targets = weightedClusters?.clusters ?? (cluster === undefined ? [] : [{ name: cluster, weight: 100 }]);
    return [name, targets.map((target) => `${target.name.split('|')[1]}=${target.weight ?? 0}`).join()];
  });
}

function addressesOf(resource: unknown): [string, readonly string[]] {
  const { clusterName, endpoints } = assignmentSchema.parse(resource);
  const all = endpoints.flatMap(({ lbEndpoints }) => lbEndpoints.map(({ endpoint }) => endpoint.address.socketAddress.address));
  return [clusterName, all.sort()];
}

function encodeNode(node: EnvoyNode): Uint8Array {
  const struct = toBinary(StructSchema, fromJson(StructSchema, JSON.parse(JSON.stringify(nodeMessage(node).metadata))));
  return new BinaryWriter().tag(1, WireType.LengthDelimited).string(node.id).tag(3, WireType.LengthDelimited).bytes(struct).finish();
}

function encodeRequest(
  type: EnvoyResourceType,
  names: readonly string[],
  last: Pick<Answer, 'version' | 'nonce'> | undefined,
  node: Uint8Array | undefined,
  rejection?: string,
): Uint8Array {
  const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).string(last?.version ?? '');
  if (node) writer.tag(2, WireType.LengthDelimited).bytes(node);
  for (const name of names) writer.tag(3, WireType.LengthDelimited).string(name);
  writer.tag(4, WireType.LengthDelimited).string(typeUrl(type));
  writer.tag(5, WireType.LengthDelimited).string(last?.nonce ?? '');
  // A google.rpc.Status, whose second field is the message.
  if (rejection !== undefined)
    writer.tag(6, WireType.LengthDelimited).bytes(new BinaryWriter().tag(2, WireType.LengthDelimited).string(rejection).finish());
  return writer.finish();
}

function decodeResponse(bytes: Uint8Array): Answer {
  const reader = new BinaryReader(bytes);
  let [version, nonce, url] = ['', '', ''];
  const resources: unknown[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) version = reader.string();
    else if (field === 2) resources.push(decodeAny(reader.bytes()));
    else if (field === 4) url = reader.string();
    else if (field === 5) nonce = reader.string();
    else reader.skip(wireType);
  }
  const type = resourceTypeOf(url);
  if (!type) throw new Error(`A response of the type ${url} was not asked for.`);
  return { type, version, nonce, resources };
}

function decodeAny(bytes: Uint8Array): unknown {
  const reader = new BinaryReader(bytes);
  let url = '';
  let value: Uint8Array = new Uint8Array();
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) url = reader.string();
    else if (field === 2) value = reader.bytes();
    else reader.skip(wireType);
  }
  const schema = registry.getMessage(url.slice(url.indexOf('/') + 1));
  if (!schema) throw new Error(`The descriptors lack ${url}.`);
  return toJson(schema, fromBinary(schema, value), { registry });
}
