/** The HTTP door of the xds server: who may ask, what is taken, and what whoever sends something else is told. */
import { once } from 'node:events';
import { request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { openRegistrationDoor } from '../../src/xds/registration-door.ts';
import type { RegistryCommand } from '../../src/xds/registry.ts';

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo();
});

interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

async function opened(take: (commands: readonly RegistryCommand[]) => Promise<void> = async () => {}) {
  const registered: unknown[] = [];
  const poked: string[] = [];
  const reported: unknown[] = [];
  const server = await openRegistrationDoor({
    host: '127.0.0.1',
    port: 0,
    nodeToken: 'nodes',
    async register(mesh, dataPlane, commands) {
      await take(commands);
      registered.push([mesh, dataPlane, ...commands]);
    },
    async identify(mesh, dataPlane, report) {
      reported.push([mesh, dataPlane, report]);
      return report.node === 'one-too-many' ? undefined : told;
    },
    poke: (mesh) => poked.push(mesh),
    health: () => ({ status: 'ok' }),
  });
  cleanUp.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not bound to a port');
  const { port } = address;
  /** Not by `fetch`, which lets nobody choose a Host. */
  async function ask({ method = 'POST', path, headers = {}, body = '' }: Asked) {
    const sent = request({ host: '127.0.0.1', port, method, path, headers, agent: false }).end(body);
    const [response] = await once(sent, 'response');
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    return { status: Number(response.statusCode), answer: JSON.parse(text) };
  }
  return { port, registered, reported, poked, ask };
}

const endpoint = { service: 'catalog', version: 'v1', address: '10.0.0.1', port: 15_006 };
const registration = { mesh: 'shop', dataPlane: 'vms', leaseMs: 30_000, endpoints: [endpoint], gone: [{ address: '10.0.0.2', port: 1 }] };
const told = { revision: 7, signer: 'd'.repeat(64), renewWithinMs: 10_000, reportEveryMs: 1_000 };
const signed = { authorization: 'Bearer nodes' };
const asked = { path: '/endpoints', headers: signed, body: JSON.stringify(registration) };

describe('a registration', () => {
  it('takes away who is gone, then registers or renews the rest', async () => {
    const { ask, registered } = await opened();
    expect(await ask(asked)).toEqual({ status: 200, answer: { registered: 1 } });
    const more = { ...endpoint, region: 'westeurope', mtls: true };
    await ask({ ...asked, body: JSON.stringify({ ...registration, gone: [], endpoints: [more] }) });
    expect(registered.pop()).toEqual(['shop', 'vms', { kind: 'register', endpoint: more, leaseMs: 30_000, ready: true }]);
    expect(registered).toEqual([
      [
        'shop',
        'vms',
        { kind: 'deregister', address: { address: '10.0.0.2', port: 1 } },
        { kind: 'register', endpoint, leaseMs: 30_000, ready: true },
      ],
    ]);
  });

  it.each([
    ['no token', {}],
    ['another token', { authorization: 'Bearer other' }],
  ])('with %s is refused', async (_, headers) => {
    const { ask, registered } = await opened();
    expect(await ask({ ...asked, headers })).toMatchObject({ status: 401, answer: { reason: 'NotAuthenticated' } });
    expect(registered).toEqual([]);
  });

  it.each([
    ['no JSON', 'endpoints'],
    ['a name instead of an address', JSON.stringify({ ...registration, endpoints: [{ ...endpoint, address: 'catalog' }] })],
    ['a lease longer than the longest', JSON.stringify({ ...registration, leaseMs: 3_600_000 })],
  ])('with %s is told what is wrong', async (_, body) => {
    const { ask, registered } = await opened();
    expect(await ask({ ...asked, body })).toMatchObject({ status: 400, answer: { reason: 'NotARegistration' } });
    expect(registered).toEqual([]);
  });

  it('of more than a mebibyte is refused', async () => {
    const { ask } = await opened();
    expect(await ask({ ...asked, body: `"${'x'.repeat(8 * 1024 * 1024)}"` })).toMatchObject({ status: 413 });
  });

  it('that could not be stored is to be sent again', async () => {
    const { ask } = await opened(() => Promise.reject(new Error('the store is away')));
    expect(await ask(asked)).toMatchObject({ status: 503, answer: { reason: 'TemporaryFault' } });
  });
});

