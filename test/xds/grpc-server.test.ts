/** The gRPC method as the ADS server uses it: what a handler is told, and what a client hears of an end. */
import { once } from 'node:events';
import { Client, credentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { type GrpcHandler, type GrpcServer, type GrpcStream, startGrpcServer } from '../../src/xds/grpc-server.ts';

const path = '/test.Service/Echo';
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo();
});

async function start(open: (stream: GrpcStream) => GrpcHandler | undefined): Promise<GrpcServer> {
  const server = await startGrpcServer({ address: { host: '127.0.0.1', port: 0 }, methods: [{ path, open }], maxMessageBytes: 1000 });
  cleanUp.push(() => server.stop());
  return server;
}

const echo = (stream: GrpcStream): GrpcHandler => ({ message: (bytes) => stream.send(bytes), closed: () => {} });

function call(port: number, method = path) {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  cleanUp.push(() => client.close());
  const stream = client.makeBidiStreamRequest<Buffer, Buffer>(
    method,
    (bytes) => bytes,
    (bytes) => bytes,
  );
  return stream;
}

async function failure(stream: ReturnType<typeof call>): Promise<{ code: number; details: string }> {
  stream.on('data', () => {});
  const [error] = await once(stream, 'error');
  return { code: error.code, details: error.details };
}

describe('the gRPC server', () => {
  it('carries messages of any size both ways, in order, and ends well when the client does', async () => {
    const server = await start(echo);
    const stream = call(server.port);
    const sent = [0, 1, 999, 1000, 5].map((size) => Buffer.alloc(size, size % 251));
    for (const one of sent) stream.write(one);
    stream.end();
    const received: Buffer[] = [];
    stream.on('data', (bytes: Buffer) => received.push(bytes));
    const [status] = await once(stream, 'status');
    expect(status.code).toBe(0);
    expect(received).toEqual(sent);
  });

  it('refuses in one sentence, before and after it has sent something', async () => {
    const early = await start((stream) => {
      stream.end(16, 'Nicht für "dich" – 100 %.');
      return undefined;
    });
    expect(await failure(call(early.port))).toEqual({ code: 16, details: 'Nicht für "dich" – 100 %.' });
    const late = await start((stream) => ({
      message(bytes) {
        stream.send(bytes);
        stream.end(3, 'Enough.');
        stream.send(bytes);
      },
      closed: () => {},
    }));
    const stream = call(late.port);
    stream.write(Buffer.from('x'));
    expect(await failure(stream)).toEqual({ code: 3, details: 'Enough.' });
  });

  it('knows one method only', async () => {
    const server = await start(echo);
    expect(await failure(call(server.port, '/test.Service/Other'))).toMatchObject({ code: 12 });
  });

  it('ends a stream whose message is too long', async () => {
    const server = await start(echo);
    const tooLong = call(server.port);
    tooLong.write(Buffer.alloc(1001));
    expect(await failure(tooLong)).toMatchObject({ code: 8 });
  });

  it('says once that a stream is gone, however it went', async () => {
    let closed = 0;
    let opened = Promise.withResolvers<void>();
    let left = Promise.withResolvers<void>();
    const server = await start(() => ({
      message: () => opened.resolve(),
      closed() {
        closed += 1;
        left.resolve();
      },
    }));
    for (const leave of [(one: ReturnType<typeof call>) => one.cancel(), (one: ReturnType<typeof call>) => one.end()]) {
      const stream = call(server.port).on('error', () => {});
      stream.on('data', () => {});
      stream.write(Buffer.from('x'));
      await opened.promise;
      leave(stream);
      await left.promise;
      opened = Promise.withResolvers<void>();
      left = Promise.withResolvers<void>();
    }
    expect(closed).toBe(2);
  });

  it('says that an address is taken', async () => {
    const { port } = await start(echo);
    const second = startGrpcServer({ address: { host: '127.0.0.1', port }, methods: [{ path, open: echo }], maxMessageBytes: 1 });
    await expect(second).rejects.toThrow(/EADDRINUSE|No address added/);
  });
});
