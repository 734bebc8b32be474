/** What an answer of Consul means: to be tried again, refused in its words, or simply not there. Its words are those of Consul 1.22. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { consulOf } from '../../src/adapters/consul-data-plane.ts';
import { consulOverHttp } from '../../src/adapters/consul-http.ts';
import { ConsulUnavailable } from '../../src/dataplanes/consul/server.ts';

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0)) await step();
});

async function answering(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(handle).listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(async () => {
    server.closeAllConnections();
    await once(server.close(), 'close');
  });
  const at = server.address();
  return `http://127.0.0.1:${typeof at === 'object' ? at?.port : 0}`;
}

const answeringWith = (status: number, body: string): Promise<string> =>
  answering((_request, response) => response.writeHead(status).end(body));
const write = async (status: number, body: string) =>
  consulOverHttp({ address: await answeringWith(status, body) }).write({ Kind: 'x' }, 0);

describe('a write', () => {
  it.each([
    [429, 'rate limit exceeded for operation, try again later or on a different server'],
    [503, 'service unavailable'],
    [500, 'No cluster leader'],
    [500, 'rpc error making call: node is not the leader'],
    [500, 'leadership lost while committing log'],
    [500, 'No known Consul servers'],
    [500, 'rpc error getting client: failed to get conn: dial tcp 10.0.0.1:8300: i/o timeout'],
    [500, 'rpc error making call: EOF'],
    [500, 'raft apply failed: timed out enqueuing operation'],
  ])('is to be tried again after %i %s', async (status, body) => {
    await expect(write(status, body)).rejects.toThrow(ConsulUnavailable);
    await expect(write(status, body)).rejects.toThrow(body);
  });

  it.each([
    [400, 'Request decoding failed: 1 error occurred:\n\t* invalid config key "Surprise"\n\n'],
    [403, "Permission denied: token with AccessorID 'a' lacks permission 'service:write' on \"catalog\""],
    [500, 'the sum of all split weights must be 100, not 80.000000'],
    [500, 'Route[0] Methods contains an invalid method "PURGE"'],
  ])('is refused, in its words, by %i %s', async (status, body) => {
    expect(await write(status, body)).toEqual({
      kind: 'refused',
      message: `Consul answered ${status}: ${body.trim().replace(/\s+/g, ' ')}`,
    });
  });

  it('has moved when the answer is `false`', async () => {
    expect(await write(200, 'false')).toEqual({ kind: 'moved' });
    expect(await write(200, 'true\n')).toEqual({ kind: 'written' });
  });
});

describe('Consul that is not there', () => {
  it.each(['<html>Sign in</html>', 'null', '[]', '{"Chain":7}'])('is to be tried again: something else answers %s', async (body) => {
    const consul = consulOverHttp({ address: await answeringWith(200, body) });
    for (const call of [() => consul.read('x', 'y'), () => consul.chain('x'), () => consul.write({ Kind: 'x' }, 0)]) {
      await expect(call()).rejects.toBeInstanceOf(ConsulUnavailable);
      await expect(call()).rejects.toThrow('not as Consul does');
    }
  });

  it('is to be tried again: nobody listens, nobody answers, somebody hangs up', async () => {
    const silent = await answering(() => undefined);
    await expect(consulOverHttp({ address: silent }, 50).read('service-router', 'a')).rejects.toThrow(
      `Consul at ${silent} gave no answer: none in 50 ms.`,
    );
    const rude = await answering((request) => request.socket.destroy());
    await expect(consulOverHttp({ address: rude }).read('service-router', 'a')).rejects.toThrow(ConsulUnavailable);
    for (const step of undo.splice(0)) await step();
    await expect(consulOverHttp({ address: rude }).read('service-router', 'a')).rejects.toThrow(/ECONNREFUSED/);
  });

  it('has its time beside what it is asked to wait', async () => {
    const slow = await answering((request, response) => {
      const wait = /wait=(\d+)ms/.exec(request.url ?? '')?.[1];
      setTimeout(() => response.writeHead(500).end('weighed and found wanting'), Number(wait));
    });
    const waited = await consulOverHttp({ address: slow }, 1_000).chain('catalog', { index: 7, waitMs: 1_500 });
    expect(waited).toEqual({ kind: 'refused', message: 'Consul answered 500: weighed and found wanting' });
  });
});

describe('the token', () => {
  it('is sent with each call, and asked for anew', async () => {
    const seen: unknown[] = [];
    const address = await answering((request, response) => {
      seen.push(request.headers['x-consul-token']);
      response.writeHead(404).end();
    });
    let calls = 0;
    const consul = consulOverHttp({ address, token: () => `secret-${++calls}` });
    await consul.read('service-router', 'a');
    await consul.read('service-router', 'a');
    await consulOverHttp({ address }).read('service-router', 'a');
    expect(seen).toEqual(['secret-1', 'secret-2', undefined]);
  });

  it('that its app setting does not hold yet is missed by name, and may come', async () => {
    const address = await answeringWith(200, '{"ModifyIndex": 3}');
    const spec = { kind: 'consul', name: 'vms', address, tokenSetting: 'CONSUL_TOKEN', defaultPolicy: 'deny', takeOver: false } as const;
    const nothingDecided = async () => 0;
    await expect(consulOf(spec, () => undefined, nothingDecided)?.readiness('shop', 'catalog', 0)).rejects.toThrow(
      'The app setting CONSUL_TOKEN that holds the token of vms is not set.',
    );
    expect(consulOf({ kind: 'consul', name: 'vms', defaultPolicy: 'deny', takeOver: false }, () => 'x', nothingDecided)).toBeUndefined();
  });
});