describe('a report of what a proxy has loaded', () => {
  const root = 'a'.repeat(64);
  const leaf = { fingerprint: 'b'.repeat(64), issuer: 'c'.repeat(64), notAfter: 1_800_000_000_000 };
  const report = {
    mesh: 'shop',
    dataPlane: 'vms',
    node: 'web-1',
    identity: 'spiffe://mesh.example/ns/shop/sa/web',
    loaded: { roots: [root], leaf },
  };
  const reporting = { path: '/identities', headers: signed, body: JSON.stringify(report) };

  it('is taken, and told who signs', async () => {
    const { ask, reported } = await opened();
    expect(await ask(reporting)).toEqual({ status: 200, answer: told });
    const bare = { mesh: 'shop', dataPlane: 'vms', node: 'web-2', loaded: { roots: [] }, trouble: 'Envoy refused an update.' };
    expect(await ask({ ...reporting, body: JSON.stringify(bare) })).toMatchObject({ status: 200 });
    const { mesh: _mesh, dataPlane: _dataPlane, ...rest } = report;
    const { mesh: _, dataPlane: __, ...bareRest } = bare;
    expect(reported).toEqual([
      ['shop', 'vms', rest],
      ['shop', 'vms', bareRest],
    ]);
  });

  it.each([
    ['without a token', 401, 'NotAuthenticated', { ...reporting, headers: {} }],
    [
      'of a fingerprint that is none',
      400,
      'NotAReport',
      { ...reporting, body: JSON.stringify({ ...report, loaded: { roots: ['AA:BB'] } }) },
    ],
    [
      'of more roots than a bundle has',
      400,
      'NotAReport',
      { ...reporting, body: JSON.stringify({ ...report, loaded: { roots: Array(33).fill(root) } }) },
    ],
    [
      'of a leaf that ends later than a certificate can',
      400,
      'NotAReport',
      { ...reporting, body: JSON.stringify({ ...report, loaded: { roots: [root], leaf: { ...leaf, notAfter: Date.UTC(10_000, 0) } } }) },
    ],
    ['of an identity that is none', 400, 'NotAReport', { ...reporting, body: JSON.stringify({ ...report, identity: 'web' }) }],
  ])('%s is refused', async (_, status, reason, asking) => {
    const { ask, reported } = await opened();
    expect(await ask(asking)).toMatchObject({ status, answer: { reason } });
    expect(reported).toEqual([]);
  });

  it('of one node too many is not kept, and says so', async () => {
    const { ask } = await opened();
    const body = JSON.stringify({ ...report, node: 'one-too-many' });
    expect(await ask({ ...reporting, body })).toMatchObject({ status: 429, answer: { reason: 'TooManyNodes' } });
  });
});

describe('a poke', () => {
  it('needs no token, and names a mesh', async () => {
    const { ask, poked } = await opened();
    expect(await ask({ path: '/poke/my%20shop/7' })).toEqual({ status: 202, answer: {} });
    expect(poked).toEqual(['my shop']);
  });

  it.each(['/poke/%zz', '/poke/%'])('at %s is malformed, and no fault of the store', async (path) => {
    const { ask, poked } = await opened();
    expect(await ask({ path })).toMatchObject({ status: 400, answer: { reason: 'MalformedTarget' } });
    expect(poked).toEqual([]);
  });
});

describe('a page of another site', () => {
  it.each([
    ['Host', { host: 'evil.example' }, 'UnknownHost'],
    ['Origin', { origin: 'http://evil.example' }, 'ForeignOrigin'],
  ])('is known by its %s, and refused whatever it asks', async (_, headers, reason) => {
    const { ask, registered, poked } = await opened();
    for (const one of [
      { ...asked, headers: { ...signed, ...headers } },
      { path: '/poke/shop', headers },
      { method: 'GET', path: '/health', headers },
    ])
      expect(await ask(one)).toMatchObject({ status: 403, answer: { reason } });
    expect([registered, poked]).toEqual([[], []]);
  });

  it('is not whoever calls the door localhost', async () => {
    const { ask, port } = await opened();
    expect(await ask({ method: 'GET', path: '/health', headers: { host: `localhost:${port}` } })).toEqual({
      status: 200,
      answer: { status: 'ok' },
    });
  });
});

it('answers 404 to everything else', async () => {
  const { ask } = await opened();
  for (const path of ['/', '/elsewhere', '//']) expect(await ask({ path })).toMatchObject({ status: 404 });
});
