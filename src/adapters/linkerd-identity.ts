/**
 * Asks one Linkerd proxy for the leaf that it shows, as `linkerd identity` does (TLS to its admin port), and one identity pod for a leaf, as its
 * proxies do: `Identity.Certify` (linkerd2-proxy-api identity.proto) with a token of a service account. Both through port-forwards.
 */
import http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { makeKey } from '../agent/signing-request.ts';
import { ClusterUnavailable, type PodPort, type Refused } from '../dataplanes/kubernetes/cluster.ts';
import type { IdentityService, Shown } from '../dataplanes/linkerd/identity-service.ts';
import { unary } from './grpc-unary.ts';
import { explained } from './http-exchange.ts';
import type { SpeakingCluster } from './kubernetes-cluster.ts';

const METHOD = '/io.linkerd.proxy.identity.Identity/Certify';
const ACCOUNT = 'default';
/** Of the tokens that its proxies come with (pkg/k8s: `linkerd-identity-token`). */
const AUDIENCE = 'identity.l5d.io';
/** Whoever presents more than that is believed in nothing. */
const MAX_CHAIN = 8;

export function linkerdIdentity(cluster: Pick<SpeakingCluster, 'token' | 'stream'>, timeoutMs = 10_000): IdentityService {
  async function over<Answer>(to: PodPort, what: string, ask: (stream: Duplex, signal: AbortSignal) => Promise<Answer>) {
    const opened = await cluster.stream(to);
    if (opened.kind === 'refused') return opened;
    try {
      return await ask(opened.stream, AbortSignal.timeout(timeoutMs));
    } catch (error) {
      throw new ClusterUnavailable(`${to.namespace}/${to.pod} could not be asked ${what}: ${explained(error, timeoutMs)}.`, {
        cause: error,
      });
    } finally {
      opened.stream.destroy();
    }
  }

  return {
    shown: (at, name) => over(at, 'for its leaf', (stream, signal) => shownBy(stream, name, signal)),
    async sample({ namespace, pod, port, identities }) {
      const given = await cluster.token({ namespace, name: ACCOUNT }, AUDIENCE);
      if (given.kind === 'refused') return given;
      const name = `${ACCOUNT}.${namespace}.serviceaccount.${identities}`;
      return over({ namespace, pod, port }, 'for a leaf', (stream, signal) => certified(stream, name, given.token, signal));
    },
  };
}

/** Who it is and by whom it is certified is judged by whoever asks; that it has the key is what TLS proves. */
function shownBy(stream: Duplex, name: string, signal: AbortSignal): Promise<Shown> {
  return new Promise((resolve, reject) => {
    const socket = connect({ socket: stream, servername: name, rejectUnauthorized: false, minVersion: 'TLSv1.2' });
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    socket.on('error', reject).on('close', () => reject(new Error('it hung up before it showed a leaf')));
    socket.once('secureConnect', () => {
      const chain = chainOf(socket.getPeerCertificate(true));
      if (chain.length === 0) return reject(new Error('it shows no leaf'));
      resolve({ kind: 'shown', chain });
    });
  });
}

function chainOf(leaf: DetailedPeerCertificate): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  // A root is its own issuer; of nobody there is an empty object.
  for (let each: DetailedPeerCertificate | undefined = leaf; each?.raw && chain.length < MAX_CHAIN; each = each.issuerCertificate) {
    const { raw } = each;
    if (chain.some((before) => Buffer.compare(before, raw) === 0)) break;
    chain.push(new Uint8Array(raw));
  }
  return chain;
}

/** In the clear, as its own proxy asks it on the loopback. */
async function certified(stream: Duplex, name: string, token: string, signal: AbortSignal): Promise<Shown | Refused> {
  const session = http2.connect('http://identity', { createConnection: () => stream });
  try {
    const key = await makeKey();
    const { status, message, body } = await unary(session, METHOD, requestOf(name, token, key.request(name, 'dns')), { signal });
    if (status !== 0) throw new Error(`it gives no leaf (gRPC status ${status}): ${message.slice(0, 200)}`);
    return { kind: 'shown', chain: chainIn(body) };
  } finally {
    session.destroy();
  }
}

/** CertifyRequest {identity = 1, token = 2, certificate_signing_request = 3 (DER)}. */
function requestOf(name: string, token: string, csr: string): Uint8Array {
  const der = Buffer.from(csr.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
  const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).string(name);
  writer.tag(2, WireType.LengthDelimited).bytes(Buffer.from(token));
  return writer.tag(3, WireType.LengthDelimited).bytes(der).finish();
}

/** CertifyResponse {leaf_certificate = 1, intermediate_certificates = 2}, in DER. */
function chainIn(body: Uint8Array): readonly Uint8Array[] {
  const reader = new BinaryReader(body);
  const leaf: Uint8Array[] = [];
  const between: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) leaf.push(reader.bytes());
    else if (field === 2) between.push(reader.bytes());
    else reader.skip(wireType);
  }
  if (leaf.length === 0) throw new Error('the answer has no leaf');
  return [...leaf, ...between];
}
