/** What a real Envoy does with a rendering: which backend a request reaches, how often it is tried, how long it may take. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { Server as NetServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderBootstrap } from '../../../src/dataplanes/envoy/bootstrap.ts';
import { renderNode, renderShared } from '../../../src/dataplanes/envoy/render.ts';
import type { EnvoyNode } from '../../../src/dataplanes/envoy/resources.ts';
import type { PlannedRoute, ServicePlan, WeightedVersion } from '../../../src/plan/plan.ts';
import { freePorts, type RunningEnvoy, realEnvoy, runEnvoy } from '../../real-envoy.ts';
import { staticConfiguration } from './static-configuration.ts';

const envoy = await realEnvoy();

const all = (version: string): readonly WeightedVersion[] => [{ version, weight: 100 }];
const route = (name: string, over: Partial<PlannedRoute>): PlannedRoute => ({ name, match: {}, split: all('v2'), ...over });

const catalog: ServicePlan = {
  mesh: 'sample',
  service: 'catalog',
  namespace: 'shop',
  port: 8080,
  protocol: 'http',
  selector: { app: 'catalog' },
  versions: ['v1', 'v2'].map((name) => ({ name, labels: { version: name } })),
  routes: [
    route('header', { match: { headers: [{ name: 'x-tester', exact: 'yes' }] } }),
    route('header-prefix', { match: { headers: [{ name: 'x-app', prefix: 'shop/' }] } }),
    route('header-regex', { match: { headers: [{ name: 'cookie', regex: '(.*; )?group=beta(;.*)?' }] } }),
    route('header-present-and-absent', {
      match: {
        headers: [
          { name: 'x-debug', present: true },
          { name: 'x-quiet', present: false },
        ],
      },
    }),
    route('path', { match: { path: { exact: '/exact' } } }),
    route('path-prefix', { match: { path: { prefix: '/prefix' } } }),
    route('path-regex', { match: { path: { regex: '/v[0-9]+/items' } } }),
    route('methods', { match: { path: { prefix: '/methods' }, methods: ['POST', 'M-SEARCH'] } }),
    route('slow', { match: { path: { exact: '/slow' } }, split: all('v1'), timeoutMs: 150 }),
    route('retried', { match: { path: { exact: '/flaky-retried' } }, split: all('v1'), retries: { attempts: 2, on: ['5xx'] } }),
    route('retried-otherwise', {
      match: { path: { exact: '/flaky-reset' } },
      split: all('v1'),
      retries: { attempts: 2, on: ['connect-failure'] },
    }),
    route('half', {
      match: { path: { exact: '/half' } },
      split: [
        { version: 'v1', weight: 50 },
        { version: 'v2', weight: 50 },
      ],
    }),
    route('default', {
      split: [
        { version: 'v1', weight: 100 },
        { version: 'v2', weight: 0 },
      ],
    }),
  ],
  dataPlanes: ['vms'],
};
const stock: ServicePlan = {
  ...catalog,
  service: 'stock',
  protocol: 'grpc',
  selector: { app: 'catalog' },
  versions: [{ name: 'v1', labels: {} }],
  routes: [route('default', { split: all('v1') })],
};

describe.skipIf(envoy === undefined)('a real Envoy, given a rendering', () => {
  const seen: string[] = [];
  const stops: (() => unknown)[] = [];
  let [outbound, inbound] = [0, 0];

  /** Answers with its name; `/flaky…` fails twice for each time it succeeds, `/slow` takes its time. */
  async function backend(name: string): Promise<number> {
    const tries = new Map<string, number>();
    const server = createServer((incoming: IncomingMessage, response: ServerResponse) => {
      seen.push(`${name} ${incoming.url}`);
      if (incoming.url === '/slow') return void setTimeout(() => response.end(name), 2000).unref();
      const path = incoming.url ?? '';
      tries.set(path, (tries.get(path) ?? 0) + 1);
      const fails = path.startsWith('/flaky') && (tries.get(path) ?? 0) % 3 !== 0;
      response.writeHead(fails ? 503 : 200).end(name);
    });
    return listen(server);
  }

  async function listen(server: NetServer): Promise<number> {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    stops.push(() => server.close());
    const at = server.address();
    if (typeof at !== 'object' || at === null) throw new Error('the server has no port');
    return at.port;
  }

  beforeAll(async () => {
    const [v1, v2, workload] = await Promise.all([backend('v1'), backend('v2'), backend('workload')]);
    const http2 = await listen(createHttp2Server((incoming, response) => response.end(`stock over ${incoming.httpVersion}`)));
    [outbound = 0, inbound = 0] = await freePorts(2);
    const node: EnvoyNode = {
      id: 'caller',
      mesh: 'sample',
      dataPlane: 'vms',
      outbound: { address: '127.0.0.1', port: outbound },
      inbound: { service: 'catalog', version: 'v1', address: '127.0.0.1', port: inbound, workloadPort: workload },
    };
    const address = '127.0.0.1';
    const endpoints = [
      { service: 'catalog', version: 'v1', address, port: v1 },
      { service: 'catalog.shop', version: 'v2', address, port: v2 },
      { service: 'stock', version: 'v1', address, port: http2 },
    ];
    const plans = [catalog, stock];
    const resources = [...renderShared(plans, endpoints), ...renderNode(node, plans)];
    const bootstrap = renderBootstrap({ node, xds: { address, port: 1 } });
    const running: RunningEnvoy = await runEnvoy(envoy ?? '', staticConfiguration(bootstrap, resources), [outbound, inbound]);
    stops.push(running.stop);
  });
  afterAll(() => Promise.all(stops.map((stop) => stop())));

  interface Call {
    readonly host?: string;
    readonly path?: string;
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly port?: number;
  }

  async function call({
    host = 'catalog',
    path = '/',
    method = 'GET',
    headers = {},
    port = outbound,
  }: Call): Promise<{ status: number; from: string }> {
    const sent = request({ host: '127.0.0.1', port, path, method, headers: { host, ...headers }, agent: false }).end();
    const [response]: IncomingMessage[] = await once(sent, 'response');
    if (response === undefined) throw new Error('no response');
    let from = '';
    for await (const chunk of response) from += chunk;
    return { status: response.statusCode ?? 0, from };
  }

  const reaches = async (given: Call) => (await call(given)).from;

  it.each<[string, Call]>([
    ['a header', { headers: { 'x-tester': 'yes' } }],
    ["a header's beginning", { headers: { 'x-app': 'shop/1.2' } }],
    ['a whole header by regex', { headers: { cookie: 'a=b; group=beta; c=d' } }],
    ['a header that is there and one that is not', { headers: { 'x-debug': '' } }],
    ['a path', { path: '/exact?with=query' }],
    ["a path's beginning", { path: '/prefix/and/more' }],
    ['a whole path by regex', { path: '/v17/items?with=query' }],
    ['one of two methods', { path: '/methods', method: 'POST' }],
    ['the other method', { path: '/methods', method: 'M-SEARCH' }],
  ])('routes by %s', async (_, given) => {
    expect(await reaches(given)).toBe('v2');
  });

  it.each<[string, Call]>([
    ['another value', { headers: { 'x-tester': 'yes!' } }],
    ['the prefix elsewhere', { headers: { 'x-app': 'my-shop/1.2' } }],
    ['the regex in the middle only', { headers: { cookie: 'group=beta2' } }],
    ['one of two conditions', { headers: { 'x-debug': '1', 'x-quiet': '1' } }],
    ['a longer path', { path: '/exact/more' }],
    ['a path around the regex', { path: '/v17/items/4' }],
    ['a third method', { path: '/methods', method: 'PUT' }],
    ['nothing of the kind', {}],
  ])('gives the last route what has %s', async (_, given) => {
    expect(await reaches(given)).toBe('v1');
  });

  it.each(['catalog', 'catalog:8080', 'catalog.shop', 'catalog.shop:8080', 'Catalog'])('knows the service as %s', async (host) => {
    expect(await call({ host })).toEqual({ status: 200, from: 'v1' });
  });

  it('knows no other name', async () => {
    expect((await call({ host: 'catalog.library' })).status).toBe(404);
  });

  it('sends nothing to weight 0 and something to either half', async () => {
    const share = async (path: string) => new Set(await Promise.all(Array.from({ length: 60 }, () => reaches({ path }))));
    expect(await share('/')).toEqual(new Set(['v1']));
    expect(await share('/half')).toEqual(new Set(['v1', 'v2']));
  });

  it('ends a request at its time-out', async () => {
    expect((await call({ path: '/slow' })).status).toBe(504);
  });

  it('retries as often as the plan says, on what it says, and else never', async () => {
    const tries = async (given: Call) => {
      const before = seen.length;
      const { status } = await call(given);
      return [status, seen.length - before];
    };
    expect(await tries({ path: '/flaky-retried' })).toEqual([200, 3]);
    expect(await tries({ path: '/flaky-reset' })).toEqual([503, 1]);
    expect(await tries({ path: '/flaky-else' })).toEqual([503, 1]);
    expect(await tries({ path: '/flaky-retried', port: inbound })).toEqual([503, 1]);
  });

  it('lets no caller ask for retries that the plan does not have', async () => {
    const headers = { 'x-envoy-retry-on': '5xx', 'x-envoy-max-retries': '2' };
    for (const port of [inbound, outbound]) {
      const before = seen.length;
      expect((await call({ path: '/flaky-else', headers, port })).status).toBe(503);
      expect(seen.length - before).toBe(1);
    }
  });

  it('speaks HTTP/2 to a gRPC service, whatever its caller speaks', async () => {
    expect(await call({ host: 'stock' })).toEqual({ status: 200, from: 'stock over 2.0' });
  });

  it('hands what comes in to the workload beside it, whatever name was called', async () => {
    expect(await call({ port: inbound, host: 'anything', path: '/exact' })).toEqual({ status: 200, from: 'workload' });
  });
});
