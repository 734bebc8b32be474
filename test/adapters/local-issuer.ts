/**
 * An OpenID Connect issuer on 127.0.0.1: a discovery document, keys that can be rolled over, tokens that say whatever a test wants. It counts
 * what it is asked, and can be told to answer in other ways.
 */
import type { webcrypto } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

export interface LocalIssuer {
  readonly url: string;
  /** How often each path was asked. */
  readonly asked: ReadonlyMap<string, number>;
  /** Signed with the newest key. `exp` in 10 minutes and `iss` of this issuer where the claims say nothing else. */
  token(claims: Record<string, unknown>): Promise<string>;
  /** Signed by a key that this issuer never had, under the id of one that it has. */
  forged(claims: Record<string, unknown>): Promise<string>;
  /** Another key; the one before is gone. */
  rollOver(): Promise<void>;
  /** Answers everything so from now on; `undefined`: as it should. */
  answer: { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string } | undefined;
  /** Where it sends who asks for a path. Its discovery document is at `/moved` too. */
  readonly redirects: Map<string, string>;
  /** Fields of the discovery document in place of the right ones. */
  discovery: Record<string, string>;
  stop(): Promise<void>;
}

/** `path`: after the host, as the issuers of Entra ID's tenants have one. `tls`: as `localhost`, with this key and certificate (PEM). */
export async function startIssuer(
  now: () => number,
  path = '',
  tls?: { readonly key: string; readonly certificate: string },
): Promise<LocalIssuer> {
  const asked = new Map<string, number>();
  let generation = 0;
  const newKey = async () => {
    generation += 1;
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const kid = `key-${generation}`;
    return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig', alg: 'ES256' } };
  };
  let key = await newKey();
  const server = tls ? createTlsServer({ key: tls.key, cert: tls.certificate }) : createServer();
  server.on('request', (request, response) => {
    const at = request.url ?? '';
    asked.set(at, (asked.get(at) ?? 0) + 1);
    if (issuer.answer) {
      response.writeHead(issuer.answer.status, issuer.answer.headers).end(issuer.answer.body);
      return;
    }
    const location = issuer.redirects.get(at);
    if (location !== undefined) {
      response.writeHead(302, { location }).end();
      return;
    }
    const discovery = { issuer: issuer.url, jwks_uri: `${issuer.url}/keys`, ...issuer.discovery };
    const known: Record<string, object> = {
      [`${path}/.well-known/openid-configuration`]: discovery,
      [`${path}/moved`]: discovery,
      [`${path}/keys`]: { keys: [key.jwk] },
    };
    const found = known[at];
    response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(found ?? {}));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const sign = (claims: Record<string, unknown>, by: webcrypto.CryptoKey): Promise<string> => {
    const seconds = Math.floor(now() / 1_000);
    return new SignJWT({ iss: issuer.url, iat: seconds, exp: seconds + 600, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: key.kid })
      .sign(by);
  };
  const issuer: LocalIssuer = {
    url: `${tls ? 'https://localhost' : 'http://127.0.0.1'}:${port}${path}`,
    asked,
    token: (claims) => sign(claims, key.privateKey),
    forged: async (claims) => sign(claims, (await generateKeyPair('ES256')).privateKey),
    async rollOver() {
      key = await newKey();
    },
    answer: undefined,
    redirects: new Map(),
    discovery: {},
    async stop() {
      server.close();
      server.closeAllConnections();
    },
  };
  return issuer;
}
