/**
 * Stands between the SDK and the Cosmos DB stand-in and gives, when asked to, the answers that the stand-in never gives:
 * throttling, sub-statuses, a connection that breaks after the write was done. Everything else it passes on unchanged.
 */

import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { CosmosEmulator } from './start.ts';

/** `lost`: the stand-in does the work and the connection breaks before its answer arrives. */
export type Fault = { readonly status: number; readonly headers?: Record<string, string>; readonly body?: unknown } | 'lost';

export interface FaultyCosmos extends CosmosEmulator {
  /** From now on, requests for which `fault` answers one get that; `requests` counts those since. */
  readonly inject: (fault: (request: { method: string; path: string; batch: boolean }) => Fault | undefined) => { requests: number };
}

export async function startFaultyCosmos(emulator: CosmosEmulator): Promise<FaultyCosmos> {
  let fault: Parameters<FaultyCosmos['inject']>[0] = () => undefined;
  let count = { requests: 0 };
  const server = createServer(async (request, response) => {
    const injected = fault({
      method: request.method ?? '',
      path: request.url ?? '',
      batch: request.headers['x-ms-cosmos-is-batch-request'] !== undefined,
    });
    if (injected !== undefined) {
      count.requests += 1;
    }
    if (injected !== undefined && injected !== 'lost') {
      response.writeHead(injected.status, { 'content-type': 'application/json', ...injected.headers });
      response.end(JSON.stringify(injected.body ?? {}));
      return;
    }
    const answer = await forward(request, emulator.endpoint);
    if (injected === 'lost') {
      response.destroy();
      return;
    }
    // The account says where to write to, so it has to say here.
    const text = (await answer.text()).replaceAll(new URL(emulator.endpoint).host, request.headers.host ?? '');
    const headers = [...answer.headers].filter(([name]) => name !== 'content-length');
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

async function forward(request: IncomingMessage, endpoint: string): Promise<Response> {
  const headers = Object.entries(request.headers).flatMap(([name, value]): [string, string][] =>
    typeof value === 'string' && !['host', 'connection', 'content-length', 'transfer-encoding', 'expect'].includes(name)
      ? [[name, value]]
      : [],
  );
  const body = await buffer(request);
  return fetch(new URL(request.url ?? '/', endpoint), { method: request.method ?? 'GET', headers, ...(body.length > 0 ? { body } : {}) });
}
