/** Resilience, trials, telemetry and what is outside the mesh: what people write, and what it means once shorthands are gone. */
import { describe, expect, it } from 'vitest';
import { readSpec } from '../../src/spec/read-spec.ts';
import { revision } from '../../src/spec/revision.ts';
import { serviceSpecSchema } from '../../src/spec/schema.ts';
import { good, HEADER, MESH, problems, service, wrong } from './spec-files.ts';

const rest = 'name: catalog\nport: 80\n';

describe('resilience', () => {
  it('has defaults where a group is asked for in short', () => {
    expect(good(`${rest}retries: 1\nretryBudget: 30\noutlierDetection: true\nloadBalancing: random\n`)).toMatchObject({
      retryBudget: { percent: 30, minConcurrent: 3 },
      outlierDetection: { consecutiveErrors: 5, intervalMs: 10_000, ejectionMs: 30_000, maxEjectionPercent: 10 },
      loadBalancing: { policy: 'random' },
    });
    expect(good(`${rest}retries: 1\nretryBudget: { minConcurrent: 10 }\n`).retryBudget).toEqual({ percent: 20, minConcurrent: 10 });
  });

  it('is what is written, in milliseconds and lower-case headers', () => {
    const fields = [
      'connectTimeout: 250ms',
      'circuitBreaker: { maxConnections: 10, maxRequests: 20 }',
      'outlierDetection: { consecutiveErrors: 3, interval: 5s, ejection: 1m, maxEjectionPercent: 50 }',
      'loadBalancing: { hash: { header: X-User } }',
      'failover: [westeurope, northeurope]',
    ];
    expect(good(`${rest}${fields.join('\n')}\n`)).toMatchObject({
      connectTimeoutMs: 250,
      circuitBreaker: { maxConnections: 10, maxRequests: 20 },
      outlierDetection: { consecutiveErrors: 3, intervalMs: 5_000, ejectionMs: 60_000, maxEjectionPercent: 50 },
      loadBalancing: { policy: 'hash', header: 'x-user' },
      failover: ['westeurope', 'northeurope'],
    });
  });

  it('adds nothing that was not asked for', () => {
    const keys = Object.keys(good(rest));
    for (const key of ['connectTimeoutMs', 'retryBudget', 'circuitBreaker', 'outlierDetection', 'loadBalancing', 'failover', 'telemetry'])
      expect(keys).not.toContain(key);
  });
});

describe('selector and service account', () => {
  it('are as written', () => {
    const fields = 'selector: { app.kubernetes.io/name: catalog, tier: backend }\nserviceAccount: catalog-sa\n';
    expect(good(rest + fields)).toMatchObject({
      selector: { 'app.kubernetes.io/name': 'catalog', tier: 'backend' },
      serviceAccount: 'catalog-sa',
    });
  });
});

describe('mirror and fault', () => {
  const route = (fields: string) => good(`${rest}stable: v1\nroutes:\n  - { name: a, match: { methods: [GET] }, ${fields} }\n`).routes[0];

  it('are of all requests unless a percentage is given', () => {
    expect(route('mirror: v2')?.mirror).toEqual({ version: 'v2', percent: 100 });
    expect(route('mirror: { version: 2.1.0_rc, percent: 5 }')?.mirror).toEqual({ version: '2.1.0_rc', percent: 5 });
    expect(route('fault: { delay: 2s }')?.fault).toEqual({ delay: { ms: 2000, percent: 100 } });
    expect(route('fault: { delay: { for: 100ms, percent: 10 }, abort: { status: 503, percent: 1 } }')?.fault).toEqual({
      delay: { ms: 100, percent: 10 },
      abort: { status: 503, percent: 1 },
    });
    expect(route('fault: { abort: 429 }')?.fault).toEqual({ abort: { status: 429, percent: 100 } });
  });
});

describe('egress and ingress', () => {
  it('egress: a text is a host called by TLS; a port has the default of its protocol; sorted', () => {
    const hosts = 'egress: [{ host: b.example, protocol: http }, a.example, { host: a.example, port: 8443 }]\n';
    expect(good(rest + hosts).egress).toEqual([
      { host: 'a.example', port: 443, protocol: 'tls' },
      { host: 'a.example', port: 8443, protocol: 'tls' },
      { host: 'b.example', port: 80, protocol: 'http' },
    ]);
  });

  it('ingress: a gateway without a namespace is one of the service’s own', () => {
    const hosts = 'namespace: shop\ningress: [{ host: shop.example, gateway: edge/public }, { host: api.shop.example, gateway: own }]\n';
    expect(good(rest + hosts).ingress).toEqual([
      { host: 'api.shop.example', gateway: { name: 'own', namespace: 'shop' } },
      { host: 'shop.example', gateway: { name: 'public', namespace: 'edge' } },
    ]);
  });

  it('no entries are none', () => {
    expect(Object.keys(good(`${rest}egress: []\ningress: []\n`)).filter((key) => key === 'egress' || key === 'ingress')).toEqual([]);
  });
});

