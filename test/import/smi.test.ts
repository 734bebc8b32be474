/** What Open Service Mesh makes of SMI, as a spec: whom it allows, whether that is enforced, and which Service is which version. */
import { describe, expect, it } from 'vitest';
import { alarmsOf, importedCase, importedObjects, linesOf, serviceOf } from './read-case.ts';

const imported = importedCase('osm', { to: 'istio' });
const orders = serviceOf(imported, 'orders');

const target = (namespace = 'shop') => ({
  apiVersion: 'access.smi-spec.io/v1alpha3',
  kind: 'TrafficTarget',
  metadata: { name: 'web', namespace },
  spec: {
    destination: { kind: 'ServiceAccount', name: 'orders', namespace },
    sources: [{ kind: 'ServiceAccount', name: 'web', namespace }],
    rules: [{ kind: 'HTTPRouteGroup', name: 'paths', matches: ['one'] }],
  },
});
const group = (match: object) => ({
  apiVersion: 'specs.smi-spec.io/v1alpha4',
  kind: 'HTTPRouteGroup',
  metadata: { name: 'paths', namespace: 'shop' },
  spec: { matches: [{ name: 'one', ...match }] },
});
const meshConfig = (permissive: boolean) => ({
  apiVersion: 'config.openservicemesh.io/v1alpha2',
  kind: 'MeshConfig',
  metadata: { name: 'osm-mesh-config', namespace: 'kube-system' },
  spec: { traffic: { enablePermissiveTrafficPolicyMode: permissive } },
});
const split = (...backends: readonly [string, number][]) => ({
  apiVersion: 'split.smi-spec.io/v1alpha2',
  kind: 'TrafficSplit',
  metadata: { name: 'orders', namespace: 'shop' },
  spec: { service: 'orders.shop', backends: backends.map(([service, weight]) => ({ service, weight })) },
});

describe('who may call', () => {
  it('is whom TrafficTargets name, by service account, method and path', () => {
    expect(orders).toMatchObject({ serviceAccount: 'orders-runner', mtls: { stage: 'strict' } });
    expect(orders.allow).toEqual([
      { callers: [{ namespace: 'front', serviceAccount: 'web' }], methods: ['GET', 'POST'], paths: [{ regex: '.*a-buy.*new' }] },
      { callers: [{ namespace: 'front', serviceAccount: 'web' }], methods: ['GET'], paths: [{ exact: '/orders' }] },
    ]);
    expect(serviceOf(imported, 'stock').allow).toEqual([
      { callers: [{ namespace: 'shop', serviceAccount: 'orders-runner', service: 'orders' }] },
    ]);
  });

  it('is narrower than before where a spec has no such condition, and never wider: that is said', () => {
    expect(alarmsOf(imported)).toContainEqual(
      expect.stringMatching(/TrafficTarget web-to-orders spec.rules\[0\] \(beta\): .*not by header: these requests are refused/),
    );
    expect(alarmsOf(imported)).toContainEqual(expect.stringMatching(/TrafficTarget orders-to-stock spec.rules\[1\]: .*no TCPRoute/));
    expect(alarmsOf(imported)).toContainEqual(expect.stringMatching(/IngressBackend orders/));
  });

  it.each([
    ['/items', { exact: '/items' }],
    ['^/items$', { exact: '/items' }],
    ['/items/.*', { prefix: '/items/' }],
    ['/v1\\.2', { exact: '/v1.2' }],
    ['/a.b', { regex: '/a.b' }],
    ['/(a|b)', { regex: '/(a|b)' }],
  ])('on the whole path that `%s` matches', (pathRegex, path) => {
    const { allow } = serviceOf(importedObjects([target(), group({ pathRegex, methods: ['*'] }), meshConfig(false)]), 'orders');
    expect(allow).toEqual([{ callers: [{ namespace: 'shop', serviceAccount: 'web' }], paths: [path] }]);
  });

  it('is written and not enforced where OSM enforces no TrafficTarget', () => {
    const open = importedObjects([target(), group({ pathRegex: '.*', methods: ['GET'] }), meshConfig(true)]);
    expect(serviceOf(open, 'orders')).toMatchObject({ mtls: { stage: 'permissive' }, allow: [{ methods: ['GET'] }] });
    expect(alarmsOf(open)).toContainEqual(expect.stringMatching(/^approximated MeshConfig .*plaintext/));
  });

  it('is asked where nobody says whether OSM enforces it, and strict until then', () => {
    const unknown = importedObjects([target(), group({ pathRegex: '.*' }), split(['orders-v1', 100])]);
    expect(serviceOf(unknown, 'orders').mtls?.stage).toBe('strict');
    expect(alarmsOf(unknown)).toContainEqual(expect.stringMatching(/^question TrafficTarget web .*enablePermissiveTrafficPolicyMode/));
  });

  it('holds nobody back, and asks, where nothing says which version serves', () => {
    const unknown = importedObjects([target(), group({ pathRegex: '.*' })]);
    expect(serviceOf(unknown, 'orders').mtls?.stage).toBe('permissive');
    expect(alarmsOf(unknown)).toContainEqual(expect.stringMatching(/^question TrafficTarget web .*which version serves\?/));
  });

  it('is nobody for a service that no TrafficTarget names', () => {
    expect(serviceOf(importedObjects([split(['orders-v1', 100]), meshConfig(false)]), 'orders')).toMatchObject({
      mtls: { stage: 'strict' },
      allow: [],
    });
  });
});

describe('versions', () => {
  it('are those of the label that tells the Services apart', () => {
    expect(imported.traffic.get('orders')).toEqual([
      { version: 'v1', weight: 83 },
      { version: 'v2', weight: 17 },
    ]);
    expect(orders).toMatchObject({ stable: 'v1', versionLabel: 'version' });
  });

  it('are taken from names where the Services are not here, and the Services are asked for', () => {
    const guessed = importedObjects([split(['orders-v1', 90], ['orders-v2', 10])]);
    expect(guessed.traffic.get('orders')?.map(({ version }) => version)).toEqual(['v1', 'v2']);
    expect(linesOf(guessed)).toContainEqual(
      expect.stringMatching(/^question TrafficSplit orders .*give shop\/orders-v1 and shop\/orders-v2 too/),
    );
  });

  it('are not made up for a backend that is the service itself', () => {
    const whole = importedObjects([split(['orders', 90], ['orders-v2', 10])]);
    expect(whole.traffic.get('orders')).toEqual([]);
    expect(linesOf(whole)).toContainEqual(
      expect.stringMatching(/^not-imported TrafficSplit orders spec.backends: shop\/orders: no version/),
    );
  });
});

describe('the rest of OSM', () => {
  it('is limits, egress, and what is said of rate limits', () => {
    expect(serviceOf(imported, 'stock')).toMatchObject({
      connectTimeoutMs: 1000,
      circuitBreaker: { maxConnections: 100, maxPendingRequests: 10 },
    });
    expect(orders.egress).toEqual([{ host: 'api.payments.example', port: 443, protocol: 'tls' }]);
    expect(linesOf(imported)).toContainEqual(expect.stringMatching(/^not-imported UpstreamTrafficSetting stock spec.rateLimit/));
  });
});
