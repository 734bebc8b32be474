/**
 * Linkerd's own identity controller: it signs with the Secret as a kubelet mounts it, under the roots that it began with, for tokens that the API
 * server knows, and tells of its issuer by events. Of May 2021, the one that is to be had as a Go module: roots come in its environment.
 */
import { writeFile } from 'node:fs/promises';
import http2 from 'node:http2';
import { join } from 'node:path';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { unary } from '../../src/adapters/grpc-unary.ts';
import { makeKey } from '../../src/agent/signing-request.ts';
import { freePorts } from '../real-envoy.ts';
import type { ApiServer } from './api-server.ts';
import { LOOPBACK, type Running, startingTogether, startServer } from './process.ts';
import { serverBinary } from './servers/build.ts';

export const LINKERD_NAMESPACE = 'linkerd';
export const IDENTITIES = `identity.${LINKERD_NAMESPACE}.cluster.local`;
const METHOD = '/io.linkerd.proxy.identity.Identity/Certify';

export interface Identity extends Running {
  /** Its gRPC service, in the clear, as its own proxy reaches it. */
  readonly port: number;
}

export interface IdentityOptions {
  /** PEM that it began with. */
  readonly roots: string;
  /** The Secret, mounted. */
  readonly issuer: string;
  readonly leafSeconds: number;
}

/** The Deployment `linkerd-identity` has to be there: its events are about it. Rejects where it does not begin, as with an issuer it does not trust. */
export function startIdentity(api: ApiServer, { roots, issuer, leafSeconds }: IdentityOptions): Promise<Identity> {
  return startingTogether(async (started) => {
    const command = await serverBinary('linkerd-identity');
    const folder = await started.folder('identity');
    const [port = 0, admin = 0] = await freePorts(2);
    const kubeconfig = join(folder, 'kubeconfig');
    await writeFile(kubeconfig, api.kubeconfig(), { mode: 0o600 });
    const flags = {
      addr: `${LOOPBACK}:${port}`,
      'admin-addr': `${LOOPBACK}:${admin}`,
      kubeconfig,
      issuer,
      'controller-namespace': LINKERD_NAMESPACE,
      'identity-scheme': 'kubernetes.io/tls',
      'identity-trust-domain': 'cluster.local',
      'identity-issuance-lifetime': `${leafSeconds}s`,
      'identity-clock-skew-allowance': '1s',
    };
    started.add(
      await startServer({
        name: 'identity',
        command,
        arguments: Object.entries(flags).map(([flag, value]) => `-${flag}=${value}`),
        environment: { LINKERD2_IDENTITY_TRUST_ANCHORS: Buffer.from(roots).toString('base64') },
        folder,
        ready: async () => (await fetch(`http://${LOOPBACK}:${admin}/ready`)).ok,
      }),
    );
    return { port };
  });
}

export interface ProxyLeaf {
  /** PEM: the leaf, and the issuer above it. */
  readonly chain: string;
  /** PEM. */
  readonly key: string;
  /** Epoch ms. */
  readonly validUntil: number;
}

/** As a proxy comes for its leaf (linkerd2-proxy-api identity.proto); rejects with what identity said. */
export async function certify(port: number, name: string, token: string): Promise<ProxyLeaf> {
  const key = await makeKey();
  const csr = Buffer.from(key.request(name, 'dns').replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
  const request = new BinaryWriter().tag(1, WireType.LengthDelimited).string(name);
  request.tag(2, WireType.LengthDelimited).bytes(Buffer.from(token)).tag(3, WireType.LengthDelimited).bytes(csr);
  const session = http2.connect(`http://${LOOPBACK}:${port}`);
  try {
    const signal = AbortSignal.timeout(10_000);
    const { status, message, body } = await unary(session, METHOD, request.finish(), { signal });
    if (status !== 0) throw new Error(`identity gives no leaf (${status}): ${message}`);
    return { ...leafIn(body), key: key.pem };
  } finally {
    session.destroy();
  }
}

function leafIn(body: Uint8Array): Omit<ProxyLeaf, 'key'> {
  const reader = new BinaryReader(body);
  const chain: string[] = [];
  let validUntil = 0;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) chain.unshift(pem(reader.bytes()));
    else if (field === 2) chain.push(pem(reader.bytes()));
    else if (field === 3) validUntil = secondsIn(reader.bytes()) * 1_000;
    else reader.skip(wireType);
  }
  return { chain: chain.join(''), validUntil };
}

/** google.protobuf.Timestamp {seconds = 1}. */
function secondsIn(timestamp: Uint8Array): number {
  const reader = new BinaryReader(timestamp);
  reader.tag();
  return Number(reader.int64());
}

const pem = (der: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${(
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  ).join('\n')}\n-----END CERTIFICATE-----\n`;
