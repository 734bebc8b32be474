/** Which fields a plan uses: what is not found here is judged by nobody, and would be lost without a word. */
import { describe, expect, it } from 'vitest';
import { istioFidelity } from '../../src/dataplanes/istio/fidelity.ts';
import { fieldsUsed, judge, PLAN_FIELDS } from '../../src/plan/fidelity.ts';
import type { ServicePlan } from '../../src/plan/plan.ts';

const split = [
  { version: 'v1', weight: 90 },
  { version: 'v2', weight: 10 },
];
const caller = { namespace: 'default', serviceAccount: 'web', service: 'web' };
const plan: ServicePlan = {
  mesh: 'sample',
  service: 'catalog',
  namespace: 'default',
  port: 80,
  protocol: 'http',
  selector: { app: 'catalog' },
  versions: [],
  dataPlanes: ['aks'],
  routes: [{ name: 'default', match: {}, split }],
};
const used = (over: Partial<ServicePlan>) => fieldsUsed({ ...plan, ...over }).map(({ field }) => field);

describe('the fields a plan uses', () => {
  it('says also what was left out and yet has to be written: no time-out, no retries', () => {
    expect(used({})).toEqual(['protocol.http', 'route.split', 'route.timeout.none', 'route.retries.none']);
  });

  it('places each use in the plan', () => {
    const retries = { attempts: 2, perTryTimeoutMs: 100, on: ['5xx', 'reset'] as const };
    const route = {
      name: 'beta',
      match: { path: { prefix: '/b' }, headers: [{ name: 'x', present: false }] },
      split: split.slice(0, 1),
      retries,
    };
    expect(fieldsUsed({ ...plan, routes: [route] }).slice(1)).toEqual([
      { field: 'route.path.prefix', where: 'routes.beta.match.path' },
      { field: 'route.headers.absent', where: 'routes.beta.match.headers.x' },
      { field: 'route.timeout.none', where: 'routes.beta.timeout' },
      { field: 'route.retries.attempts', where: 'routes.beta.retries.attempts' },
      { field: 'route.retries.on.5xx', where: 'routes.beta.retries.on' },
      { field: 'route.retries.on.reset', where: 'routes.beta.retries.on' },
      { field: 'route.retries.perTryTimeout', where: 'routes.beta.retries.perTryTimeout' },
    ]);
  });

  it('tells two conditions on one header from one', () => {
    const match = (headers: readonly { name: string; exact: string }[]) =>
      used({ routes: [{ name: 'default', match: { headers }, split }] });
    expect(match([{ name: 'x', exact: '1' }])).not.toContain('route.headers.twice');
    expect(
      match([
        { name: 'x', exact: '1' },
        { name: 'x', exact: '2' },
      ]),
    ).toContain('route.headers.twice');
  });

  it('looks at `allow` only where it is looked at, and says when nobody is allowed', () => {
    const security = { trustDomain: 'x', serviceAccount: 'catalog', allow: [{ callers: [caller], methods: ['GET'] }] };
    expect(used({ security: { ...security, stage: 'permissive' } }).slice(4)).toEqual(['mtls.permissive']);
    expect(used({ security: { ...security, stage: 'shadow' } }).slice(4)).toEqual(['mtls.shadow', 'allow.callers', 'allow.methods']);
    expect(used({ security: { ...security, stage: 'strict', allow: [] } }).slice(4)).toEqual(['mtls.strict', 'allow.nobody']);
  });

  it('tells letters that are wildcards elsewhere from all others, but not in an expression', () => {
    const allow = (rule: object) =>
      used({ security: { stage: 'strict', trustDomain: 'x', serviceAccount: 'catalog', allow: [{ callers: [caller], ...rule }] } });
    expect(allow({ methods: ['GET'], paths: [{ exact: '/a' }, { prefix: '/b' }, { regex: '/c*' }] })).not.toContain('allow.wildcards');
    for (const rule of [{ methods: ['M*'] }, { paths: [{ exact: '/a*' }] }, { paths: [{ prefix: '/{a' }] }, { paths: [{ exact: '/a}' }] }])
      expect(allow(rule)).toContain('allow.wildcards');
  });

  it('finds every field there is, over plans that use all', () => {
    const headers = [
      { name: 'a', exact: '1' },
      { name: 'a', prefix: '1' },
      { name: 'b', regex: '1' },
      { name: 'c', present: true },
      { name: 'd', present: false },
    ];
    const on = ['5xx', 'connect-failure', 'gateway-error', 'refused-stream', 'reset', 'retriable-4xx'] as const;
    const retries = { attempts: 1, perTryTimeoutMs: 1, on };
    const rule = { callers: [caller], methods: ['GET'], paths: [{ exact: '/*' }, { prefix: '/' }, { regex: '/' }] };
    const rich: Partial<ServicePlan>[] = [
      {
        routes: [
          {
            name: 'a',
            match: { path: { exact: '/' }, methods: ['GET'], headers },
            split,
            timeoutMs: 5,
            retries,
            mirror: { version: 'v2', percent: 100 },
          },
          {
            name: 'b',
            match: { path: { prefix: '/' } },
            split,
            fault: { delay: { ms: 1, percent: 1 }, abort: { status: 503, percent: 1 } },
          },
          { name: 'c', match: { path: { regex: '/' } }, split, mirror: { version: 'v2', percent: 1 } },
        ],
        tokens: { issuer: 'https://a', audience: 'a', jwks: 'https://a/keys', roles: ['a'] },
        connectTimeoutMs: 1,
        retryBudget: { percent: 20, minConcurrent: 3 },
        circuitBreaker: { maxConnections: 1, maxPendingRequests: 1, maxRequests: 1, maxRequestsPerConnection: 1 },
        outlierDetection: { consecutiveErrors: 5, intervalMs: 1, ejectionMs: 1, maxEjectionPercent: 50 },
        failover: ['westeurope'],
        security: { stage: 'strict', trustDomain: 'x', serviceAccount: 'catalog', allow: [rule] },
        egress: [
          { host: 'a.example', port: 80, protocol: 'http' },
          { host: 'b.example', port: 443, protocol: 'tls' },
        ],
        ingress: [{ host: 'shop.example', gateway: { name: 'gateway', namespace: 'edge' } }],
        telemetry: { accessLog: 'all', tracing: { percent: 1 } },
      },
      { protocol: 'http2', loadBalancing: { policy: 'hash', header: 'x' }, telemetry: { accessLog: 'errors' } },
      { protocol: 'grpc', security: { stage: 'shadow', trustDomain: 'x', serviceAccount: 'catalog', allow: [] } },
      { security: { stage: 'permissive', trustDomain: 'x', serviceAccount: 'catalog', allow: [] }, loadBalancing: { policy: 'random' } },
      { loadBalancing: { policy: 'round-robin' } },
      { loadBalancing: { policy: 'least-request' } },
    ];
    expect([...new Set(rich.flatMap(used))].sort()).toEqual(Object.keys(PLAN_FIELDS).sort());
  });

  it("gets the data plane's judgement on each", () => {
    const entries = judge({ ...plan, failover: ['westeurope'] }, istioFidelity);
    expect(entries.map(({ judgement }) => judgement)).toEqual(entries.map(({ field }) => istioFidelity[field]));
  });

  it('is refused a value that the data plane cannot hold of a field it says exactly otherwise', () => {
    const except = [{ code: 'TooLong', sentence: 'Say less.', at: () => ['routes.long.order'] }];
    const table = { ...istioFidelity, 'route.order': { kind: 'exact', except } as const };
    const routes = ['long', 'short', 'default'].map((name) => ({ name, match: {}, split }));
    expect(judge({ ...plan, routes }, table).filter(({ field }) => field === 'route.order')).toEqual([
      { field: 'route.order', where: 'routes.long.order', judgement: { kind: 'refused', code: 'TooLong', sentence: 'Say less.' } },
      { field: 'route.order', where: 'routes.short.order', judgement: { kind: 'exact' } },
    ]);
  });
});
