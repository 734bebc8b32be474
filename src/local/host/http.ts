/**
 * The HTTP side of the host, on 127.0.0.1 only: who may ask at all (Host and Origin, against DNS rebinding and pages of
 * other sites), how much they may send, and the answer. HEAD and OPTIONS reach only functions that list them, as on
 * Azure. `authLevel` is not enforced: there are no function keys here, the app authenticates its callers itself.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { refuseStranger } from '../../api/stranger.ts';
import { problem, type Reply } from './problem.ts';

export const LARGEST_BODY_BYTES = 1024 * 1024;

export interface Received {
  readonly method: string;
  /** Absolute, as the client wrote it. */
  readonly url: string;
  /** The path of `url`, percent-encoded; `.` and `..` resolved. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names; repeated headers joined by commas. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Reads the body, at most once; undefined when it is over 1 MiB. */
  readonly body: () => Promise<Buffer | undefined>;
}

export interface HttpServer {
  readonly port: number;
  /** Accepts no new connection; resolves when the last open one has ended. */
  close(): Promise<void>;
  /** Cuts the connections that are still open. */
  cut(): void;
}

/**
 * Listens on 127.0.0.1. What `answer` throws is passed to `failed` and becomes a 500 without its details.
 *
 * @param port 0 takes a free one.
 * @throws Error with code EADDRINUSE when the port is taken.
 */
export async function listen(
  port: number,
  answer: (request: Received) => Promise<Reply>,
  failed: (error: unknown) => void,
): Promise<HttpServer> {
  const server = createServer((request, response) => {
    reply(request, answer)
      .catch((error) => {
        failed(error);
        return problem(500, 'InternalError', 'The request failed inside the server; its log says why.');
      })
      .then((result) => send(response, result, !server.listening))
      .catch(failed);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: boundPort(server),
    close: () => new Promise((resolve) => server.close(() => resolve())),
    cut: () => server.closeAllConnections(),
  };
}

function boundPort(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The HTTP server has no port.');
  return address.port;
}

async function reply(request: IncomingMessage, answer: (request: Received) => Promise<Reply>): Promise<Reply> {
  const refused = refuseStranger(request);
  if (refused) return problem(403, refused.reason, refused.message);
  if (!request.url?.startsWith('/')) return problem(400, 'MalformedTarget', 'Ask for a path that begins with a slash.');
  const origin = `http://${request.headers.host}`;
  const url = new URL(origin + request.url);
  return answer({
    method: request.method ?? 'GET',
    url: url.href,
    path: url.pathname,
    query: url.searchParams,
    headers: joinHeaders(request),
    body: () => readBody(request),
  });
}

function joinHeaders(request: IncomingMessage): Record<string, string | undefined> {
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(request.headers)) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  return headers;
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > LARGEST_BODY_BYTES) {
        // Not destroyed: a client that is still sending would lose the answer. Node throws the rest away.
        request.removeAllListeners('data').resume();
        resolve(undefined);
      } else {
        chunks.push(chunk);
      }
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('error', reject);
  });
}

function send(response: ServerResponse, { status, headers, body }: Reply, closing: boolean): void {
  const mayHaveBody = status !== 204 && status !== 304;
  response.writeHead(status, {
    ...headers,
    ...(mayHaveBody ? { 'content-length': String(Buffer.byteLength(body)) } : {}),
    ...(closing ? { connection: 'close' } : {}),
  });
  // Node itself sends no body in answer to HEAD, only its length.
  response.end(mayHaveBody ? body : undefined);
}
