/**
 * A workload's identity in Istio, obtained as its agent obtains it: a key made here, a request signed by istiod's own service for a
 * service account's token, and an SDS server that gives Envoy the leaf (`default`) and the roots (`ROOTCA`). As an agent it stands for
 * `pilot-agent` with `PROXY_CONFIG_XDS_AGENT=true` (security/pkg/nodeagent/cache/secretcache.go): it comes for another leaf when half of
 * its life is over, and at once when istiod pushes other roots (PCDS), which it adds to those that came with its leaf.
 */
import { readFile } from 'node:fs/promises';
import { createFileRegistry, type FileRegistry, fromBinary, fromJson, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { type GrpcHandler, type GrpcStream, startGrpcServer } from '../../src/xds/grpc-server.ts';
import { decodeRequest } from '../../src/xds/protobuf.ts';
import { cachedDescriptors } from '../../src/xds/protobuf-build.ts';
import type { ApiServer } from './api-server.ts';
import { type Istiod, rootsIn } from './istiod.ts';
import { LOOPBACK, type Running, stopping } from './process.ts';
import { keyPem, type Leaf, signingRequest, workloadKey } from './x509.ts';

const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';
const SIGN = '/istio.v1.auth.IstioCertificateService/CreateCertificate';
const ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';
/** istio.mesh.v1alpha1.ProxyConfig, and its field `ca_certificates_pem`. */
const PROXY_CONFIG = 'type.googleapis.com/istio.mesh.v1alpha1.ProxyConfig';
const CA_CERTIFICATES = 34;
const STREAM = '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets';

export interface SdsServer extends Running {
  readonly port: number;
  /** An agent hears of no other roots until it is released; its leafs are renewed all the same. */
  hold(): void;
  release(): void;
}

export interface AgentOptions {
  /** envoy.config.core.v3.Node, as Envoy itself says it. */
  readonly node: JsonObject;
  /** How long its leafs are to live. */
  readonly leafSeconds: number;
}

/** Serves the identity of `namespace`/`serviceAccount` in the mesh's trust domain, valid for a day unless it is an agent's. */
export async function startSdsServer(
  api: ApiServer,
  istiod: Istiod,
  { namespace, serviceAccount }: { readonly namespace: string; readonly serviceAccount: string },
  agent?: AgentOptions,
): Promise<SdsServer> {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(await cachedDescriptors())));
  const token = await api.serviceAccountToken(namespace, serviceAccount, 'istio-ca');
  const secrets = new Map<string, JsonObject>();
  const streams = new Map<GrpcStream, readonly string[]>();
  const schema = registry.getMessage(SECRET);
  if (!schema) throw new Error(`The descriptor set lacks ${SECRET}.`);
  let version = 0;
  const send = (stream: GrpcStream, names: readonly string[]): void => {
    version += 1;
    const encoded = names.flatMap((name) => {
      const secret = secrets.get(name);
      return secret === undefined ? [] : [toBinary(schema, fromJson(schema, { name, ...secret }, { registry }))];
    });
    stream.send(response(encoded, String(version)));
  };
  const inline = (text: string): JsonObject => ({ inlineBytes: Buffer.from(text).toString('base64') });
  const keep = (name: string, secret: JsonObject): void => {
    secrets.set(name, secret);
    for (const [stream, names] of streams) if (names.includes(name)) send(stream, [name]);
  };
  const sign = async (): Promise<string> => {
    const { chain, key, roots } = await signedLeaf(istiod, await rootsIn(api, namespace), token, agent?.leafSeconds ?? 86_400);
    keep('default', { tlsCertificate: { certificateChain: inline(chain), privateKey: inline(key) } });
    return roots;
  };
  const trust = (roots: string): void => keep('ROOTCA', { validationContext: { trustedCa: inline(roots) } });
  trust(await sign());
  const open = (stream: GrpcStream): GrpcHandler => ({
    message(bytes) {
      const request = decodeRequest(bytes);
      // One with a nonce answers what it has been sent.
      if (request.nonce !== '') return;
      streams.set(stream, request.names);
      send(stream, request.names);
    },
    closed: () => void streams.delete(stream),
  });
  const server = await startGrpcServer({
    address: { host: LOOPBACK, port: 0 },
    maxMessageBytes: 1024 * 1024,
    methods: [{ path: STREAM, open }],
  });
  const follower = agent && followRoots(istiod, registry, { ...agent, sign, trust });
  const ends = async () => {
    await follower?.stop();
    await server.stop();
  };
  return { port: server.port, hold: () => follower?.hold(), release: () => follower?.release(), ...stopping(ends) };
}

