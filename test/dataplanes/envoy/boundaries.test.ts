/** What a real Envoy does at the mesh's edges: outside hosts, a gateway's names, what a workload is told of its callers, and access logs. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { renderBootstrap } from '../../../src/dataplanes/envoy/bootstrap.ts';
import { renderNode, renderShared } from '../../../src/dataplanes/envoy/render.ts';
import type { EnvoyNode } from '../../../src/dataplanes/envoy/resources.ts';
import type { JsonObject } from '../../../src/journal/documents.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import { until } from '../../e2e/until.ts';
import { freePorts, type RunningEnvoy, realEnvoy, runEnvoy } from '../../real-envoy.ts';
import { type Authority, createAuthority, type Leaf, writeIdentity } from './identities.ts';
import { overTls } from './proving-mesh.ts';
import { plan } from './rendered.ts';
import { staticConfiguration } from './static-configuration.ts';
import { call, LOOPBACK, startWorkload, type Workload } from './workload.ts';

const envoy = await realEnvoy();
const DIRECTORY = 'identity';

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo();
});

async function workload(name: string): Promise<Workload> {
  const started = await startWorkload(name);
  cleanUp.push(started.stop);
  return started;
}

interface Ports {
  readonly outbound: number;
  readonly inbound: number;
  readonly gateway: number;
}

/** An Envoy that is caller, receiver and gateway at once, before `behind`. */
async function envoyWith(
  plans: readonly ServicePlan[],
  behind: Workload,
  identity?: EnvoyNode['identity'],
): Promise<Ports & { running: RunningEnvoy }> {
  const [outbound = 0, inbound = 0, gateway = 0] = await freePorts(3);
  const at = (port: number) => ({ address: LOOPBACK, port });
  const node: EnvoyNode = {
    id: 'n',
    mesh: 'sample',
    dataPlane: 'vms',
    outbound: at(outbound),
    inbound: { service: 'catalog', version: 'v1', ...at(inbound), workloadPort: behind.port },
    gateway: { name: 'public', namespace: 'edge', ...at(gateway) },
    ...(identity === undefined ? {} : { identity }),
  };
  const endpoints = plans.map(({ service }) => ({ service, version: 'v1', ...at(behind.port) }));
  const resources = [...renderShared(plans, endpoints, identity), ...renderNode(node, plans)];
  const configuration = staticConfiguration(renderBootstrap({ node, xds: at(1) }), resources);
  const running = await runEnvoy(envoy ?? '', configuration, [outbound, inbound, gateway]);
  cleanUp.push(running.stop);
  return { outbound, inbound, gateway, running };
}

describe.skipIf(envoy === undefined)('outside hosts', () => {
  it('are called by HTTP under their own names, with their port or without, and others are not', async () => {
    const outside = await workload('outside');
    const egress = [{ host: 'localhost', port: outside.port, protocol: 'http' as const }];
    const { outbound } = await envoyWith([plan({ egress })], await workload('catalog'));
    await until('the name is resolved', async () => (await call({ port: outbound, host: 'localhost' })).status === 200);
    expect(await call({ port: outbound, host: `localhost:${outside.port}`, path: '/a' })).toEqual({ status: 200, body: 'outside' });
    expect(outside.received.map(({ host, path }) => [host, path])).toContainEqual([`localhost:${outside.port}`, '/a']);
    expect((await call({ port: outbound, host: 'elsewhere.example' })).status).toBe(404);
  });

  it('are reached by CONNECT where they are called by TLS, port by port, and not in plaintext', async () => {
    const [one, other, third] = await Promise.all(['one', 'other', 'third'].map(workload));
    const egress = [one, other].map((each) => ({ host: 'localhost', port: each?.port ?? 0, protocol: 'tls' as const }));
    const { outbound } = await envoyWith([plan({ egress })], await workload('catalog'));
    await until('the name is resolved', async () => (await through(outbound, `localhost:${one?.port}`)).body === 'one');
    expect(await through(outbound, `localhost:${other?.port}`)).toEqual({ status: 200, body: 'other' });
    expect((await through(outbound, `localhost:${third?.port}`)).status).toBe(404);
    expect((await call({ port: outbound, host: `localhost:${one?.port}` })).status).toBe(404);
    // Nor is there a way through to services of the mesh.
    expect((await through(outbound, 'catalog:8080')).status).toBe(404);
  });
});

