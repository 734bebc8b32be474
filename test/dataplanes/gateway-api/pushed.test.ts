/** Which proxies serve what an HTTPRoute of ours says, told from what istiod would send them. */
import { describe, expect, it } from 'vitest';
import { carriesRoutes, leadsToServices } from '../../../src/dataplanes/gateway-api/pushed.ts';
import type { VirtualHost } from '../../../src/dataplanes/istio/debug.ts';
import { planOf } from '../kubernetes/requests.ts';

const plan = {
  ...planOf([
    { name: 'beta', match: { path: { exact: '/beta' }, methods: ['GET', 'POST'] } },
    { name: 'default', match: {} },
  ]),
  routes: [
    { name: 'beta', match: { path: { exact: '/beta' }, methods: ['GET', 'POST'] }, split: [{ version: 'v2', weight: 100 }] },
    {
      name: 'default',
      match: {},
      split: [
        { version: 'v1', weight: 90 },
        { version: 'v2', weight: 10 },
        { version: 'v3', weight: 0 },
      ],
    },
  ],
};
const cluster = (version: string) => `outbound|8080||catalog-${version}.shop.svc.cluster.local`;
const route = (rule: number, weights: Readonly<Record<string, number>>) => ({
  name: `shop.catalog.${rule}`,
  origin: '/apis/networking.istio.io/v1/namespaces/shop/virtual-service/shop~8080~catalog.shop.svc.cluster.local',
  weights: Object.fromEntries(Object.entries(weights).map(([version, weight]) => [cluster(version), weight])),
});
const host = (routes: VirtualHost['routes'], domains = ['catalog.shop.svc.cluster.local', 'catalog']): VirtualHost => ({ domains, routes });
const beta = [route(0, { v2: 100 }), route(0, { v2: 100 })];
const judge = carriesRoutes(plan);

describe('what istiod pushes of a service', () => {
  it('is ours where every rule is there with exactly its weights, in whatever order they are tried', () => {
    expect(judge([host([...beta, route(1, { v1: 90, v2: 10 })])])).toBe('yes');
    expect(judge([host([route(1, { v1: 90, v2: 10 }), ...beta])])).toBe('yes');
  });

  it.each([
    ['other weights', [...beta, route(1, { v1: 95, v2: 5 })]],
    ['a version that should get nothing', [...beta, route(1, { v1: 90, v2: 9, v3: 1 })]],
    ['a rule that is not there yet', [route(1, { v1: 90, v2: 10 })]],
    ['one of the alternatives of a rule as it was', [route(0, { v1: 100 }), route(0, { v2: 100 }), route(1, { v1: 90, v2: 10 })]],
    [
      'the default that the service had before any route',
      [{ name: 'default', origin: '', weights: { 'outbound|8080||catalog.shop.svc.cluster.local': 100 } }],
    ],
  ])('is not ours yet: %s', (_, routes) => {
    expect(judge([host(routes)])).toBe('no');
  });

  it('is the first of the rules that match everything, behind which nothing is sent', () => {
    const [first, last] = plan.routes;
    if (!first || !last) throw new Error('The plan has two routes.');
    const twice = { ...plan, routes: [{ ...first, match: { path: { prefix: '/' } } }, last] };
    expect(carriesRoutes(twice)([host([route(0, { v2: 100 })])])).toBe('yes');
    expect(carriesRoutes(twice)([host([route(1, { v1: 90, v2: 10 })])])).toBe('no');
    const methods = { ...plan, routes: [{ ...first, match: { path: { prefix: '/' }, methods: ['GET'] } }, last] };
    expect(carriesRoutes(methods)([host([route(0, { v2: 100 })])])).toBe('no');
  });

  it('has to be ours wherever it is: one virtual host that lags is enough', () => {
    const done = [...beta, route(1, { v1: 90, v2: 10 })];
    expect(judge([host(done), host([route(1, { v1: 100 })], ['catalog.shop.svc.cluster.local:8080'])])).toBe('no');
  });

  it('is no business of a proxy without a virtual host of it, or with one of another port or service alone', () => {
    expect(judge([])).toBe('apart');
    expect(judge([host([], ['catalog-v1.shop.svc.cluster.local'])])).toBe('apart');
    expect(judge([host([], ['catalog.shop.svc.cluster.local:9090'])])).toBe('apart');
  });

  it('leads to Services that are left of one that is gone, or does not', () => {
    const left = leadsToServices(['catalog-v1'], 'shop');
    expect(left([host([route(0, { v1: 100 })])])).toBe('no');
    expect(left([host([route(0, { v2: 100 })])])).toBe('apart');
    expect(leadsToServices(['catalog-v1'], 'other')([host([route(0, { v1: 100 })])])).toBe('apart');
  });
});