describe('telemetry', () => {
  const of = (mesh: string, own: string) => good(rest + own, MESH + mesh).telemetry;

  it('is off, in the mesh and in its services, until it is asked for', () => {
    expect(of('', '')).toBeUndefined();
    expect(of('telemetry: { accessLog: none, tracing: 0 }\n', '')).toBeUndefined();
  });

  it('is the mesh’s, switch by switch, where a service does not say otherwise', () => {
    const mesh = 'telemetry: { accessLog: errors, tracing: 1 }\n';
    expect(of(mesh, '')).toEqual({ accessLog: 'errors', tracing: { percent: 1 } });
    expect(of(mesh, 'telemetry: { tracing: { percent: 10 } }\n')).toEqual({ accessLog: 'errors', tracing: { percent: 10 } });
    expect(of(mesh, 'telemetry: { accessLog: none, tracing: 0 }\n')).toBeUndefined();
  });

  it('of the mesh is part of each service: a change of it is a change of them', () => {
    const hash = (mesh: string) => {
      const spec = readSpec([{ path: 'mesh.yaml', text: MESH + mesh }, service(rest)]);
      return spec.ok ? revision(spec.mesh, spec.services).services.catalog : undefined;
    };
    expect(hash('telemetry: { tracing: 1 }\n')).not.toBe(hash(''));
  });
});

describe('what is refused', () => {
  const route = (fields: string) => `${rest}stable: v1\nroutes: [{ name: a, match: { methods: [GET] }, ${fields} }]\n`;
  it.each([
    ['a budget of more than there is', `${rest}retries: 1\nretryBudget: 101\n`, 'retryBudget', 'at most 100'],
    ['a budget that limits nothing', `${rest}retries: 0\nretryBudget: 20\n`, 'retryBudget', 'give `retries` too'],
    ['a breaker without a limit', `${rest}circuitBreaker: {}\n`, 'circuitBreaker', 'at least one limit'],
    ['a limit of 0', `${rest}circuitBreaker: { maxRequests: 0 }\n`, 'circuitBreaker.maxRequests', 'at least 1'],
    [
      'an unknown limit',
      `${rest}circuitBreaker: { maxRequests: 1, maxConnection: 5 }\n`,
      'circuitBreaker.maxConnection',
      'did you mean `maxConnections`',
    ],
    ['more ejected than there is', `${rest}outlierDetection: { maxEjectionPercent: 101 }\n`, 'outlierDetection.maxEjectionPercent', '100'],
    ['no outlier detection, which is what leaving it out says', `${rest}outlierDetection: false\n`, 'outlierDetection', '`true`'],
    ['an unknown balancing', `${rest}loadBalancing: least-conn\n`, 'loadBalancing', '`least-request`, `random` or `round-robin`'],
    ['a region twice', `${rest}failover: [a, a]\n`, 'failover[1]', 'twice'],
    ['a connection slower than its request', `${rest}timeout: 1s\nconnectTimeout: 2s\n`, 'connectTimeout', 'longer than `timeout`'],
    ['a selector of nothing', `${rest}selector: {}\n`, 'selector', 'at least one label'],
    ['a selector of one version', `${rest}selector: { version: v1 }\n`, 'selector.version', 'tells its versions apart'],
    ['versions told apart by what selects them all', `${rest}versionLabel: app\n`, 'versionLabel', 'give a `selector`'],
    ['a label that can be none', `${rest}selector: { app: 'a b' }\n`, 'selector.app', 'no value of a label'],
    ['a mirror to where the route goes', route('version: v2, mirror: v2'), 'routes[0].mirror', '`v2` already'],
    ['a mirror to the stable version', route('mirror: v1'), 'routes[0].mirror', '`v1`, the stable version'],
    ['a mirror to what is no version', route('mirror: { version: a b }'), 'routes[0].mirror.version', 'use letters'],
    ['a fault that does nothing', route('fault: {}'), 'routes[0].fault', '`delay`, an `abort` or both'],
    ['an answer that is none', route('fault: { abort: 99 }'), 'routes[0].fault.abort', 'at least 200'],
    ['an egress address', `${rest}egress: [10.0.0.1]\n`, 'egress[0]', 'not an address'],
    ['an egress host with an empty label', `${rest}egress: [api..example.com]\n`, 'egress[0]', 'up to 63 between dots'],
    ['an egress host with a label that ends in -', `${rest}egress: [{ host: a-.b.com }]\n`, 'egress[0].host', 'up to 63 between dots'],
    ['an egress host with a label that begins with -', `${rest}egress: [a.-b.com]\n`, 'egress[0]', 'up to 63 between dots'],
    ['an egress host with a label too long', `${rest}egress: [a.${'b'.repeat(64)}.com]\n`, 'egress[0]', 'up to 63 between dots'],
    ['a host twice at a port', `${rest}egress: [a.example, { host: a.example, protocol: http, port: 443 }]\n`, 'egress[1]', 'twice'],
    ['a gateway of three parts', `${rest}ingress: [{ host: a.example, gateway: a/b/c }]\n`, 'ingress[0].gateway', '`namespace/name`'],
    ['an unknown log', `${rest}telemetry: { accessLog: error }\n`, 'telemetry.accessLog', 'did you mean `errors`'],
    ['a trace of more than there is', `${rest}telemetry: { tracing: 101 }\n`, 'telemetry.tracing', 'at most 100'],
  ])('%s', (_, fields, field, message) => {
    const found = wrong(fields);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(` ${field}: `);
    expect(found[0]).toContain(message);
  });
});

