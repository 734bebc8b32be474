/** What the goldens do not show of rendering for Consul: spellings at their edges, what cannot be rendered, and the custom resources. */
import { describe, expect, it } from 'vitest';
import { consulCustomResources } from '../../../src/dataplanes/consul/custom-resources.ts';
import { goDuration } from '../../../src/dataplanes/consul/entries.ts';
import { consulFidelity } from '../../../src/dataplanes/consul/fidelity.ts';
import { consulEntries, renderConsul } from '../../../src/dataplanes/consul/render.ts';
import { conditionOf, filterOf } from '../../../src/dataplanes/consul/subsets.ts';
import { judge } from '../../../src/plan/fidelity.ts';
import type { PlannedRoute, ServicePlan } from '../../../src/plan/plan.ts';
import { planOf, STRICT } from './applying.ts';

const split = (weights: Readonly<Record<string, number>>) => Object.entries(weights).map(([version, weight]) => ({ version, weight }));
const fieldsOf = (plan: ServicePlan, kind: string) => consulEntries(plan).find((entry) => entry.kind === kind)?.fields;
const routed = (...routes: readonly Partial<PlannedRoute>[]): Partial<ServicePlan> => ({
  routes: routes.map((route, index) => ({
    name: index === routes.length - 1 ? 'default' : `r${index}`,
    match: {},
    split: split({ v1: 100 }),
    ...route,
  })),
});

describe('durations', () => {
  it.each([
    [1, '1ms'],
    [999, '999ms'],
    [1_000, '1s'],
    [1_500, '1.5s'],
    [60_000, '1m0s'],
    [90_250, '1m30.25s'],
    [3_600_000, '1h0m0s'],
    [30 * 86_400_000, '720h0m0s'],
  ])('%i ms are spelled as Go spells them: %s', (ms, spelled) => {
    expect(goDuration(ms)).toBe(spelled);
  });
});

describe('routes', () => {
  it('with one version stay out of the splitter, which is written before them; the last one is always divided there', () => {
    const plan = planOf(
      'catalog',
      { v1: 100 },
      routed({ split: split({ v1: 100 }) }, { split: split({ v1: 90, v2: 10 }) }, { split: split({ v1: 90, v2: 10 }) }),
    );
    const { Routes } = Object(fieldsOf(plan, 'service-router'));
    expect(Routes.map(({ Destination }: { Destination: { ServiceSubset?: string } }) => Destination.ServiceSubset)).toEqual([
      'v1',
      undefined,
      undefined,
    ]);
    const pinned = Object(fieldsOf(planOf('catalog', {}, routed({}, {})), 'service-router')).Routes;
    expect(pinned[0].Destination.ServiceSubset).toBe('v1');
    const whole = Object(fieldsOf(planOf('catalog', { v1: 100 }), 'service-router')).Routes;
    expect(whole[0].Destination).not.toHaveProperty('ServiceSubset');
  });

  it('that are divided otherwise than the last one cannot be rendered', () => {
    for (const other of [
      { v1: 80, v2: 20 },
      { v1: 90, v3: 10 },
      { v1: 80, v2: 10, v3: 10 },
    ])
      expect(() => renderConsul(planOf('catalog', {}, routed({ split: split(other) }, { split: split({ v1: 90, v2: 10 }) })))).toThrow(
        RangeError,
      );
  });

  it('find a header that is there and empty', () => {
    const plan = planOf('catalog', {}, routed({ match: { headers: [{ name: 'x-empty', exact: '' }] } }, {}));
    expect(Object(fieldsOf(plan, 'service-router')).Routes[0].Match).toEqual({ HTTP: { Header: [{ Name: 'x-empty', Regex: '()' }] } });
  });
});

describe('versions', () => {
  it('are filters on Meta, whose keys hold no dots and slashes, and are read back from them', () => {
    const filter = filterOf({ name: '1.2', labels: { 'app.kubernetes.io/version': '1.2' } });
    expect(filter).toBe('Service.Meta["app_kubernetes_io_version"] == "1.2"');
    expect(conditionOf(filter)).toEqual({ key: 'app_kubernetes_io_version', value: '1.2' });
    const two = filterOf({ name: 'v1', labels: { version: 'v1', app: 'catalog' } });
    expect(two).toBe('Service.Meta["app"] == "catalog" and Service.Meta["version"] == "v1"');
    for (const other of [two, 'Service.Meta.version == v1', '', 'Service.Meta["version"] != "v1"'])
      expect(conditionOf(other)).toBeUndefined();
  });

  it('have names that Consul takes', () => {
    const plan = planOf('catalog', { V1_b: 100 });
    const [name = ''] = Object.keys(Object(fieldsOf(plan, 'service-resolver')).Subsets);
    expect(name).toMatch(/^v1-b-[0-9a-f]{8}$/);
    expect(fieldsOf(plan, 'service-splitter')).toEqual({ Splits: [{ Weight: 100, ServiceSubset: name }] });
  });
});

