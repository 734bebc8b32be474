/**
 * Who may not ask a server that listens on this machine alone: a page of another site can reach 127.0.0.1 through the
 * browser (DNS rebinding), and its Host or its Origin gives it away.
 */
import type { IncomingMessage } from 'node:http';

export interface StrangerRefusal {
  readonly reason: 'UnknownHost' | 'ForeignOrigin';
  readonly message: string;
}

/** To be answered 403. */
export function refuseStranger(request: IncomingMessage): StrangerRefusal | undefined {
  const port = request.socket.localPort;
  const hosts = request.headersDistinct.host ?? [];
  const host = hosts[0]?.toLowerCase() ?? '';
  if (hosts.length !== 1 || !['127.0.0.1', 'localhost', '[::1]'].some((name) => host === `${name}:${port}`)) {
    return { reason: 'UnknownHost', message: `Ask this server by its own name, 127.0.0.1:${port} or localhost:${port}.` };
  }
  const { origin } = request.headers;
  if (origin !== undefined && origin.toLowerCase() !== `http://${host}`) {
    return { reason: 'ForeignOrigin', message: 'This server answers only its own pages and clients that are no browsers.' };
  }
  return undefined;
}
