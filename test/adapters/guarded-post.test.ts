/** Where a request goes whose address somebody else chose: to the public address that was looked at, or nowhere. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ForbiddenAddress, guarded, guardedPost, isPublic, type Resolved } from '../../src/adapters/guarded-post.ts';

describe('an address', () => {
  it.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.254',
    '168.63.129.16',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:10.0.0.1',
    '::ffff:20.0.0.1',
    '64:ff9b::a00:1',
    '2001::1',
    '2001:db8::1',
    '2002:a00:1::',
    'fc00::1',
    'fd12:3456::1',
    'fe80::1',
    'ff02::1',
    'no address',
  ])('is not public: %s', (address) => {
    expect(isPublic(address)).toBe(false);
  });

  it.each(['20.50.1.1', '172.32.0.1', '172.15.255.255', '100.128.0.1', '11.0.0.1', '223.255.255.255', '2603:1030::1', '2a00:1450::1'])(
    'is public: %s',
    (address) => {
      expect(isPublic(address)).toBe(true);
    },
  );
});

describe('a host', () => {
  const guard = { hosts: ['.logic.azure.com', 'hook.example'], loopback: false };

  it.each(['https://a.logic.azure.com/x', 'https://a.b.logic.azure.com:443/x', 'https://HOOK.example/x'])('is in the list: %s', (url) => {
    expect(guarded(url, guard)?.protocol).toBe('https:');
  });

  it.each([
    'https://logic.azure.com/x',
    'https://alogic.azure.com/x',
    'https://a.hook.example/x',
    'https://hook.example:8443/x',
    'http://hook.example/x',
    'https://hook.example@evil.example/',
    'https://hook.example./x',
  ])('is not: %s', (url) => {
    expect(guarded(url, guard)).toBeUndefined();
  });
});

describe('a request', () => {
  let server: Server;
  let port: number;
  let asked: string[];
  beforeEach(async () => {
    asked = [];
    server = createServer((request, response) => {
      asked.push(`${request.headers.host} ${request.url}`);
      if (request.url === '/elsewhere') response.writeHead(302, { location: '/here' }).end();
      else response.writeHead(200, { 'retry-after': '7' }).end('x'.repeat(20_000));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const at = server.address();
    port = typeof at === 'object' && at ? at.port : 0;
  });
  afterEach(() => {
    server.close();
    server.closeAllConnections();
  });

  const here = [{ address: '127.0.0.1', family: 4 }];
  const guard = (answers: readonly (readonly Resolved[])[], loopback = false) => {
    const left = [...answers];
    return {
      hosts: ['.example'],
      loopback,
      resolve: async () => {
        const [next] = left.splice(0, 1);
        if (!next) throw new Error('it was asked once more');
        return next;
      },
    };
  };
  const post = (host: string, path: string, given: ReturnType<typeof guard>) =>
    guardedPost(new URL(`http://${host}:${port}${path}`), '{}', given, 5_000);

  it('goes to the address that was looked at, which is asked for once', async () => {
    const posted = await post('localhost', '/x', guard([here], true));
    expect(posted).toEqual({ status: 200, retryAfter: '7', body: 'x'.repeat(8 * 1024) });
    expect(asked).toEqual([`localhost:${port} /x`]);
  });

  it.each<readonly [string, readonly Resolved[]]>([
    ['this machine', here],
    ['this machine, in version 6', [{ address: '::1', family: 6 }]],
    ['the metadata of the machine', [{ address: '169.254.169.254', family: 4 }]],
    ['a public address and a private one', [{ address: '20.50.1.1', family: 4 }, ...here]],
    ['nothing', []],
  ])('goes nowhere when its name leads to %s', async (_what, found) => {
    await expect(post('hook.example', '/x', guard([found]))).rejects.toBeInstanceOf(ForbiddenAddress);
    // What is allowed on this machine is its own names, and not that others lead to it.
    await expect(post('hook.example', '/x', guard([found], true))).rejects.toBeInstanceOf(ForbiddenAddress);
    expect(asked).toEqual([]);
  });

  it('follows nobody elsewhere', async () => {
    expect(await post('localhost', '/elsewhere', guard([here], true))).toMatchObject({ status: 302 });
    expect(asked).toHaveLength(1);
  });
});
