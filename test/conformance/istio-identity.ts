/**
 * A workload's identity in Istio, obtained as its agent obtains it: a key made here, a request signed by istiod's own service for a
 * service account's token, and an SDS server that gives Envoy the leaf (`default`) and the roots (`ROOTCA`).
 */
import { readFile } from 'node:fs/promises';
import { createFileRegistry, fromBinary, fromJson, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { type GrpcHandler, type GrpcStream, startGrpcServer } from '../../src/xds/grpc-server.ts';
import { decodeRequest } from '../../src/xds/protobuf.ts';
import { cachedDescriptors } from '../../src/xds/protobuf-build.ts';
import type { ApiServer } from './api-server.ts';
import type { Istiod } from './istiod.ts';
import { LOOPBACK, type Running, stopping } from './process.ts';
import { keyPem, type Leaf, signingRequest, workloadKey } from './x509.ts';

const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';
const SIGN = '/istio.v1.auth.IstioCertificateService/CreateCertificate';
const STREAM = '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets';

export interface SdsServer extends Running {
  readonly port: number;
}

/** Serves the identity of `namespace`/`serviceAccount` in the mesh's trust domain, valid for a day. */
export async function startSdsServer(api: ApiServer, istiod: Istiod, namespace: string, serviceAccount: string): Promise<SdsServer> {
  const token = await api.serviceAccountToken(namespace, serviceAccount, 'istio-ca');
  const { chain, key } = await signedLeaf(istiod, token);
  const inline = (text: string): JsonObject => ({ inlineBytes: Buffer.from(text).toString('base64') });
  const secrets = new Map<string, JsonObject>([
    ['default', { tlsCertificate: { certificateChain: inline(chain), privateKey: inline(key) } }],
    ['ROOTCA', { validationContext: { trustedCa: inline(istiod.roots) } }],
  ]);
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(await cachedDescriptors())));
  const schema = registry.getMessage(SECRET);
  if (!schema) throw new Error(`The descriptor set lacks ${SECRET}.`);
  const encode = (name: string): Uint8Array[] => {
    const secret = secrets.get(name);
    return secret === undefined ? [] : [toBinary(schema, fromJson(schema, { name, ...secret }, { registry }))];
  };
  const open = (stream: GrpcStream): GrpcHandler => ({
    message(bytes) {
      const request = decodeRequest(bytes);
      // One with a nonce answers what it has been sent; the secrets never change.
      if (request.nonce === '') stream.send(response(request.names.flatMap(encode)));
    },
    closed() {},
  });
  const server = await startGrpcServer({
    address: { host: LOOPBACK, port: 0 },
    maxMessageBytes: 1024 * 1024,
    methods: [{ path: STREAM, open }],
  });
  return { port: server.port, ...stopping(() => server.stop()) };
}

/** envoy.service.discovery.v3.DiscoveryResponse */
function response(secrets: readonly Uint8Array[]): Buffer {
  const typeUrl = `type.googleapis.com/${SECRET}`;
  const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).string('1');
  for (const secret of secrets) {
    const any = new BinaryWriter().tag(1, WireType.LengthDelimited).string(typeUrl).tag(2, WireType.LengthDelimited).bytes(secret);
    writer.tag(2, WireType.LengthDelimited).bytes(any.finish());
  }
  return Buffer.from(writer.tag(4, WireType.LengthDelimited).string(typeUrl).tag(5, WireType.LengthDelimited).string('1').finish());
}

/** By IstioCertificateRequest {csr = 1, validity_duration = 3} and IstioCertificateResponse {cert_chain = 1}. */
async function signedLeaf(istiod: Istiod, token: string): Promise<Leaf> {
  const pair = workloadKey();
  const request = new BinaryWriter().tag(1, WireType.LengthDelimited).string(signingRequest(pair)).tag(3, WireType.Varint).int64(86_400);
  const client = new Client(`${LOOPBACK}:${istiod.securePort}`, credentials.createSsl(Buffer.from(istiod.roots)), {
    'grpc.ssl_target_name_override': 'istiod.istio-system.svc',
  });
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  const asIs = (bytes: Buffer): Buffer => bytes;
  try {
    const chain = await new Promise<string>((resolve, reject) => {
      client.makeUnaryRequest(SIGN, asIs, asIs, Buffer.from(request.finish()), metadata, (error, answer) =>
        answer === undefined ? reject(error) : resolve(certificates(answer)),
      );
    });
    return { chain, key: keyPem(pair) };
  } finally {
    client.close();
  }
}

function certificates(bytes: Buffer): string {
  const reader = new BinaryReader(bytes);
  const chain: string[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) chain.push(reader.string());
    else reader.skip(wireType);
  }
  // The roots come last; Envoy has them from ROOTCA.
  return chain.slice(0, -1).join('');
}
