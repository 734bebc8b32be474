/**
 * Carries TCP connections into and out of a network namespace over Unix sockets, which know no namespaces. One half runs in the test's
 * process, the other as a program inside: `node relay.ts <listen> <connect> …`, each `address:port` or the path of a socket.
 */
import { once } from 'node:events';
import { connect, createServer, type NetConnectOpts, type Socket } from 'node:net';
import { type Running, stopping } from './process.ts';

export type Spot = { readonly path: string } | { readonly host: string; readonly port: number };

/** Every connection to `from` becomes one to `to`; when one side ends, the other does. */
export async function relay(from: Spot, to: Spot): Promise<Running> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (incoming) => {
    const outgoing = connect({ ...to, allowHalfOpen: true } satisfies NetConnectOpts);
    for (const [socket, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      open.add(socket);
      socket.pipe(other);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        open.delete(socket);
        if (socket.errored || !socket.readableEnded) other.destroy();
      });
    }
  });
  // A workload may share its port with an Envoy that listens on all addresses: the more precise address is served first.
  server.listen({ ...from, ...('port' in from ? { reusePort: true } : {}) });
  await once(server, 'listening');
  return stopping(async () => {
    for (const socket of open) socket.destroy();
    await once(server.close(), 'close');
  });
}

function spot(text: string): Spot {
  if (text.startsWith('/')) return { path: text };
  const [host = '', port = ''] = text.split(':');
  return { host, port: Number(port) };
}

export const written = (at: Spot): string => ('path' in at ? at.path : `${at.host}:${at.port}`);

if (import.meta.main) {
  const [from = '', to = ''] = process.argv.slice(2);
  await relay(spot(from), spot(to));
  process.stdout.write('relaying\n');
}
