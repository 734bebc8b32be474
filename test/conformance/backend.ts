/** A workload of a test: answers with its version, counts what reaches it, and misbehaves when told to. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { LOOPBACK, type Running, stopping } from './process.ts';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Behaviour {
  readonly status?: number;
  readonly delayMs?: number;
}

export interface Backend extends Running {
  readonly version: string;
  readonly address: string;
  readonly port: number;
  /** In the order in which they came; may be emptied. */
  readonly received: Received[];
  /** How it answers from now on; 200 at once unless said. */
  behave: (request: Received) => Behaviour;
}

/** On a free port unless one is given. The answer has the header `x-version` and the version as its body. */
export async function startBackend(version: string, address = LOOPBACK, port = 0): Promise<Backend> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const got = { method: request.method ?? '', path: request.url ?? '', headers: request.headers };
    received.push(got);
    const { status = 200, delayMs = 0 } = backend.behave(got);
    const answer = () => response.writeHead(status, { 'x-version': version }).end(version);
    if (delayMs === 0) answer();
    else setTimeout(answer, delayMs).unref();
  });
  server.listen(port, address);
  await once(server, 'listening');
  const at = server.address();
  if (at === null || typeof at === 'string') throw new Error('The backend is not bound to a port.');
  const running = stopping(async () => {
    server.closeAllConnections();
    await once(server.close(), 'close');
  });
  const backend: Backend = { version, address, port: at.port, received, behave: () => ({}), ...running };
  return backend;
}
