/** What Istio's objects mean, and where a spec says less: nothing is widened, nothing passed over. */
import { describe, expect, it } from 'vitest';
import { alarmsOf, importedCase, importedObjects, linesOf, serviceOf } from './read-case.ts';

const imported = importedCase('istio');
const catalog = serviceOf(imported, 'catalog');

const virtualService = (name: string, spec: object, metadata: object = {}) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name, namespace: 'shop', ...metadata },
  spec: { hosts: ['catalog'], ...spec },
});
const rule = { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata: { name: 'catalog', namespace: 'shop' } };
const subsets = { host: 'catalog', subsets: ['v1', 'v2'].map((name) => ({ name, labels: { version: name } })) };
const to = (subset: string, weight?: number) => ({ destination: { host: 'catalog', subset }, ...(weight === undefined ? {} : { weight }) });

describe('routes of Istio', () => {
  it('are one route an alternative, methods joined, with what only each of them has', () => {
    const names = catalog.routes.map(({ name, match }) => [name, match]);
    expect(names).toEqual([
      ['testers', { headers: [{ name: 'x-user', regex: '.*@example[.]com' }] }],
      ['testers-2', { path: { prefix: '/beta' } }],
      ['reports', { path: { prefix: '/reports' }, methods: ['GET', 'HEAD'] }],
    ]);
    expect(catalog.routes[2]).toMatchObject({
      version: 'v1',
      retries: { attempts: 3, perTryTimeoutMs: 2000, on: ['gateway-error', 'reset'] },
    });
    expect(catalog).toMatchObject({ stable: 'v1', timeoutMs: 2000 });
  });

  it('with a condition that a spec does not have are left out whole, and said', () => {
    expect(linesOf(imported)).toContainEqual(
      expect.stringMatching(/^not-imported VirtualService catalog spec.http\[1\].match\[0\].queryParams: .*would match more/),
    );
    expect(linesOf(imported)).toContainEqual(
      expect.stringMatching(/^not-imported VirtualService catalog spec.http\[2\]: it answers or redirects by itself/),
    );
  });

  it('say of every field that is not in the spec where it was', () => {
    for (const field of ['spec.http[4].rewrite', 'spec.http[2].redirect'])
      expect(linesOf(imported)).toContainEqual(
        expect.stringMatching(`not-imported VirtualService catalog ${field.replace(/[[\].]/g, '\\$&')}: `),
      );
    expect(linesOf(imported)).toContainEqual(
      expect.stringMatching(/DestinationRule catalog spec.trafficPolicy.connectionPool.http.idleTimeout: /),
    );
  });

  it('divided otherwise than by 100 are whole percentages that sum to it, and the split of now is kept beside the spec', () => {
    expect(imported.traffic.get('catalog')).toEqual([
      { version: 'v1', weight: 83 },
      { version: 'v2', weight: 17 },
    ]);
    expect(linesOf(imported)).toContainEqual(expect.stringMatching(/75 : 15 are v1 83 %, v2 17 %/));
  });

  it('without `retries` are tried twice again by Istio, and the spec says so', () => {
    expect(catalog.retries).toEqual({ attempts: 2, on: ['connect-failure', 'refused-stream'] });
    expect(linesOf(imported)).toContainEqual(
      expect.stringMatching(/spec.http\[4\].retries: nothing is written, and Istio tries 2 times more.*unavailable, cancelled/),
    );
    const none = importedObjects([
      virtualService('catalog', { http: [{ route: [to('v1')], retries: { attempts: 0 } }] }),
      { ...rule, spec: subsets },
    ]);
    expect(serviceOf(none, 'catalog').retries).toBeUndefined();
  });

  it('of several objects for one host are those of the oldest', () => {
    const older = virtualService('b', { http: [{ route: [to('v1')] }] }, { creationTimestamp: '2024-01-01T00:00:00Z' });
    const newer = virtualService('a', { http: [{ route: [to('v2')] }] }, { creationTimestamp: '2025-01-01T00:00:00Z' });
    const both = importedObjects([newer, older, { ...rule, spec: subsets }]);
    expect(serviceOf(both, 'catalog').stable).toBe('v1');
    expect(linesOf(both)).toContainEqual(expect.stringMatching(/^not-imported VirtualService a spec.http: .*is older/));
  });

  it('are the same whatever the order of the objects', () => {
    const objects = [virtualService('catalog', { http: [{ route: [to('v1', 90), to('v2', 10)] }] }), { ...rule, spec: subsets }];
    expect(importedObjects(objects.toReversed()).files).toEqual(importedObjects(objects).files);
  });

  it('of two objects that differ keep the same one, whatever their order', () => {
    const limits = (name: string, maxConnections: number) => ({
      ...rule,
      metadata: { name, namespace: 'shop' },
      spec: { host: 'catalog', trafficPolicy: { connectionPool: { tcp: { maxConnections } } } },
    });
    const objects = [limits('a', 1), limits('b', 2)];
    for (const given of [objects, objects.toReversed()])
      expect(serviceOf(importedObjects(given), 'catalog').circuitBreaker).toEqual({ maxConnections: 1 });
  });

  it('that try nothing again say so where all others try', () => {
    const http = [
      { name: 'once', match: [{ uri: { prefix: '/pay' } }], route: [to('v1')], retries: { attempts: 0 } },
      { route: [to('v1')], retries: { attempts: 3, retryOn: 'reset' } },
    ];
    const { routes } = serviceOf(importedObjects([virtualService('catalog', { http }), { ...rule, spec: subsets }]), 'catalog');
    expect(routes).toMatchObject([{ name: 'once', retries: { attempts: 0 } }]);
  });

  it('at a gateway are ingress, and said where they differ from those inside the mesh', () => {
    expect(catalog.ingress).toEqual([{ host: 'shop.example.com', gateway: { namespace: 'edge', name: 'public' } }]);
    expect(linesOf(imported)).toContainEqual(
      expect.stringMatching(/^approximated VirtualService public spec.gateways: .*which differ from these/),
    );
  });

  it('to a subset that no DestinationRule names are asked for', () => {
    expect(linesOf(importedObjects([virtualService('catalog', { http: [{ route: [to('v1')] }] })]))).toContainEqual(
      expect.stringMatching(/^question .*no DestinationRule here/),
    );
  });
});

