/**
 * The public keys of OpenID Connect issuers (OpenID Connect Discovery 1.0, RFC 7517): asked for over HTTPS where the spec says the issuer
 * is, never where a token says; kept, and asked for again when a token names a key that is not among them, at most each 30 seconds. Answers
 * are small and in time, and no redirect is followed.
 */
import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { codeOf } from './http-exchange.ts';

export interface IssuerAddress {
  /** Where `/.well-known/openid-configuration` is looked for. */
  readonly discovery: string;
  /** The `issuer` that the document must name. */
  readonly issuer: string;
}

export interface IssuerKeysOptions {
  /** Epoch ms. */
  readonly now: () => number;
  /** For tests: plain HTTP to 127.0.0.1. */
  readonly loopbackHttp?: boolean;
  readonly timeoutMs?: number;
  /** No key is asked for anew sooner than this after the last time. */
  readonly coolDownMs?: number;
}

/** The issuer cannot be asked just now; what is to be verified is neither believed nor refused. */
export class IssuerUnavailable extends Error {
  override name = 'IssuerUnavailable';
}

const LARGEST_BYTES = 256 * 1024;
/** Discovery documents hardly ever change, keys are rolled over within days. */
const REMEMBER_MS = 3_600_000;
const MOST_ISSUERS = 100;

const discoverySchema = z.object({ issuer: z.string(), jwks_uri: z.url() });

/** One for the life of the process. The keys resolve for `jose.jwtVerify`; throws `IssuerUnavailable`. */
export function issuerKeys(options: IssuerKeysOptions): (address: IssuerAddress) => Promise<JWTVerifyGetKey> {
  const known = new Map<string, { readonly until: number; readonly keys: JWTVerifyGetKey }>();
  const ask = boundedFetch(options.timeoutMs ?? 5_000);

  async function discover({ discovery, issuer }: IssuerAddress): Promise<JWTVerifyGetKey> {
    const base = URL.parse(discovery);
    if (!base || !mayBeAsked(base, options.loopbackHttp)) throw new IssuerUnavailable(`The issuer ${discovery} is no https address.`);
    const at = `${discovery.replace(/\/+$/, '')}/.well-known/openid-configuration`;
    const response = await ask(at);
    const document = discoverySchema.safeParse(response.ok ? await response.json().catch(() => undefined) : undefined);
    if (!document.success) throw new IssuerUnavailable(`${at} answers ${response.status} and not as an issuer does.`);
    if (document.data.issuer !== issuer) throw new IssuerUnavailable(`${at} speaks for another issuer than ${issuer}.`);
    const keysAt = new URL(document.data.jwks_uri);
    // A document that sends the asker elsewhere could send it into a network that only the asker can reach.
    if (keysAt.origin !== base.origin) throw new IssuerUnavailable(`${at} says that its keys are at another host; that is not followed.`);
    const coolDown = options.coolDownMs ?? 30_000;
    return createRemoteJWKSet(keysAt, { cooldownDuration: coolDown, cacheMaxAge: REMEMBER_MS, [customFetch]: (url) => ask(url) });
  }

  return async (address) => {
    const key = `${address.discovery} ${address.issuer}`;
    const found = known.get(key);
    if (found && options.now() < found.until) return found.keys;
    const keys = await discover(address);
    if (known.size >= MOST_ISSUERS) known.clear();
    known.set(key, { until: options.now() + REMEMBER_MS, keys });
    return keys;
  };
}

function mayBeAsked(url: URL, loopbackHttp = false): boolean {
  if (url.username !== '' || url.password !== '') return false;
  return url.protocol === 'https:' || (loopbackHttp && url.protocol === 'http:' && url.hostname === '127.0.0.1');
}

function boundedFetch(timeoutMs: number): (url: string) => Promise<Response> {
  return async (url) => {
    try {
      const headers = { accept: 'application/json' };
      const response = await fetch(url, { headers, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
      return new Response(await bodyOf(response, url), { status: response.status });
    } catch (error) {
      if (error instanceof IssuerUnavailable) throw error;
      throw new IssuerUnavailable(`${url} gave no answer (${codeOf(error)}).`, { cause: error });
    }
  };
}

async function bodyOf(response: Response, url: string): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > LARGEST_BYTES) throw new IssuerUnavailable(`${url} answers with more than ${LARGEST_BYTES} bytes.`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
