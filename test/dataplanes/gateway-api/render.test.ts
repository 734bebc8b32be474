/** What Gateway API is told, and that a request goes by the same route there as in the plan, or the plan is refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gatewayDuration } from '../../../src/dataplanes/gateway-api/duration.ts';
import { gatewayApiRenderer } from '../../../src/dataplanes/gateway-api/renderer.ts';
import { isRefusal, judge } from '../../../src/plan/fidelity.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import { arbitraryPlan } from '../../plan/arbitraries.ts';
import { greatest, holds, type Match, type Rule, routesUnder } from '../kubernetes/http-route-model.ts';
import { arbitraryRequest, arbitraryRoutedPlan, byElements, planOf, type Request, routeOf } from '../kubernetes/requests.ts';

const standard = gatewayApiRenderer(false);
const experimental = gatewayApiRenderer(true);
const refusals = (plan: ServicePlan, { fidelity } = standard) =>
  judge(plan, fidelity)
    .filter(isRefusal)
    .map(({ where, judgement }) => `${where}: ${judgement.code}`);

/** HTTPRouteRule.matches: exact path, then the longer prefix, then a method, then more headers, then the first. */
function ruleTaken(rules: readonly Rule[], request: Request): Rule | undefined {
  const matching = rules.flatMap((rule) => rule.matches.filter((match) => holds(match, request)).map((match) => ({ rule, match })));
  return greatest(matching, ({ match }) => closeness(match))?.rule;
}

const closeness = ({ path, method, headers }: Match): readonly number[] => [
  path.type === 'Exact' ? 1 : 0,
  path.type === 'PathPrefix' && path.value !== '/' ? path.value.replace(/\/$/, '').length : 1,
  method === undefined ? 0 : 1,
  headers.length,
];

describe('what an HTTPRoute has no room for', () => {
  const onHeaders = (headers: NonNullable<ServicePlan['routes'][number]['match']['headers']>) =>
    refusals(
      planOf([
        { name: 'r', match: { headers } },
        { name: 'default', match: {} },
      ]),
    );

  it('is refused: more than 16 headers, and a value that is empty', () => {
    const headers = Array.from({ length: 17 }, (_, index) => ({ name: `x-${index}`, exact: 'yes' }));
    expect(onHeaders(headers.slice(1))).toEqual([]);
    expect(onHeaders(headers)).toEqual(['routes.r.order: TooManyHeaders']);
    expect(onHeaders([{ name: 'x-a', exact: '' }])).toEqual(['routes.r.match.headers.x-a: EmptyHeaderValue']);
  });
});

describe('the way of a request', () => {
  it("is the plan's, or the plan is refused", () => {
    let taken = 0;
    fc.assert(
      fc.property(arbitraryRoutedPlan([]), fc.array(arbitraryRequest, { minLength: 10, maxLength: 10 }), (plan, requests) => {
        if (refusals(plan).length > 0) return;
        taken += 1;
        const rules = routesUnder('Service', standard.render(plan)).flatMap(({ spec }) => spec.rules);
        for (const request of requests) {
          expect(ruleTaken(rules, request)?.backendRefs[0]?.name).toBe(`catalog-${routeOf(plan, request, byElements)}`);
        }
      }),
      { numRuns: 1_000 },
    );
    expect(taken).toBeGreaterThan(80);
  });

  it('is refused where a later route matches more closely, at the route that would lose its requests', () => {
    const prefix = { name: 'wide', match: { path: { prefix: '/a' } } };
    const longer = { name: 'narrow', match: { path: { prefix: '/a/b' } } };
    const last = { name: 'default', match: {} };
    expect(refusals(planOf([longer, prefix, last]))).toEqual([]);
    expect(refusals(planOf([prefix, longer, last]))).toEqual(['routes.wide.order: RouteOvertaken']);
    expect(refusals(planOf([{ name: 'testers', match: { headers: [{ name: 'x', present: true }] } }, prefix, last]))).toEqual([
      'routes.testers.order: RouteOvertaken',
    ]);
    const slashed = { name: 'slashed', match: { path: { prefix: '/a/' } } };
    expect(refusals(planOf([slashed, { name: 'exact', match: { path: { exact: '/a' } } }, last]))).toEqual([
      'routes.slashed.order: RouteOvertaken',
    ]);
    const other = { name: 'other', match: { path: { exact: '/b' } } };
    expect(refusals(planOf([prefix, other, last]))).toEqual([]);
  });
});