describe('services that select the same workloads', () => {
  const mesh = { path: 'mesh.yaml', text: `${MESH}trustDomain: shop.example\n` };
  const named = (name: string, fields: string) => ({
    path: `${name}.yaml`,
    text: `${HEADER}kind: Service\nname: ${name}\nport: 80\nstable: v1\n${fields}`,
  });
  const found = (one: string, other: string) => problems([mesh, named('catalog', one), named('admin', other)]);
  const shop = 'selector: { app: shop }\n';
  const [strict, shadow] = ['mtls: strict\nserviceAccount: shop\n', 'mtls: shadow\nserviceAccount: shop\n'];

  it('say the same of callers and telemetry, or are refused at the line', () => {
    const message =
      '`catalog` selects the same workloads (`app: shop`), so what either says of callers and telemetry would hold for both; ' +
      'select others by another label, or give both the same `mtls`, `allow`, `serviceAccount`, `tokens` and `telemetry`';
    expect(found(shop + strict, shadow + shop)).toEqual([`admin.yaml:8 selector: ${message}`]);
    expect(found(shop + strict, shop)).toHaveLength(1);
    expect(found(`${shop}${strict}allow: [admin]\n`, shop + strict)).toHaveLength(1);
    expect(found(shop + strict, `${shop}mtls: strict\n`)).toHaveLength(1);
    expect(found(`${shop}telemetry: { accessLog: all }\n`, shop)).toHaveLength(1);
    expect(found(shop + strict, shop + strict)).toEqual([]);
    expect(found(shop, `${shop}serviceAccount: admin\n`)).toEqual([]);
  });

  it('are those where one narrows the other down, in one namespace and on one data plane', () => {
    const beta = 'selector: { track: beta, app: shop }\n';
    expect(found(shop + strict, beta + shadow)).toHaveLength(1);
    expect(found(beta + strict, shop + shadow)).toHaveLength(1);
    expect(found('', 'selector: { app: catalog }\nmtls: permissive\n')).toHaveLength(1);
    expect(found(beta + strict, `selector: { app: shop, track: stable }\n${shadow}`)).toEqual([]);
    expect(found(shop + strict, `${shop}${shadow}namespace: other\n`)).toEqual([]);
    expect(found(`${shop}${strict}dataPlanes: [aks]\n`, `${shop}${shadow}dataPlanes: [vms]\n`)).toEqual([]);
  });
});

describe('names towards the outside', () => {
  const other = (fields: string) => ({ path: 'web.yaml', text: `${HEADER}kind: Service\nname: web\nport: 80\n${fields}` });
  const both = (fields: string, others: string) => problems([{ path: 'mesh.yaml', text: MESH }, service(rest + fields), other(others)]);

  it('are of one service at a gateway', () => {
    const host = 'ingress: [{ host: shop.example, gateway: edge/public }]\n';
    expect(both(host, host)).toEqual(['web.yaml:5 ingress[0]: `catalog` has this host at this gateway already; give it to one of them']);
    expect(both(host, host.replace('public', 'private'))).toEqual([]);
  });

  it.each(['web', 'web.default', 'web.default.svc', 'web.default.svc.cluster.local'])('are not %s, which is inside', (host) => {
    expect(both(`egress: [${host}]\n`, '')).toEqual([
      `catalog.yaml:5 egress[0]: \`${host}\` is the service \`web\` of the mesh, not a host outside it`,
    ]);
  });

  it('are refused at the entry of each port', () => {
    const found = both('egress: [a.example, { host: web, port: 8443 }, web]\n', '');
    expect(found.map((problem) => problem.split(':')[1])).toEqual(['5 egress[1]', '5 egress[2]']);
  });
});

describe('everything a service can ask for', () => {
  it('reads back from storage as itself', () => {
    const fields = `${rest}stable: v1
selector: { app: x }
serviceAccount: sa
retries: 2
connectTimeout: 1s
retryBudget: 20
circuitBreaker: { maxConnections: 1, maxPendingRequests: 2, maxRequests: 3, maxRequestsPerConnection: 4 }
outlierDetection: true
loadBalancing: { hash: { header: x-user } }
failover: [westeurope]
mtls: strict
allow: [catalog, { from: [{ namespace: n, serviceAccount: s }], methods: [GET], paths: [/a, { prefix: /b }, { regex: /c.* }] }]
egress: [a.example]
ingress: [{ host: a.example, gateway: g }]
telemetry: { accessLog: all, tracing: 1 }
routes: [{ name: a, match: { methods: [GET] }, mirror: v2, fault: { delay: 1s, abort: 503 } }]
`;
    const spec = good(fields);
    expect(serviceSpecSchema.parse(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
  });
});
