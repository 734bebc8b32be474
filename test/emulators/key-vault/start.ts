/**
 * Starts the Key Vault stand-in (what it is and cannot do: README.md) for one test file, on a free port of 127.0.0.1. It is the test's
 * own process, so a test sets its clock, gives it faults and counts what it was asked.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import type { TokenCredential } from '@azure/identity';
import { Access, type Role } from './access.ts';
import { type Answer, type Asked, Problem } from './answers.ts';
import { Certificates } from './certificates.ts';
import { Keys } from './keys.ts';
import { perform, routeOf } from './routes.ts';
import { Secrets } from './secrets.ts';

export interface Call {
  readonly method: string;
  readonly path: string;
  /** Without `Microsoft.KeyVault/vaults/`. */
  readonly action: string;
}

/**
 * `reset`: the connection breaks and nothing is done. `lost`: it is done, and the connection breaks before the answer. `silent`: it is
 * done, and no answer ever comes.
 */
export type Fault = 'reset' | 'lost' | 'silent' | { readonly status: number; readonly retryAfter?: string; readonly code?: string };

export interface KeyVaultStandIn {
  readonly url: string;
  /** With the roles given, or as an administrator. */
  readonly credential: (...roles: Role[]) => TokenCredential & { readonly objectId: string };
  /** From now on, calls for which `fault` answers one get that; `calls` holds all since, challenges left out. */
  readonly inject: (fault: (call: Call, earlier: number) => Fault | undefined) => { readonly calls: readonly Call[] };
  /** From now on it is that time, and stays so. */
  readonly setClock: (now: Date) => void;
  readonly stop: () => Promise<void>;
}

export interface Options {
  /** Items in a page of a list. */
  readonly pageSize?: number;
  /** How often an operation of issuer `Self` is looked at until it is done. */
  readonly selfTakesLooks?: number;
}

const API_VERSIONS = ['7.4', '7.5', '7.6', '2025-07-01', '2026-04-01'];

export async function startKeyVault({ pageSize = 25, selfTakesLooks = 2 }: Options = {}): Promise<KeyVaultStandIn> {
  let now = () => new Date();
  let fault: Parameters<KeyVaultStandIn['inject']>[0] = () => undefined;
  let calls: Call[] = [];
  const access = new Access();
  const certificates = new Certificates(() => now(), selfTakesLooks);
  const vault = { certificates, keys: new Keys(certificates, () => now()), secrets: new Secrets(() => now()), pageSize };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const principal = access.principal(request.headers.authorization);
    if ('status' in principal) return send(response, principal);
    const asked = await askedOf(request);
    const route = routeOf(asked);
    const call = { method: asked.method, path: `/${asked.segments.join('/')}`, action: route?.action ?? '' };
    const injected = fault(call, calls.length);
    calls.push(call);
    if (injected === 'reset') return void response.destroy();
    if (typeof injected === 'object') return send(response, faultAnswer(injected));
    if (!route) throw new Problem(404, 'NotFound', `${call.method} ${call.path} is not part of this stand-in.`);
    if (!API_VERSIONS.includes(asked.query.get('api-version') ?? ''))
      throw new Problem(400, 'BadParameter', 'The specified version () is not recognized. Consider using the latest supported version.');
    access.check(principal, route.action, asked.segments.slice(0, 2).join('/'));
    const answer = await perform(vault, route, asked);
    if (injected === 'lost') return void response.destroy();
    if (injected === 'silent') return;
    send(response, answer);
  };

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (!(error instanceof Problem)) console.error(error);
      send(
        response,
        error instanceof Problem ? error.answer : { status: 500, body: { error: { code: 'InternalServerError', message: '' } } },
      );
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    credential: (...roles) => access.credential(roles.length === 0 ? ['Key Vault Administrator'] : roles),
    inject: (next) => {
      fault = next;
      calls = [];
      return { calls };
    },
    setClock: (at) => {
      now = () => at;
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function askedOf(request: IncomingMessage): Promise<Asked> {
  const base = `http://${request.headers.host}`;
  const url = new URL(request.url ?? '/', base);
  const segments = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
  const hasBody = Number(request.headers['content-length'] ?? 0) > 0 || request.headers['transfer-encoding'] !== undefined;
  return { method: request.method ?? '', segments, query: url.searchParams, body: hasBody ? await json(request) : undefined, base };
}

function faultAnswer({ status, retryAfter, code = status === 429 ? 'Throttled' : 'ServiceUnavailable' }: Exclude<Fault, string>): Answer {
  const headers = retryAfter === undefined ? {} : { 'retry-after': retryAfter };
  return { status, headers, body: { error: { code, message: `The stand-in was told to answer ${status}.` } } };
}

function send(response: ServerResponse, { status, body, headers }: Answer): void {
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'x-ms-keyvault-service-version': 'stand-in',
    ...headers,
  });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}
