/** What Open Service Mesh is told: the one split of a service, and callers as the plan allows them in whatever order it looks, or the plan is refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { osmRenderer } from '../../../src/dataplanes/osm/renderer.ts';
import { isRefusal, judge } from '../../../src/plan/fidelity.ts';
import type { PlannedSecurity, ServicePlan } from '../../../src/plan/plan.ts';
import { arbitraryPlan } from '../../plan/arbitraries.ts';
import { arbitraryAllow, arbitraryCaller, arbitraryRequest, mayCall, planOf } from '../kubernetes/requests.ts';
import { allows } from './osm-model.ts';

const last = { name: 'default', match: {} };
const refusals = (plan: ServicePlan) =>
  judge(plan, osmRenderer.fidelity)
    .filter(isRefusal)
    .map(({ where, judgement }) => `${where}: ${judgement.code}`);
const secured = (allow: PlannedSecurity['allow'], over: Partial<PlannedSecurity> = {}) =>
  planOf([last], { security: { stage: 'strict', trustDomain: 'cluster.local', serviceAccount: 'catalog', allow, ...over } });
const ofKind = (plan: ServicePlan, kind: string) => osmRenderer.render(plan).filter((object) => object.kind === kind);
const web = [{ namespace: 'shop', serviceAccount: 'web' }];
const prober = [{ namespace: 'ops', serviceAccount: 'prober' }];

describe('who may call', () => {
  it('is whom the plan allows, whichever TrafficTarget is looked at first, or the plan is refused', () => {
    let taken = 0;
    fc.assert(
      fc.property(
        arbitraryAllow,
        arbitraryCaller,
        fc.array(arbitraryRequest, { minLength: 5, maxLength: 5 }),
        (allow, caller, requests) => {
          const plan = secured(allow);
          if (refusals(plan).length > 0) return;
          taken += 1;
          const objects = osmRenderer.render(plan);
          for (const request of requests) {
            expect(allows(objects, 'catalog', caller, request)).toBe(mayCall(allow, caller, request));
            expect(allows(objects.toReversed(), 'catalog', caller, request)).toBe(mayCall(allow, caller, request));
          }
        },
      ),
      { numRuns: 600 },
    );
    expect(taken).toBeGreaterThan(100);
  });

  it('is said by expressions with both anchors, in which a dot is a dot', () => {
    const allow = [{ callers: web, paths: [{ exact: '/health.txt' }] }];
    const [group] = ofKind(secured(allow), 'HTTPRouteGroup');
    expect(group).toMatchObject({
      spec: { matches: [{ pathRegex: '^(?:/health\\.txt)$' }] },
    });
  });

  it('is nobody where nobody is named: there is no TrafficTarget', () => {
    expect(ofKind(secured([]), 'TrafficTarget')).toEqual([]);
    expect(refusals(secured([]))).toEqual([]);
  });

  it('is refused where two rules overlap and differ in their callers', () => {
    expect(refusals(secured([{ callers: web }, { callers: prober, paths: [{ exact: '/health' }] }]))).toEqual([
      'allow.0.callers: OverlappingRules',
      'allow.1.callers: OverlappingRules',
    ]);
    expect(
      refusals(
        secured([
          { callers: web, methods: ['GET'] },
          { callers: prober, methods: ['POST'] },
        ]),
      ),
    ).toEqual([]);
    expect(refusals(secured([{ callers: web }, { callers: web, paths: [{ exact: '/health' }] }]))).toEqual([]);
  });

  it('is refused for an account that several services may share: whoever may call one might call the others', () => {
    expect(refusals(secured([], { serviceAccount: 'shared' }))).toEqual(['mtls: SharedServiceAccount']);
  });

  it('is refused for other methods, of which `*` would be all', () => {
    expect(refusals(secured([{ callers: web, methods: ['*'] }]))).toEqual(['allow.0.methods: UnknownMethod']);
  });

  it.each(['permissive', 'shadow'] as const)('cannot be %s for one service', (stage) => {
    expect(refusals(secured([], { stage }))).toContain('mtls: AlwaysMutualTls');
  });
});

describe('the split', () => {
  it('names the service by its bare name, and every version with its weight', () => {
    const split = [
      { version: 'v1', weight: 90 },
      { version: '2.0', weight: 10 },
      { version: 'v0', weight: 0 },
    ];
    const [rendered] = ofKind({ ...planOf([last]), routes: [{ ...last, split }] }, 'TrafficSplit');
    expect(rendered).toMatchObject({
      apiVersion: 'split.smi-spec.io/v1alpha2',
      spec: {
        service: 'catalog',
        backends: [
          { service: 'catalog-v1', weight: 90 },
          { service: expect.stringMatching(/^catalog-2-0-[0-9a-f]{8}$/), weight: 10 },
          { service: 'catalog-v0', weight: 0 },
        ],
      },
    });
  });

  it('is all there is: a route of its own for some requests is refused', () => {
    expect(refusals(planOf([{ name: 'beta', match: { path: { prefix: '/beta' } } }, last]))).toEqual([
      'routes.beta.match.path: OneRouteOnly',
      'routes.beta.order: OneRouteOnly',
    ]);
  });

  it('always sums to 100, and stands once for each service', () => {
    fc.assert(
      fc.property(arbitraryPlan, (plan) => {
        if (refusals(plan).length > 0) return;
        const splits = ofKind(plan, 'TrafficSplit');
        expect(splits).toHaveLength(1);
        const weights = [...JSON.stringify(splits).matchAll(/"weight":(\d+)/g)].map(([, weight]) => Number(weight));
        expect(weights.reduce((sum, weight) => sum + weight, 0)).toBe(100);
      }),
      { numRuns: 300 },
    );
  });
});

describe('what else it is told', () => {
  it('has limits on the Service of each version, since that is what proxies connect to', () => {
    const plan = { ...planOf([last]), connectTimeoutMs: 750, circuitBreaker: { maxConnections: 4, maxRequests: 6 } };
    expect(ofKind(plan, 'UpstreamTrafficSetting')).toMatchObject([
      {
        spec: {
          host: 'catalog-default.shop.svc.cluster.local',
          connectionSettings: { tcp: { maxConnections: 4, connectTimeout: '0.750s' }, http: { maxRequests: 6 } },
        },
      },
    ]);
    expect(ofKind(planOf([last]), 'UpstreamTrafficSetting')).toEqual([]);
  });

  it('knows no port of HTTP/2 by name: as any other protocol it would get no listener', () => {
    expect(osmRenderer.render({ ...planOf([last]), protocol: 'http2' })[0]).toMatchObject({ spec: { ports: [{ appProtocol: 'http' }] } });
  });

  it('speaks of egress for an account, and is refused without one', () => {
    const egress = [{ host: 'rates.example', port: 443, protocol: 'tls' }] as const;
    expect(refusals(planOf([last], { egress }))).toEqual(['egress.rates.example: EgressNeedsAccount']);
    expect(ofKind({ ...secured([]), egress }, 'Egress')).toMatchObject([
      {
        spec: {
          sources: [{ kind: 'ServiceAccount', name: 'catalog', namespace: 'shop' }],
          hosts: ['rates.example'],
          ports: [{ number: 443, protocol: 'https' }],
        },
      },
    ]);
  });
});