describe('callers', () => {
  it('with several rules have the permissions of all, or all there is when one rule holds nothing back', () => {
    const rule = (more: object, ...services: string[]) => ({
      callers: services.map((service) => ({ namespace: 'default', serviceAccount: 'x', service })),
      ...more,
    });
    const allow = [
      rule({ methods: ['GET'] }, 'web', 'app'),
      rule({ paths: [{ exact: '/a' }, { prefix: '/b' }], methods: ['PUT'] }, 'web'),
      rule({}, 'app'),
    ];
    const { Sources } = Object(fieldsOf(planOf('catalog', { v1: 100 }, { security: { ...STRICT, allow } }), 'service-intentions'));
    expect(Sources).toEqual([
      { Name: 'app', Action: 'allow' },
      {
        Name: 'web',
        Permissions: [
          { Action: 'allow', HTTP: { Methods: ['GET'] } },
          { Action: 'allow', HTTP: { PathExact: '/a', Methods: ['PUT'] } },
          { Action: 'allow', HTTP: { PathPrefix: '/b', Methods: ['PUT'] } },
          { Action: 'deny', HTTP: { PathRegex: '.*' } },
        ],
      },
      { Name: '*', Action: 'deny' },
    ]);
  });
});

describe('values that Consul cannot hold', () => {
  const codes = (more: Partial<ServicePlan>) =>
    judge(planOf('catalog', { v1: 100 }, more), consulFidelity).flatMap(({ where, judgement }) =>
      judgement.kind === 'refused' ? [`${where} ${judgement.code}`] : [],
    );
  it('are refused where they stand, and no others', () => {
    expect(codes(routed({ match: { methods: ['GET', 'PURGE'] } }, { timeoutMs: 300_000 }))).toEqual([
      'routes.r0.match.methods UnknownMethod',
    ]);
    expect(codes(routed({ timeoutMs: 300_001 }))).toEqual(['routes.default.timeout SilenceEndsRequest']);
    const known = { namespace: 'shop', serviceAccount: 'web', service: 'web' };
    const { service: _service, ...unknown } = known;
    const allow = [{ callers: [known], methods: ['GET'] }, { callers: [known, unknown] }, { callers: [known], methods: ['LIST'] }];
    expect(codes({ security: { ...STRICT, allow } })).toEqual(['allow.1.callers CallerIsNoService', 'allow.2.methods UnknownMethod']);
  });
});

describe('custom resources', () => {
  it('say the same with small first letters, under the names of versions as they are', () => {
    const match = { path: { prefix: '/a' }, methods: ['GET'], headers: [{ name: 'x', present: false }] };
    const more = routed({ match, timeoutMs: 500, retries: { attempts: 1, on: ['5xx'] } }, { split: split({ V1: 90, v2: 10 }) });
    const plan = planOf(
      'catalog',
      { V1: 90, v2: 10 },
      { ...more, security: STRICT, connectTimeoutMs: 750, loadBalancing: { policy: 'hash', header: 'x-user' } },
    );
    const resources = consulCustomResources(plan);
    const labels = { 'app.kubernetes.io/managed-by': 'meshwright', 'meshwright.dev/mesh': 'shop', 'meshwright.dev/service': 'catalog' };
    const resource = (kind: string, spec: object) => {
      return { apiVersion: 'consul.hashicorp.com/v1alpha1', kind, metadata: { name: 'catalog', namespace: 'default', labels }, spec };
    };
    const [subset = ''] = Object.keys(Object(fieldsOf(plan, 'service-resolver')).Subsets);
    expect(resources).toEqual([
      resource('ServiceResolver', {
        subsets: { [subset]: { filter: 'Service.Meta["version"] == "V1"' }, v2: { filter: 'Service.Meta["version"] == "v2"' } },
        connectTimeout: '750ms',
        loadBalancer: { policy: 'ring_hash', hashPolicies: [{ field: 'header', fieldValue: 'x-user' }] },
      }),
      resource('ServiceDefaults', { protocol: 'http', localRequestTimeoutMs: 2_592_000_000, mutualTLSMode: 'strict' }),
      resource('ServiceIntentions', {
        destination: { name: 'catalog' },
        sources: [
          { name: 'web', action: 'allow' },
          { name: '*', action: 'deny' },
        ],
      }),
      resource('ServiceSplitter', {
        splits: [
          { weight: 90, serviceSubset: subset },
          { weight: 10, serviceSubset: 'v2' },
        ],
      }),
      resource('ServiceRouter', {
        routes: [
          {
            match: { http: { pathPrefix: '/a', methods: ['GET'], header: [{ name: 'x', present: true, invert: true }] } },
            destination: { serviceSubset: 'v1', requestTimeout: '500ms', idleTimeout: '-1s', numRetries: 1, retryOn: ['5xx'] },
          },
          { match: { http: { pathPrefix: '/' } }, destination: { requestTimeout: '-1s', idleTimeout: '-1s' } },
        ],
      }),
    ]);
  });
});
