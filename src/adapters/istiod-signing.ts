/**
 * Asks the istiod in one pod for a leaf, as its workloads do: `IstioCertificateService.CreateCertificate` (istio.io/api
 * security/v1alpha1/ca.proto) over gRPC, TLS and a port-forward, with a token of a service account. The key ends with the call.
 */
import http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { makeKey } from '../agent/signing-request.ts';
import type { Signed, SigningService } from '../dataplanes/istio/signing-service.ts';
import { ClusterUnavailable, type Refused } from '../dataplanes/kubernetes/cluster.ts';
import { unary } from './grpc-unary.ts';
import { explained } from './http-exchange.ts';
import type { SpeakingCluster } from './kubernetes-cluster.ts';

const PORT = 15_012;
const METHOD = '/istio.v1.auth.IstioCertificateService/CreateCertificate';
const ACCOUNT = 'default';
/** Of tokens that istiod takes (`--set values.global.sds.token.aud`, `istio-ca` unless changed). */
const AUDIENCE = 'istio-ca';
const UNAUTHENTICATED = 16;
const PERMISSION_DENIED = 7;

export function istiodSigning(cluster: Pick<SpeakingCluster, 'token' | 'stream'>, timeoutMs = 10_000): SigningService {
  return {
    async sample({ namespace, pod }, believed) {
      const given = await cluster.token({ namespace, name: ACCOUNT }, AUDIENCE);
      if (given.kind === 'refused') return given;
      const opened = await cluster.stream({ namespace, pod, port: PORT });
      if (opened.kind === 'refused') return opened;
      try {
        return await ask(opened.stream, { namespace, pod, believed, token: given.token, timeoutMs });
      } catch (error) {
        throw new ClusterUnavailable(`${namespace}/${pod} could not be asked for a certificate: ${explained(error, timeoutMs)}.`, {
          cause: error,
        });
      } finally {
        opened.stream.destroy();
      }
    },
  };
}

interface Asking {
  readonly namespace: string;
  readonly pod: string;
  readonly believed: string;
  readonly token: string;
  readonly timeoutMs: number;
}

async function ask(stream: Duplex, { namespace, pod, believed, token, timeoutMs }: Asking): Promise<Signed | Refused> {
  const host = `istiod.${namespace}.svc`;
  const signal = AbortSignal.timeout(timeoutMs);
  const socket = await secured(connect({ socket: stream, servername: host, ca: believed, ALPNProtocols: ['h2'] }), signal);
  const session = http2.connect(`https://${host}:${PORT}`, { createConnection: () => socket });
  try {
    const key = await makeKey();
    const { status, message, body } = await unary(session, METHOD, requestOf(key.request()), {
      signal,
      headers: { authorization: `Bearer ${token}` },
    });
    if (status === 0) return signedOf(body);
    const said = `istiod ${pod} gives no certificate (gRPC status ${status}): ${message.slice(0, 200)}`;
    if (status === UNAUTHENTICATED || status === PERMISSION_DENIED) return { kind: 'refused', status, message: said };
    throw new Error(said);
  } finally {
    session.destroy();
  }
}

function secured(socket: TLSSocket, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', () => resolve(socket)).on('error', reject);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** IstioCertificateRequest {csr = 1}; without a `validity_duration` its leaf lives as long as istiod's do. */
const requestOf = (csr: string): Uint8Array => new BinaryWriter().tag(1, WireType.LengthDelimited).string(csr).finish();

/** IstioCertificateResponse {cert_chain = 1}: one certificate each, and the roots, however many, last. */
function signedOf(body: Uint8Array): Signed {
  const reader = new BinaryReader(body);
  const chain: string[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) chain.push(reader.string());
    else reader.skip(wireType);
  }
  const roots = chain.pop();
  if (roots === undefined || chain.length === 0) throw new Error('the answer has no certificate');
  return { kind: 'signed', chain, roots };
}
