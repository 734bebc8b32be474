/**
 * Stands between the SDK and the Cosmos DB stand-in and gives, when asked to, the answers that the stand-in never gives:
 * throttling, sub-statuses, a connection that breaks after the write was done. Everything else it passes on unchanged.
 */

import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { CosmosEmulator } from './start.ts';

export type Fault =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: unknown }
  /** The connection breaks before the stand-in has heard of it. */
  | 'reset'
  /** The stand-in does the work and the connection breaks before its answer arrives. */
  | 'lost'
  /** It does the work, and its answer breaks off. */
  | 'cut'
  /** Taken and never answered, as by a connection that is open at one end only. */
  | 'silent';

export interface CosmosRequest {
  readonly method: string;
  readonly path: string;
  readonly batch: boolean;
  readonly body: string;
}

export interface FaultyCosmos extends CosmosEmulator {
  /** From now on, requests for which `fault` answers one get that; `requests` counts those since. */
  readonly inject: (fault: (request: CosmosRequest) => Fault | undefined) => { requests: number };
}

export async function startFaultyCosmos(emulator: CosmosEmulator): Promise<FaultyCosmos> {
  let fault: Parameters<FaultyCosmos['inject']>[0] = () => undefined;
  let count = { requests: 0 };
  const server = createServer(async (request, response) => {
    const body = await buffer(request);
    const injected = fault({
      method: request.method ?? '',
      path: request.url ?? '',
      batch: request.headers['x-ms-cosmos-is-batch-request'] !== undefined,
      body: body.toString(),
    });
    if (injected !== undefined) {
      count.requests += 1;
    }
    if (typeof injected === 'object') {
      response.writeHead(injected.status, { 'content-type': 'application/json', ...injected.headers });
      response.end(injected.body === '' ? '' : JSON.stringify(injected.body ?? {}));
      return;
    }
    if (injected === 'silent') return;
    if (injected === 'reset') {
      response.destroy();
      return;
    }
    const answer = await forward(request, body, emulator.endpoint);
    // The account says where to write to, so it has to say here.
    const text = (await answer.text()).replaceAll(new URL(emulator.endpoint).host, request.headers.host ?? '');
    if (injected === 'lost') {
      response.destroy();
      return;
    }
    const headers = [...answer.headers].filter(([name]) => name !== 'content-length');
    if (injected === 'cut') {
      response.writeHead(answer.status, { ...Object.fromEntries(headers), 'content-length': Buffer.byteLength(text) + 1 });
      response.write(text.slice(0, -1), () => response.destroy());
      return;
    }
    response.writeHead(answer.status, Object.fromEntries(headers));
    response.end(text);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    endpoint: `http://127.0.0.1:${port}/`,
    inject: (next) => {
      fault = next;
      count = { requests: 0 };
      return count;
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function forward(request: IncomingMessage, body: Buffer, endpoint: string): Promise<Response> {
  const headers = Object.entries(request.headers).flatMap(([name, value]): [string, string][] =>
    typeof value === 'string' && !['host', 'connection', 'content-length', 'transfer-encoding', 'expect'].includes(name)
      ? [[name, value]]
      : [],
  );
  return fetch(new URL(request.url ?? '/', endpoint), {
    method: request.method ?? 'GET',
    headers,
    ...(body.length > 0 ? { body: new Uint8Array(body) } : {}),
  });
}