describe('what an HTTPRoute cannot hold', () => {
  const last = { name: 'default', match: {} };
  it.each([
    ['methods it does not know', { methods: ['GET', 'PURGE'] }, 'routes.odd.match.methods: UnknownMethod'],
    ['paths that are none of a URL', { path: { prefix: '/a b' } }, 'routes.odd.match.path: PathNotInGatewayApi'],
    ['empty path elements', { path: { exact: '/a//b' } }, 'routes.odd.match.path: PathNotInGatewayApi'],
    ['paths that go up', { path: { exact: '/a/..' } }, 'routes.odd.match.path: PathNotInGatewayApi'],
    ['slashes that are escaped', { path: { exact: '/a%2Fb' } }, 'routes.odd.match.path: PathNotInGatewayApi'],
    ['paths by expression', { path: { regex: '/a' } }, 'routes.odd.match.path: RegexPathUnordered'],
    ['the absence of a header', { headers: [{ name: 'x', present: false }] }, 'routes.odd.match.headers.x: HeaderAbsence'],
  ])('is refused: %s', (_, match, expected) => {
    expect(refusals(planOf([{ name: 'odd', match }, last]))).toEqual([expected]);
  });

  it('is refused: more versions and more routes than its lists are long', () => {
    const versions = Array.from({ length: 17 }, (_, index) => ({ version: `v${index}`, weight: index === 0 ? 84 : 1 }));
    const wide = { ...planOf([last]), routes: [{ ...last, split: versions }] };
    expect(refusals(wide)).toEqual(['routes.default.split: TooManyVersions']);
    expect(refusals({ ...wide, routes: [{ ...last, split: versions.slice(0, 16) }] })).toEqual([]);
    const routes = Array.from({ length: 15 }, (_, index) => ({ name: `r${index}`, match: { path: { exact: `/${index}` } } }));
    expect(refusals(planOf([...routes, last]))).toEqual([]);
    expect(new Set(refusals(planOf([...routes, { name: 'one-more', match: { path: { exact: '/x' } } }, last])))).toContain(
      'routes.r0.order: TooManyRoutes',
    );
  });

  it('is refused: retries, until the experimental channel may be used', () => {
    const retried = planOf([{ ...last, retries: { attempts: 2, on: ['gateway-error'] } }]);
    expect(refusals(retried)).toEqual([
      'routes.default.retries.attempts: ExperimentalChannelOnly',
      'routes.default.retries.on: ExperimentalChannelOnly',
    ]);
    expect(refusals(retried, experimental)).toEqual([]);
  });

  it('is refused: everything about security', () => {
    const security = { stage: 'strict', trustDomain: 'mesh.example', serviceAccount: 'catalog', allow: [] } as const;
    expect(refusals(planOf([last], { security }))).toEqual(['mtls: NoSecurityInGatewayApi', 'allow: NoSecurityInGatewayApi']);
  });
});

describe('rendering', () => {
  it('gives the same for equal plans, and never a field of the experimental channel where that may not be used', () => {
    fc.assert(
      fc.property(arbitraryPlan, (plan) => {
        if (refusals(plan).length > 0) return;
        const rendered = standard.render(plan);
        expect(standard.render(structuredClone(plan))).toEqual(rendered);
        expect(JSON.stringify(rendered)).not.toContain('"retry"');
      }),
      { numRuns: 500 },
    );
  });

  it('writes no time-out where there is none, so that no default of an implementation counts', () => {
    expect(standard.render(planOf([{ name: 'default', match: {} }])).at(-1)).toMatchObject({
      spec: { rules: [{ timeouts: { request: '0s' } }] },
    });
  });

  it.each([
    [0, '0s'],
    [1, '1ms'],
    [90_500, '1m30s500ms'],
    [3_600_000, '1h'],
    [30 * 86_400_000, '720h'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(gatewayDuration(ms)).toBe(text);
    expect(text).toMatch(/^([0-9]{1,5}(h|m|s|ms)){1,4}$/);
  });
});
