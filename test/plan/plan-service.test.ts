import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planService } from '../../src/plan/plan-service.ts';
import type { ServiceSpec } from '../../src/spec/schema.ts';
import { serviceSpecs, splits } from '../spec/arbitraries.ts';

const spec: ServiceSpec = {
  name: 'catalog',
  namespace: 'shop',
  port: 8080,
  protocol: 'http2',
  dataPlanes: ['vms', 'aks'],
  versionLabel: 'app.kubernetes.io/version',
  routes: [
    { name: 'beta', match: { path: { prefix: '/beta' } }, version: 'v9', timeoutMs: 500, retries: { attempts: 0, on: [] } },
    { name: 'writes', match: { methods: ['POST'] } },
  ],
  timeoutMs: 3000,
  retries: { attempts: 2, on: ['refused-stream', 'connect-failure'] },
  rollout: {
    strategy: 'canary',
    steps: [{ weight: 100, holdMs: 0, deadlineMs: 1000 }],
    pauseDeadlineMs: 1,
    startDeadlineMs: 1,
    returnDeadlineMs: 1,
  },
  alerts: [],
  deployments: [],
};
const split = [
  { version: 'v2', weight: 10 },
  { version: 'v1', weight: 90 },
];

describe('planService', () => {
  const plan = planService('shop', spec, { split });

  it('gives pinned routes their version whole, and the split to all others', () => {
    expect(plan.routes.map(({ name, split: weights }) => [name, weights])).toEqual([
      ['beta', [{ version: 'v9', weight: 100 }]],
      [
        'writes',
        [
          { version: 'v1', weight: 90 },
          { version: 'v2', weight: 10 },
        ],
      ],
      [
        'default',
        [
          { version: 'v1', weight: 90 },
          { version: 'v2', weight: 10 },
        ],
      ],
    ]);
  });

  it('gives copies of a route to a version only while none of its requests go there', () => {
    const route = { name: 'reads', match: { methods: ['GET'] }, mirror: { version: 'v2', percent: 100 } };
    const mirrorAt = (v2: number, pinned?: string) => {
      const weights = [
        { version: 'v1', weight: 100 - v2 },
        { version: 'v2', weight: v2 },
      ];
      const routes = [{ ...route, ...(pinned === undefined ? {} : { version: pinned }) }];
      return planService('shop', { ...spec, routes }, { split: weights }).routes[0]?.mirror;
    };
    expect([mirrorAt(0), mirrorAt(5), mirrorAt(100), mirrorAt(5, 'v1')]).toEqual([route.mirror, undefined, undefined, route.mirror]);
  });

  it('names every version a split names, by the label of the spec', () => {
    expect(plan.versions).toEqual(['v1', 'v2', 'v9'].map((name) => ({ name, labels: { 'app.kubernetes.io/version': name } })));
  });

  it('hands the time-out and retries of the service to routes without their own; 0 retries are none', () => {
    expect(plan.routes.map(({ timeoutMs, retries }) => [timeoutMs, retries?.attempts])).toEqual([
      [500, undefined],
      [3000, 2],
      [3000, 2],
    ]);
    expect(plan.routes[1]?.retries?.on).toEqual(['connect-failure', 'refused-stream']);
  });

  it('says where the service lives', () => {
    expect(plan).toMatchObject({
      mesh: 'shop',
      service: 'catalog',
      namespace: 'shop',
      port: 8080,
      protocol: 'http2',
      dataPlanes: ['aks', 'vms'],
    });
  });

  it.each([
    ['99 percent', [{ version: 'v1', weight: 99 }]],
    [
      'a version twice',
      [
        { version: 'v1', weight: 50 },
        { version: 'v1', weight: 50 },
      ],
    ],
    [
      'less than nothing',
      [
        { version: 'v1', weight: 110 },
        { version: 'v2', weight: -10 },
      ],
    ],
    [
      'half percents',
      [
        { version: 'v1', weight: 99.5 },
        { version: 'v2', weight: 0.5 },
      ],
    ],
    ['nobody', []],
  ])('is never made of a split of %s', (_, wrong) => {
    expect(() => planService('shop', spec, { split: wrong })).toThrow(RangeError);
  });

  it('holds for every spec and split: splits sum to 100 over known versions, the last route matches all', () => {
    fc.assert(
      fc.property(serviceSpecs, splits, (anySpec, anySplit) => {
        const { routes, versions } = planService('shop', anySpec, { split: anySplit });
        const known = versions.map(({ name }) => name);
        for (const route of routes) {
          expect(route.split.reduce((sum, { weight }) => sum + weight, 0)).toBe(100);
          expect(known).toEqual(expect.arrayContaining(route.split.map(({ version }) => version)));
        }
        expect(routes.at(-1)?.match).toEqual({});
        expect(routes).toHaveLength(anySpec.routes.length + 1);
        for (const list of [known, ...routes.map((route) => route.split.map(({ version }) => version))])
          expect(list).toEqual([...new Set(list)].sort());
      }),
    );
  });

  it('does not depend on the order of what it is given', () => {
    fc.assert(
      fc.property(serviceSpecs, splits, (anySpec, anySplit) => {
        const turned = { ...anySpec, dataPlanes: anySpec.dataPlanes.toReversed() };
        expect(planService('shop', turned, { split: anySplit.toReversed() })).toEqual(planService('shop', anySpec, { split: anySplit }));
      }),
    );
  });
});
