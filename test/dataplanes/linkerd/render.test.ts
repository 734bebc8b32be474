/**
 * What Linkerd is told: a request goes by the route of the plan, and a caller gets through where the plan allows it, or the plan is
 * refused; and nothing is written that Linkerd's policy controller would drop without a word.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linkerdRenderer } from '../../../src/dataplanes/linkerd/renderer.ts';
import { isRefusal, judge } from '../../../src/plan/fidelity.ts';
import type { PlannedSecurity, ServicePlan } from '../../../src/plan/plan.ts';
import { arbitraryPlan } from '../../plan/arbitraries.ts';
import {
  arbitraryAllow,
  arbitraryCaller,
  arbitraryRequest,
  arbitraryRoutedPlan,
  mayCall,
  planOf,
  routeOf,
} from '../kubernetes/requests.ts';
import { accessPolicyOf, allows, backendOf, readWhole } from './proxy-model.ts';

const last = { name: 'default', match: {} };
const refusals = (plan: ServicePlan) =>
  judge(plan, linkerdRenderer.fidelity)
    .filter(isRefusal)
    .map(({ where, judgement }) => `${where}: ${judgement.code}`);
const secured = (allow: PlannedSecurity['allow'], stage: PlannedSecurity['stage'] = 'strict') =>
  planOf([last], { security: { stage, trustDomain: 'cluster.local', serviceAccount: 'catalog', allow } });
const requests = fc.array(arbitraryRequest, { minLength: 10, maxLength: 10 });

describe('the way of a request', () => {
  it("is the plan's, whichever HTTPRoute is older, or the plan is refused", () => {
    let taken = 0;
    fc.assert(
      fc.property(arbitraryRoutedPlan(['/a|/a/b', '/[a-z]+']), requests, (plan, some) => {
        if (refusals(plan).length > 0) return;
        taken += 1;
        const objects = linkerdRenderer.render(plan);
        for (const request of some) {
          const expected = `catalog-${routeOf(plan, request)}`;
          expect(backendOf(objects, request)).toBe(expected);
          expect(backendOf(objects.toReversed(), request)).toBe(expected);
        }
      }),
      { numRuns: 1_000 },
    );
    expect(taken).toBeGreaterThan(60);
  });

  it('is refused where only the age of two HTTPRoutes would decide', () => {
    const wide = { name: 'wide', match: { path: { prefix: '/a' } } };
    const narrow = { name: 'narrow', match: { path: { exact: '/a/b' } } };
    expect(refusals(planOf([narrow, wide, last]))).toEqual([]);
    expect(refusals(planOf([narrow, { ...wide, timeoutMs: 50 }, last]))).toEqual(['routes.narrow.order: RouteOvertaken']);
  });

  it('has a route for everything before there is any other, which alone would be answered 404 for the rest', () => {
    const slow = { name: 'slow', match: { path: { exact: '/slow' } }, timeoutMs: 10_000 };
    const kinds = linkerdRenderer.render(planOf([slow, last])).filter(({ kind }) => kind === 'HTTPRoute');
    expect(kinds.map(({ metadata }) => metadata)).toMatchObject([{ name: 'catalog' }, { name: 'catalog-slow' }]);
  });
});

describe('who may call', () => {
  it('is whom the plan allows, whichever route is older, or the plan is refused', () => {
    let taken = 0;
    fc.assert(
      fc.property(arbitraryAllow, arbitraryCaller, requests, (allow, caller, some) => {
        const plan = secured(allow);
        if (refusals(plan).length > 0) return;
        taken += 1;
        const objects = linkerdRenderer.render(plan);
        for (const request of some) {
          expect(allows(objects, caller, request)).toBe(mayCall(allow, caller, request));
          expect(allows(objects.toReversed(), caller, request)).toBe(mayCall(allow, caller, request));
          expect(allows(objects, 'unauthenticated', request)).toBe(false);
        }
      }),
      { numRuns: 1_000 },
    );
    expect(taken).toBeGreaterThan(150);
  });

  it('is everybody, everybody with a report, or those who are named', () => {
    const allow = [{ callers: [{ namespace: 'shop', serviceAccount: 'web' }] }];
    expect(accessPolicyOf(linkerdRenderer.render(secured(allow, 'permissive')))).toBe('all-unauthenticated');
    expect(accessPolicyOf(linkerdRenderer.render(secured(allow, 'shadow')))).toBe('audit');
    expect(accessPolicyOf(linkerdRenderer.render(secured(allow)))).toBe('deny');
    expect(accessPolicyOf(linkerdRenderer.render(planOf([last])))).toBeUndefined();
  });

  it('turns the port over to the policies last, when they are there', () => {
    const allow = [{ callers: [{ namespace: 'shop', serviceAccount: 'web' }], methods: ['GET'] }];
    expect(linkerdRenderer.render(secured(allow)).at(-1)).toMatchObject({ kind: 'Server' });
  });

  it('is refused where the paths of two rules overlap, at the rules that name them', () => {
    const web = [{ namespace: 'shop', serviceAccount: 'web' }];
    const prober = [{ namespace: 'ops', serviceAccount: 'prober' }];
    const torn = [{ callers: web, paths: [{ prefix: '/a' }] }, { callers: prober }, { callers: prober, paths: [{ exact: '/a/b' }] }];
    expect(refusals(secured(torn))).toEqual([]);
    const narrow = [
      { callers: web, paths: [{ prefix: '/a' }] },
      { callers: prober, paths: [{ exact: '/a/b' }] },
    ];
    expect(refusals(secured(narrow))).toEqual(['allow.0.paths: OverlappingPaths', 'allow.1.paths: OverlappingPaths']);
    expect(refusals(secured([{ callers: web, paths: [{ exact: '/' }] }]))).toEqual(['allow.0.paths: RootPathAlone']);
    expect(refusals(secured([{ callers: web, methods: ['PURGE'] }]))).toEqual(['allow.0.methods: UnknownMethod']);
    expect(refusals(secured([{ callers: web, paths: [{ regex: '/a' }] }]))).toEqual(['allow.0.paths: OtherRegexDialect']);
  });

  it('is refused on a path of which the proxy would not see that it leads upwards, or that is too long as an expression', () => {
    const web = [{ namespace: 'shop', serviceAccount: 'web' }];
    const on = (path: { prefix: string } | { exact: string }) => refusals(secured([{ callers: web, paths: [path] }]));
    expect(on({ prefix: '/public/../admin' })).toEqual(['allow.0.paths: PathNotResolved']);
    expect(on({ exact: '/public/..' })).toEqual(['allow.0.paths: PathNotResolved']);
    expect(on({ prefix: `/${'a'.repeat(400)}` })).toEqual([]);
    expect(on({ prefix: `/${'.'.repeat(400)}a` })).toEqual(['allow.0.paths: PathTooLong']);
    expect(refusals(planOf([{ name: 'r', match: { path: { regex: `/${'a'.repeat(1_020)}` } } }, last]))).toContain(
      'routes.r.match.path: PathTooLong',
    );
  });

  it('is refused where there are more combinations than a route holds', () => {
    const paths = Array.from({ length: 33 }, (_, index) => ({ exact: `/${index}` }));
    const allow = [{ callers: [{ namespace: 'shop', serviceAccount: 'web' }], methods: ['GET'], paths }];
    expect(refusals(secured(allow))).toEqual(['allow.0.callers: TooManyPermissions']);
  });
});

describe('what Linkerd drops without a word', () => {
  it('is never written: whatever is rendered is read whole', () => {
    let taken = 0;
    fc.assert(
      fc.property(fc.oneof(arbitraryPlan, arbitraryRoutedPlan([])), (plan) => {
        if (refusals(plan).length > 0) return;
        taken += 1;
        readWhole(linkerdRenderer.render(plan));
      }),
      { numRuns: 1_000 },
    );
    expect(taken).toBeGreaterThan(30);
  });

  it('is refused: a mirror, for which the whole route would be dropped and the one before it stay', () => {
    const mirror = { version: 'default', percent: 100 };
    expect(refusals(planOf([{ ...last, mirror }]))).toEqual(['routes.default.mirror: NoMirroring']);
  });

  it('is not relied on: no limit of 0, which would be one retry', () => {
    const rendered = JSON.stringify(linkerdRenderer.render(planOf([{ ...last, retries: { attempts: 0, on: ['5xx'] } }])));
    expect(rendered).not.toContain('retry.linkerd.io');
  });

  it('is in annotations as it is read there: integers with units, statuses of today', () => {
    const retries = { attempts: 3, perTryTimeoutMs: 1500, on: ['5xx', 'retriable-4xx'] } as const;
    const [route] = linkerdRenderer.render(planOf([{ ...last, timeoutMs: 90_500, retries }])).filter(({ kind }) => kind === 'HTTPRoute');
    expect(route).toMatchObject({
      metadata: {
        annotations: {
          'timeout.linkerd.io/request': '90500ms',
          'retry.linkerd.io/limit': '3',
          'retry.linkerd.io/timeout': '1500ms',
          'retry.linkerd.io/http': '5xx,409',
        },
      },
    });
  });
});

describe("the service's own Service", () => {
  const detection = { consecutiveErrors: 4, intervalMs: 1000, ejectionMs: 30_000, maxEjectionPercent: 100 };
  const own = (plan: ServicePlan) =>
    linkerdRenderer
      .render(plan)
      .find(({ kind, metadata }) => kind === 'Service' && JSON.stringify(metadata).startsWith('{"name":"catalog",'));

  it('gets annotations and nothing else: no label of ours, no port', () => {
    expect(own(planOf([last], { outlierDetection: detection }))).toEqual({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {
        name: 'catalog',
        namespace: 'shop',
        annotations: {
          'balancer.linkerd.io/failure-accrual': 'consecutive',
          'balancer.linkerd.io/failure-accrual-consecutive-max-failures': '4',
          'balancer.linkerd.io/failure-accrual-consecutive-min-penalty': '30000ms',
          'balancer.linkerd.io/failure-accrual-consecutive-max-penalty': '300000ms',
          'balancer.linkerd.io/failure-accrual-consecutive-jitter-ratio': '0',
        },
      },
    });
  });

  it('is applied without them too, so that they go when they are no longer asked for', () => {
    expect(own(planOf([last]))).toEqual({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'catalog', namespace: 'shop', annotations: {} },
    });
  });

  it('is refused a limit on how many endpoints are out', () => {
    expect(refusals(planOf([last], { outlierDetection: { ...detection, maxEjectionPercent: 50 } }))).toEqual([
      'outlierDetection.maxEjectionPercent: NoEjectionLimit',
    ]);
  });
});
