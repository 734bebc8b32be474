/** Reading istiod's debug pages, as istiod 1.31 wrote them, and what they say of a rendered service. */
import { describe, expect, it } from 'vitest';
import { readConnected, readRoutes, readSyncz, type VirtualHost } from '../../../src/dataplanes/istio/debug.ts';
import { carried, type Expected, expectedOf, leadsTo } from '../../../src/dataplanes/istio/pushed.ts';
import { renderIstio } from '../../../src/dataplanes/istio/render.ts';
import type { RouteMatch, ServicePlan } from '../../../src/plan/plan.ts';

const ROUTES = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';
const ORIGIN = '/apis/networking.istio.io/v1/namespaces/shop/virtual-service/catalog';

const plan = (v1: number): ServicePlan => ({
  mesh: 'shop',
  service: 'catalog',
  namespace: 'shop',
  port: 8080,
  protocol: 'http',
  selector: { app: 'catalog' },
  versions: ['v1', 'V2.0'].map((name) => ({ name, labels: { version: name } })),
  routes: [
    { name: 'beta', match: { methods: ['GET', 'PUT'] }, split: [{ version: 'V2.0', weight: 100 }] },
    {
      name: 'default',
      match: {},
      split: [
        { version: 'V2.0', weight: 100 - v1 },
        { version: 'v1', weight: v1 },
      ],
    },
  ],
  dataPlanes: ['west'],
});

const expectedAt = (v1: number): Expected => {
  const [expected] = expectedOf(renderIstio(plan(v1)));
  if (!expected) throw new Error('There is no VirtualService.');
  return expected;
};
const V2 = Object.keys(expectedAt(0).routes[0]?.weights ?? {})[0] ?? '';
const cluster = (subset: string): string => `outbound|8080|${subset}|catalog.shop.svc.cluster.local`;

const metadata = { filterMetadata: { istio: { config: ORIGIN } } };
const beta = { name: 'beta', metadata, route: { cluster: cluster(V2), timeout: '0s' } };
const split = (...clusters: readonly { name: string; weight?: number }[]) => ({
  name: 'default',
  metadata,
  route: { weightedClusters: { clusters }, timeout: '0s' },
});
const domains = ['catalog.shop.svc.cluster.local', 'catalog', 'catalog.shop.svc', 'catalog.shop', '10.96.82.116'];
const anything = { domains: ['*'], routes: [{ name: 'allow_any', match: { prefix: '/' }, route: { cluster: 'PassthroughCluster' } }] };

/** A dump with these routes in the virtual host of the service. */
const dumped = (...routes: readonly object[]): readonly VirtualHost[] =>
  readRoutes(JSON.stringify({ configs: [{ '@type': ROUTES, name: '8080', virtualHosts: [{ domains, routes }, anything] }] }));

const ninety = [
  { name: cluster('v1'), weight: 90 },
  { name: cluster(V2), weight: 10 },
];

describe('what istiod would send to a proxy', () => {
  it('carries a service when all its routes are there, in order, with exactly these weights', () => {
    expect(carried(dumped(beta, beta, split(...ninety)), expectedAt(90))).toBe('yes');
    expect(carried(dumped(beta, split(...ninety.toReversed())), expectedAt(90))).toBe('yes');
    // A weight of zero is not sent at all, and one that gets everything has no weight or all of it.
    expect(carried(dumped(beta, split({ name: cluster('v1'), weight: 100 })), expectedAt(100))).toBe('yes');
    expect(carried(dumped(beta, { ...beta, name: 'default' }), expectedAt(0))).toBe('yes');
  });

  it.each<[string, readonly object[]]>([
    ['other weights', [beta, split({ name: cluster('v1'), weight: 89 }, { name: cluster(V2), weight: 11 })]],
    ['a weight left out', [beta, split({ name: cluster('v1'), weight: 90 }, { name: cluster(V2) })]],
    ['another subset', [beta, split({ name: cluster('v1'), weight: 90 }, { name: cluster('v3'), weight: 10 })]],
    ['a route too few', [split(...ninety)]],
    ['a route too many', [beta, split(...ninety), { ...beta, name: 'old' }]],
    ['another order', [split(...ninety), beta]],
    ['one of two alternatives that lags', [beta, { ...beta, route: { cluster: cluster('v1') } }, split(...ninety)]],
    ["somebody else's VirtualService", [beta, { ...split(...ninety), metadata: {} }]],
    ['no VirtualService yet', [{ name: 'default', route: { cluster: cluster('') } }]],
  ])('does not carry it with %s', (_what, routes) => {
    expect(carried(dumped(...routes), expectedAt(90))).toBe('no');
  });

  it.each<[string, RouteMatch, boolean]>([
    ['a path that begins with /', { path: { prefix: '/' } }, true],
    ['any path, by an expression', { path: { regex: '.*' } }, true],
    ['a path that begins with / of one method', { path: { prefix: '/' }, methods: ['GET'] }, false],
    ['a path that begins with / and a header', { path: { prefix: '/' }, headers: [{ name: 'x-beta', exact: 'yes' }] }, false],
    ['any path but the empty one', { path: { regex: '.+' } }, false],
  ])('is not asked for routes behind one that matches everything: %s', (_what, match, everything) => {
    const { routes, ...of } = plan(90);
    const [expected] = expectedOf(
      renderIstio({ ...of, routes: routes.map((route) => (route.name === 'beta' ? { ...route, match } : route)) }),
    );
    if (!expected) throw new Error('There is no VirtualService.');
    expect(carried(dumped(beta), expected)).toBe(everything ? 'yes' : 'no');
    expect(carried(dumped(beta, split(...ninety)), expected)).toBe(everything ? 'no' : 'yes');
  });

  it('does not concern it where there is no virtual host of the service', () => {
    expect(carried(readRoutes(JSON.stringify({ configs: [{ virtualHosts: [anything] }] })), expectedAt(90))).toBe('apart');
    const other = { domains: ['catalog.other.svc.cluster.local', 'catalog.other'], routes: [] };
    expect(carried(readRoutes(JSON.stringify({ configs: [{ virtualHosts: [other] }] })), expectedAt(90))).toBe('apart');
    expect(carried(readRoutes('{}'), expectedAt(90))).toBe('apart');
  });

  it('leads to a subset for as long as any route names one', () => {
    expect(leadsTo(dumped(beta), 'catalog.shop.svc.')).toBe(true);
    expect(leadsTo(dumped({ name: 'default', route: { cluster: cluster('') } }), 'catalog.shop.svc.')).toBe(false);
    expect(leadsTo(dumped(beta), 'catalog.other.svc.')).toBe(false);
  });
});

