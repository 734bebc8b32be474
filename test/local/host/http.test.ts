/** Where the host listens, and where it does not. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type HttpServer, listen } from '../../../src/local/host/http.ts';

const open = (port: number) => listen(port, async () => ({ status: 200, headers: {}, body: 'ok' }), console.error);

describe('the host', () => {
  let server: HttpServer;
  beforeAll(async () => {
    server = await open(0);
  });
  afterAll(() => server.close());

  it('listens on 127.0.0.1', async () => {
    expect(await (await fetch(`http://127.0.0.1:${server.port}`)).text()).toBe('ok');
  });

  it.each(['127.0.0.2', '::1'])('does not listen on %s', async (address) => {
    const socket = connect(server.port, address);
    await expect(once(socket, 'connect').finally(() => socket.destroy())).rejects.toThrow();
  });

  it('says so when its port is taken', async () => {
    await expect(open(server.port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});