/** What a server says through a tunnel, which carries HTTP here as it would TLS. */
async function through(port: number, target: string): Promise<{ status: number; body: string }> {
  const asked = request({ host: LOOPBACK, port, method: 'CONNECT', path: target, agent: false }).end();
  const [response, socket]: [IncomingMessage, Socket] = await new Promise((resolve, reject) => {
    asked.on('connect', (answer, tunnel) => resolve([answer, tunnel]));
    asked.on('error', reject);
  });
  if (response.statusCode !== 200) {
    socket.destroy();
    return { status: response.statusCode ?? 0, body: '' };
  }
  const answered = request({ createConnection: () => socket, path: '/', headers: { host: target } }).end();
  const [answer] = await once(answered, 'response');
  let body = '';
  for await (const chunk of answer) body += chunk;
  socket.destroy();
  return { status: 200, body };
}

describe.skipIf(envoy === undefined)('a copy of a request', () => {
  it('is not waited for: where its cluster is missing, the request is answered all the same', async () => {
    const behind = await workload('v1');
    const [outbound = 0] = await freePorts(1);
    const at = (port: number) => ({ address: LOOPBACK, port });
    const node: EnvoyNode = { id: 'n', mesh: 'sample', dataPlane: 'vms', outbound: at(outbound) };
    const [route] = plan({}).routes;
    if (route === undefined) throw new Error('the plan has no route');
    const mirroring = plan({
      versions: ['v1', 'v2'].map((name) => ({ name, labels: { version: name } })),
      routes: [{ ...route, mirror: { version: 'v2', percent: 100 } }],
    });
    const shared = renderShared([mirroring], [{ service: 'catalog', version: 'v1', ...at(behind.port) }]);
    const resources = [...shared.filter(({ name }) => name !== 'catalog.shop|v2'), ...renderNode(node, [mirroring])];
    const configuration: JsonObject = JSON.parse(
      // As with routes that come over xDS.
      JSON.stringify(staticConfiguration(renderBootstrap({ node, xds: at(1) }), resources)).replace(
        '"validate_clusters":true',
        '"validate_clusters":false',
      ),
    );
    const running = await runEnvoy(envoy ?? '', configuration, [outbound]);
    cleanUp.push(running.stop);
    expect(await call({ port: outbound, host: 'catalog' })).toEqual({ status: 200, body: 'v1' });
  });
});

describe.skipIf(envoy === undefined)('a gateway', () => {
  const named = (service: string, host: string, name = 'public') =>
    plan({ service, ingress: [{ host, gateway: { name, namespace: 'edge' } }] });

  it('takes the names that services have at it, whatever the port, and no name inside the mesh', async () => {
    const plans = [named('catalog', 'catalog.example'), named('stock', 'stock.example', 'internal')];
    const { gateway, outbound } = await envoyWith(plans, await workload('catalog'));
    const status = async (host: string, port = gateway) => (await call({ port, host })).status;
    expect(await Promise.all(['catalog.example', 'catalog.example:8443', 'stock.example', 'catalog'].map((host) => status(host)))).toEqual([
      200, 200, 404, 404,
    ]);
    expect([await status('catalog', outbound), await status('catalog.example', outbound)]).toEqual([200, 404]);
  });

  it('gives a name that two services want to neither, and goes on with the rest', async () => {
    const plans = [named('catalog', 'both.example'), named('stock', 'both.example'), named('carts', 'carts.example')];
    const { gateway } = await envoyWith(plans, await workload('any'));
    expect((await call({ port: gateway, host: 'both.example' })).status).toBe(404);
    expect((await call({ port: gateway, host: 'carts.example' })).status).toBe(200);
  });
});