describe('a service that a gateway lets in', () => {
  const outside = { host: 'shop.example', gateway: { namespace: 'edge', name: 'public' } };
  const [, expected] = expectedOf(renderIstio({ ...plan(90), ingress: [outside] }));
  const origin = expected?.origin ?? '';
  const at = (...routes: readonly { name: string; metadata?: object; route: object }[]): readonly VirtualHost[] => {
    const ours = { filterMetadata: { istio: { config: origin } } };
    const named = routes.map((route) => ({ ...route, metadata: route.metadata === metadata ? ours : (route.metadata ?? {}) }));
    return readRoutes(JSON.stringify({ configs: [{ virtualHosts: [{ domains: ['shop.example'], routes: named }] }] }));
  };

  it('is carried by its routes there, whatever else others have merged into the host', () => {
    if (!expected) throw new Error('There is no VirtualService for the gateway.');
    const foreign = { name: 'theirs', metadata: {}, route: { cluster: 'outbound|80||cart.shop.svc.cluster.local' } };
    expect(carried(at(beta, split(...ninety), foreign), expected)).toBe('yes');
    expect(carried(at(beta, split({ name: cluster('v1'), weight: 100 }), foreign), expected)).toBe('no');
    expect(carried(at(foreign), expected)).toBe('apart');
  });
});

describe('what proxies have acknowledged', () => {
  const nonce = '2026-11-22T15:53:19Z/37f4fb05d-d968-48c5-bc5e-2c8006617047';

  it('is by type: sent and acknowledged are equal, and what was refused is said', () => {
    const proxy = { proxy: 'web.shop', cluster_sent: nonce, cluster_acked: nonce, route_sent: nonce, route_acked: nonce };
    const refused = { [ROUTES]: { sent: nonce, acked: 'older', lastError: 'Only unique names are allowed' } };
    expect(readSyncz(JSON.stringify([proxy, { ...proxy, route_acked: 'older', resources: refused }, { proxy: 'ztunnel.x' }]))).toEqual([
      {
        proxy: 'web.shop',
        clusters: { sent: nonce, acknowledged: true, error: '' },
        routes: { sent: nonce, acknowledged: true, error: '' },
      },
      {
        proxy: 'web.shop',
        clusters: { sent: nonce, acknowledged: true, error: '' },
        routes: { sent: nonce, acknowledged: false, error: 'Only unique names are allowed' },
      },
      { proxy: 'ztunnel.x', clusters: { sent: '', acknowledged: true, error: '' } },
    ]);
    expect(readSyncz('[]')).toEqual([]);
  });

  it('is asked of a connection, since one name may be the end of another, and tells the clusters that a proxy has', () => {
    const endpoints = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';
    const cluster = 'outbound|8080|v1|catalog.shop.svc.cluster.local';
    const clients = [
      { connectionId: 'db-0.shop-12', watches: { [endpoints]: [cluster], [ROUTES]: ['8080'] } },
      { connectionId: 'my-db-0.shop-7', watches: { [endpoints]: null } },
    ];
    expect(readConnected(JSON.stringify({ totalClients: 2, clients }))).toEqual([
      { proxy: 'db-0.shop', connection: 'db-0.shop-12', clusters: [cluster] },
      { proxy: 'my-db-0.shop', connection: 'my-db-0.shop-7', clusters: [] },
    ]);
    expect(readConnected('{"totalClients":0}')).toEqual([]);
  });
});