/** As pilot-agent: what istiod pushes is trusted beside what came with the leaf, and each other set has a leaf signed anew. */
function followRoots(
  istiod: Istiod,
  registry: FileRegistry,
  { node, leafSeconds, sign, trust }: AgentOptions & { readonly sign: () => Promise<string>; readonly trust: (roots: string) => void },
) {
  let [bundle, wanted, held, over] = ['', '', false, false];
  let running = Promise.resolve();
  const renewed = async (): Promise<void> => {
    if (over) return;
    const hears = !held;
    if (hears) bundle = wanted;
    // The roots first: nobody here would believe the new leafs of others otherwise.
    if (hears && bundle !== '') trust(bundle);
    const came = await sign();
    if (hears) trust(distinct(came + bundle));
  };
  // What fails now is tried again when half of a leaf's life is over, as the agent does.
  const renew = (): void => {
    running = running.then(renewed).catch(() => {});
  };
  const timer = setInterval(renew, (leafSeconds * 1_000) / 2);
  const pushed = watchRoots(istiod, registry, node, (pem) => {
    wanted = pem;
    if (wanted !== bundle) renew();
  });
  return {
    hold() {
      held = true;
    },
    release() {
      held = false;
      renew();
    },
    async stop() {
      over = true;
      clearInterval(timer);
      pushed.close();
      await running;
    },
  };
}

/** PEM of all roots, whenever istiod pushes them. */
function watchRoots(istiod: Istiod, registry: FileRegistry, node: JsonObject, tell: (pem: string) => void): { close(): void } {
  const schema = registry.getMessage('envoy.service.discovery.v3.DiscoveryRequest');
  if (!schema) throw new Error('The descriptor set lacks DiscoveryRequest.');
  const client = new Client(`${LOOPBACK}:${istiod.xdsPort}`, credentials.createInsecure());
  const stream = client.makeBidiStreamRequest(ADS, asIs, asIs);
  const request = (more: JsonObject): Buffer =>
    Buffer.from(toBinary(schema, fromJson(schema, { typeUrl: PROXY_CONFIG, ...more }, { registry })));
  stream.on('data', (bytes: Buffer) => {
    const fields = fieldsOf(bytes);
    const text = (field: number): string => Buffer.from(fields.get(field)?.[0] ?? []).toString();
    stream.write(request({ versionInfo: text(1), responseNonce: text(5) }));
    const configs = (fields.get(2) ?? []).flatMap((any) => fieldsOf(any).get(2) ?? []);
    const pem = configs.flatMap((config) => fieldsOf(config).get(CA_CERTIFICATES) ?? []).map((each) => Buffer.from(each).toString());
    if (pem.length > 0) tell(distinct(pem.join('\n')));
  });
  // istiod ends before its proxies do when a test is over.
  stream.on('error', () => {});
  stream.write(request({ node }));
  return {
    close() {
      stream.cancel();
      client.close();
    },
  };
}

/** Length-delimited fields of a message, by number. */
function fieldsOf(bytes: Uint8Array): Map<number, Uint8Array[]> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, Uint8Array[]>();
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited) reader.skip(wireType);
    else fields.set(field, [...(fields.get(field) ?? []), reader.bytes()]);
  }
  return fields;
}

/** Each certificate once, sorted, as pilot-agent does. */
const distinct = (pem: string): string =>
  [...new Set(pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [])].sort().join('\n');

const asIs = (bytes: Buffer): Buffer => bytes;

/** envoy.service.discovery.v3.DiscoveryResponse */
function response(secrets: readonly Uint8Array[], version: string): Buffer {
  const typeUrl = `type.googleapis.com/${SECRET}`;
  const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).string(version);
  for (const secret of secrets) {
    const any = new BinaryWriter().tag(1, WireType.LengthDelimited).string(typeUrl).tag(2, WireType.LengthDelimited).bytes(secret);
    writer.tag(2, WireType.LengthDelimited).bytes(any.finish());
  }
  return Buffer.from(writer.tag(4, WireType.LengthDelimited).string(typeUrl).tag(5, WireType.LengthDelimited).string(version).finish());
}

/** By IstioCertificateRequest {csr = 1, validity_duration = 3} and IstioCertificateResponse {cert_chain = 1}. */
async function signedLeaf(istiod: Istiod, roots: string, token: string, seconds: number): Promise<Leaf & { readonly roots: string }> {
  const pair = workloadKey();
  const request = new BinaryWriter().tag(1, WireType.LengthDelimited).string(signingRequest(pair)).tag(3, WireType.Varint).int64(seconds);
  const client = new Client(`${LOOPBACK}:${istiod.securePort}`, credentials.createSsl(Buffer.from(roots)), {
    'grpc.ssl_target_name_override': `istiod.${istiod.namespace}.svc`,
  });
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  try {
    const chain = await new Promise<readonly string[]>((resolve, reject) => {
      client.makeUnaryRequest(SIGN, asIs, asIs, Buffer.from(request.finish()), metadata, (error, answer) =>
        answer === undefined ? reject(error) : resolve(certificates(answer)),
      );
    });
    // The roots come last, all in one.
    return { chain: chain.slice(0, -1).join(''), roots: chain.at(-1) ?? '', key: keyPem(pair) };
  } finally {
    client.close();
  }
}

function certificates(bytes: Buffer): readonly string[] {
  const reader = new BinaryReader(bytes);
  const chain: string[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) chain.push(reader.string());
    else reader.skip(wireType);
  }
  return chain;
}
