/**
 * What stands behind Envoys in these tests, and who calls through them: workloads that do what a request tells them to and
 * remember what reached them, and requests over connections of their own.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { constants, createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo, Server as NetServer } from 'node:net';

export const LOOPBACK = '127.0.0.1';

/** What has reached a workload. */
export interface Received {
  readonly path: string;
  readonly host: string;
  readonly headers: IncomingMessage['headers'];
  readonly httpVersion: string;
  /** The caller's end of the connection. */
  readonly connection: number;
}

export interface Workload {
  readonly port: number;
  readonly received: readonly Received[];
  /** Lets go of every request that was told to wait. */
  release(): void;
  stop(): Promise<void>;
}

/**
 * Answers with `name`. A request's header `x-do` tells it what to do at its first, second ... try, the last for all that
 * follow: a status, `reset`, `refuse` (an HTTP/2 stream), `late` (after 400 ms), `echo` (what comes, as it comes) or `wait` (until
 * `release`). Tries are those of one host and path.
 */
export async function startWorkload(name: string, options: { http2?: boolean; always?: string } = {}): Promise<Workload> {
  const received: Received[] = [];
  const tries = new Map<string, number>();
  let waiting: (() => void)[] = [];

  function handle(incoming: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): void {
    const path = incoming.url ?? '';
    const { headers, httpVersion, socket } = incoming;
    const host = headers.host ?? String(headers[':authority'] ?? '');
    received.push({ path, host, headers, httpVersion, connection: socket.remotePort ?? 0 });
    const told = (options.always ?? String(headers['x-do'] ?? '200')).split(',');
    const before = tries.get(host + path) ?? 0;
    tries.set(host + path, before + 1);
    const what = told[Math.min(before, told.length - 1)] ?? '200';
    const answer = (status = 200) => {
      response.statusCode = status;
      response.end(name);
    };
    if (what === 'reset') socket.destroy();
    else if (what === 'refuse') {
      if ('stream' in response) response.stream.close(constants.NGHTTP2_REFUSED_STREAM);
    } else if (what === 'late') setTimeout(answer, 400).unref();
    else if (what === 'echo') incoming.pipe(response);
    else if (what === 'wait') waiting.push(answer);
    else answer(Number(what));
  }

  const server: NetServer = options.http2 ? createHttp2Server(handle) : createServer(handle);
  const open = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  await once(server.listen(0, LOOPBACK), 'listening');
  return {
    port: portOf(server),
    received,
    release() {
      for (const go of waiting) go();
      waiting = [];
    },
    async stop() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

function portOf(server: NetServer): number {
  const at: AddressInfo | string | null = server.address();
  if (typeof at !== 'object' || at === null) throw new Error('the server has no port');
  return at.port;
}

export interface Call {
  readonly port: number;
  readonly host: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Over a connection of its own. Rejects when there is no answer. */
export async function call({ port, host, path = '/', method = 'GET', headers = {} }: Call): Promise<Answer> {
  const sent = request({ host: LOOPBACK, port, path, method, headers: { host, ...headers }, agent: false }).end();
  const [response]: IncomingMessage[] = await once(sent, 'response');
  if (response === undefined) throw new Error('no response');
  let body = '';
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode ?? 0, body };
}