describe('security of Istio', () => {
  it('keeps whom a policy names, and refuses and says whom a spec cannot', () => {
    expect(catalog.mtls?.stage).toBe('strict');
    expect(catalog.allow).toEqual([
      {
        callers: [
          { namespace: 'ops', serviceAccount: 'backup' },
          { namespace: 'shop', serviceAccount: 'checkout' },
        ],
      },
      { callers: [{ namespace: 'shop', serviceAccount: 'web' }], methods: ['GET'], paths: [{ exact: '/healthz' }, { prefix: '/items' }] },
    ]);
    const alarms = alarmsOf(imported);
    for (const part of [
      '`*/sa/probe` is a pattern',
      'rules[1].from[0].source.namespaces',
      'rules[2]: it allows everybody',
      'rules[3].when',
    ])
      expect(alarms).toContainEqual(expect.stringContaining(part));
  });

  it('does not import DENY, and says that what it denies is allowed where `allow` names it', () => {
    expect(alarmsOf(imported)).toContainEqual(
      expect.stringMatching(/^not-imported AuthorizationPolicy no-deletes spec.action: .*DENY is not said by it.*keep this policy/),
    );
  });

  it('says nothing of a service that takes every identity, which no stage of a spec is', () => {
    const mode = {
      apiVersion: 'security.istio.io/v1',
      kind: 'PeerAuthentication',
      metadata: { name: 'default', namespace: 'shop' },
      spec: { mtls: { mode: 'STRICT' } },
    };
    const all = importedObjects([virtualService('catalog', { http: [{ route: [to('v1')] }] }), { ...rule, spec: subsets }, mode]);
    expect(serviceOf(all, 'catalog').mtls).toBeUndefined();
    expect(alarmsOf(all)).toContainEqual(expect.stringMatching(/^not-imported PeerAuthentication default .*this policy has to stay/));
  });

  it('takes a whole rule out where a spec does not take one of its paths: left without them it would allow more', () => {
    const long = `/${'a'.repeat(2000)}`;
    const rules = [{ from: [{ source: { principals: ['cluster.local/ns/shop/sa/web'] } }], to: [{ operation: { paths: [long] } }] }];
    const policy = {
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'long', namespace: 'shop' },
      spec: { rules },
    };
    const narrowed = importedObjects([virtualService('catalog', { http: [{ route: [to('v1')] }] }), { ...rule, spec: subsets }, policy]);
    expect(serviceOf(narrowed, 'catalog').allow).toEqual([]);
  });

  it('allows nobody by a policy without rules, and not everybody', () => {
    const policy = {
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'none', namespace: 'shop' },
      spec: {},
    };
    const none = importedObjects([virtualService('catalog', { http: [{ route: [to('v1')] }] }), { ...rule, spec: subsets }, policy]);
    expect(serviceOf(none, 'catalog')).toMatchObject({ mtls: { stage: 'strict' }, allow: [] });
  });
});

describe('everything that came', () => {
  it('is in the report, also of kinds that the import does not read', () => {
    expect(linesOf(imported)).toContainEqual(expect.stringMatching(/^not-imported EnvoyFilter lua : the import does not read this kind/));
    const spoken = new Set(imported.findings.map(({ object }) => `${object.kind}/${object.name}`));
    expect([...spoken].sort()).toEqual([
      'AuthorizationPolicy/catalog-viewers',
      'AuthorizationPolicy/no-deletes',
      'DestinationRule/catalog',
      'EnvoyFilter/lua',
      'PeerAuthentication/default',
      'Service/catalog',
      'ServiceEntry/payments',
      'VirtualService/catalog',
      'VirtualService/catalog-of-another-team',
      'VirtualService/public',
    ]);
  });

  it('becomes a spec also where the objects ask for what no spec takes', () => {
    const slow = virtualService('catalog', {
      http: [{ route: [to('v1')], timeout: '1s', retries: { attempts: 2, perTryTimeout: '5s', retryOn: 'reset' } }],
    });
    const imported = importedObjects([slow, { ...rule, spec: subsets }]);
    expect(serviceOf(imported, 'catalog').retries).toEqual({ attempts: 2, on: ['reset'] });
    expect(linesOf(imported)).toContainEqual(expect.stringMatching(/one try may not take longer than `timeout`/));
  });
});