describe.skipIf(envoy === undefined)('a workload behind an Envoy with an identity', () => {
  let [folder, authority]: [string, Authority | undefined] = ['', undefined];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'meshwright-boundaries-'));
    authority = await createAuthority('mesh');
    await writeIdentity(join(folder, DIRECTORY), await issue('catalog'), [authority]);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const issue = (account: string): Promise<Leaf> => issuer().issue(`spiffe://mesh.example/ns/shop/sa/${account}`);
  function issuer(): Authority {
    if (authority === undefined) throw new Error('there is no authority');
    return authority;
  }
  const security = { trustDomain: 'mesh.example', serviceAccount: 'catalog' };
  const web = { namespace: 'shop', serviceAccount: 'web' };

  it('learns who calls from Envoy alone, by mTLS and in plaintext', async () => {
    const behind = await workload('catalog');
    const { inbound } = await envoyWith([plan({ security: { ...security, stage: 'permissive', allow: [] } })], behind, {
      directory: join(folder, DIRECTORY),
    });
    const forged = { 'x-forwarded-client-cert': 'URI=spiffe://mesh.example/ns/shop/sa/admin' };
    await call({ port: inbound, host: 'catalog', headers: forged });
    await overTls({ port: inbound, host: 'catalog', headers: forged }, await issue('web'), issuer());
    expect(behind.received.map(({ headers }) => headers['x-forwarded-client-cert'])).toEqual([
      undefined,
      expect.stringMatching(/^By=[^,;]*;Hash=[0-9a-f]+;URI=spiffe:\/\/mesh\.example\/ns\/shop\/sa\/web$/),
    ]);
  });

  it('is reached by mTLS before any plan asks for it, so that callers may begin first', async () => {
    const { inbound } = await envoyWith([plan({})], await workload('catalog'), { directory: join(folder, DIRECTORY) });
    expect(await overTls({ port: inbound, host: 'catalog' }, await issue('web'), issuer())).toBe(200);
    expect((await call({ port: inbound, host: 'catalog' })).status).toBe(200);
  });

  it('is reached by no path that only seems to be an allowed one', async () => {
    const behind = await workload('catalog');
    const allow = [{ callers: [web], paths: [{ prefix: '/public/' }, { regex: '/files/.*' }] }];
    const { inbound } = await envoyWith([plan({ security: { ...security, stage: 'strict', allow } })], behind, {
      directory: join(folder, DIRECTORY),
    });
    const leaf = await issue('web');
    const ask = (path: string) => overTls({ port: inbound, host: 'catalog', path }, leaf, issuer());
    const refused = [
      '/admin',
      '/public',
      '/public/../admin',
      '/public/%2e%2e/admin',
      '/public/..%2fadmin',
      '/public/..%2Fadmin',
      '/public/%2e%2E%5cadmin',
      '/public/a%2f..%2f..%2fadmin',
      '/public/a%2F..',
      '//public/x',
      '/files/..%2fadmin',
      '/files/../admin',
    ];
    for (const path of refused) expect([path, await ask(path)]).toEqual([path, 403]);
    expect(behind.received).toEqual([]);
    const allowed = [
      '/public/x',
      '/public/a%2fb',
      '/public/..x/y',
      '/public/a../b',
      '/public/x?y=/../z',
      '/files/a.b',
      '/admin/../public/x',
    ];
    for (const path of allowed) expect([path, await ask(path)]).toEqual([path, 200]);
  });

  it('is not reached under the identity of another trust domain or another authority, nor under none', async () => {
    const behind = await workload('catalog');
    const { inbound } = await envoyWith([plan({ security: { ...security, stage: 'strict', allow: [{ callers: [web] }] } })], behind, {
      directory: join(folder, DIRECTORY),
    });
    const elsewhere = await issuer().issue('spiffe://other.example/ns/shop/sa/web');
    const stranger = await (await createAuthority('stranger')).issue('spiffe://mesh.example/ns/shop/sa/web');
    expect(await overTls({ port: inbound, host: 'catalog' }, elsewhere, issuer())).toBe(403);
    expect(await overTls({ port: inbound, host: 'catalog' }, stranger, issuer())).toBe('closed');
    expect(await overTls({ port: inbound, host: 'catalog' }, undefined, issuer())).toBe('closed');
    expect(behind.received).toEqual([]);
  });
});

describe.skipIf(envoy === undefined)('the access log', () => {
  const lines = (running: RunningEnvoy): readonly { path: string; status: number }[] =>
    running
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));

  async function logged(accessLog: 'all' | 'errors') {
    const { inbound, running } = await envoyWith([plan({ telemetry: { accessLog } })], await workload('catalog'));
    for (const [path, what] of [
      ['/fine', '200'],
      ['/missing', '404'],
      ['/broken?token=secret', '500'],
      ['/cut', 'reset'],
    ] as const)
      await call({ port: inbound, host: 'catalog', path, headers: { 'x-do': what } });
    return () => lines(running).map(({ path, status }) => `${path} ${status}`);
  }

  it('has each request, without its query', async () => {
    const said = await logged('all');
    await until('all are there', () => said().length === 4);
    expect(said()).toEqual(['/fine 200', '/missing 404', '/broken 500', '/cut 503']);
  });

  it('has those that failed', async () => {
    const said = await logged('errors');
    await until('both are there', () => said().length >= 2);
    expect(said()).toEqual(['/broken 500', '/cut 503']);
  });
});
