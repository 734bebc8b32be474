/** A TCP relay that can hold back what clients say: a proxy behind it hears of everything and is not heard. */
import { connect, createServer, type Socket } from 'node:net';
import { LOOPBACK, type Running, stopping } from './process.ts';

export interface Relay extends Running {
  readonly port: number;
  hold(): void;
  release(): void;
}

export async function startRelay(target: number): Promise<Relay> {
  const clients = new Set<Socket>();
  let held = false;
  const server = createServer((client) => {
    const upstream = connect(target, LOOPBACK);
    clients.add(client);
    upstream.pipe(client);
    client.on('data', (data) => upstream.write(data));
    if (held) client.pause();
    for (const [one, other] of [[client, upstream] as const, [upstream, client] as const]) {
      one.on('error', () => other.destroy()).on('close', () => other.destroy());
    }
    client.on('close', () => clients.delete(client));
  });
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    hold() {
      held = true;
      for (const client of clients) client.pause();
    },
    release() {
      held = false;
      for (const client of clients) client.resume();
    },
    ...stopping(async () => {
      for (const client of clients) client.destroy();
      await new Promise((resolve) => server.close(resolve));
    }),
  };
}
