/**
 * What a Linkerd proxy does of certificates (linkerd2-proxy: app/src/env/identity.rs, proxy/identity-client/src/certify.rs), by Node's TLS: it reads its roots
 * once, comes to identity for a leaf, renews it at 70 % of what is left of its life, and takes and makes mutual TLS with it. No linkerd2-proxy is to be had here.
 */
import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { until } from '../e2e/until.ts';
import { certify, type ProxyLeaf } from './linkerd-identity.ts';
import { LOOPBACK, type Running, stopping } from './process.ts';

const RENEW_AT = 0.7;
const MIN_REFRESH_MS = 1_000;

export interface LinkerdProxy extends Running {
  /** Of workloads, and of whoever asks for its leaf: both are TLS with the same name. */
  readonly port: number;
  readonly name: string;
  /** A handshake of its own, in which each verifies the other; rejects where one does not. */
  call(other: Pick<LinkerdProxy, 'port' | 'name'>): Promise<void>;
}

export interface ProxyOptions {
  readonly name: string;
  /** PEM. */
  readonly roots: string;
  readonly token: string;
  /** Where identity is now. */
  readonly identity: () => number;
}

/** Resolves once it has a leaf. */
export async function startLinkerdProxy({ name, roots, token, identity }: ProxyOptions): Promise<LinkerdProxy> {
  let over = false;
  let leaf = await until(`${name} has a leaf`, () => certify(identity(), name, token));
  const secure = ({ chain, key }: ProxyLeaf) => ({ cert: chain, key, ca: roots, minVersion: 'TLSv1.3' as const });
  // As a proxy does it: whoever shows no certificate is let in, whoever shows one that does not hold is not.
  const server = createServer({ ...secure(leaf), requestCert: true, rejectUnauthorized: false }, (socket) => {
    const shown = socket.getPeerX509Certificate();
    if (shown && !socket.authorized) return void socket.destroy();
    socket.on('error', () => socket.destroy()).end('ok');
  });
  server.on('tlsClientError', () => {});
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  const address = server.address();

  let timer: NodeJS.Timeout | undefined;
  const renewLater = (): void => {
    if (over) return;
    timer = setTimeout(() => void renewing(), Math.max(MIN_REFRESH_MS, (leaf.validUntil - Date.now()) * RENEW_AT));
  };
  let renewal: Promise<void> = Promise.resolve();
  const renewing = (): void => {
    renewal = certify(identity(), name, token).then(
      (next) => {
        leaf = next;
        server.setSecureContext(secure(next));
        renewLater();
      },
      // Identity is between two of its pods: it keeps what it has and comes again.
      () => renewLater(),
    );
  };
  renewLater();

  return {
    port: typeof address === 'object' && address ? address.port : 0,
    name,
    async call(other) {
      const socket = connect({ host: LOOPBACK, port: other.port, servername: other.name, ...secure(leaf) });
      try {
        const answer = await answerOf(socket);
        if (answer !== 'ok') throw new Error(`${other.name} hung up on ${name}`);
      } finally {
        socket.destroy();
      }
    },
    ...stopping(async () => {
      over = true;
      clearTimeout(timer);
      await renewal;
      server.close();
    }),
  };
}

function answerOf(socket: TLSSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    socket.on('error', reject).on('end', () => resolve(text));
    socket.on('close', () => resolve(text));
  });
}
