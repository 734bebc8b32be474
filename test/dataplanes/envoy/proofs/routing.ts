/** Proofs of what a request's path, method and headers, its version's weight, copies and faults do. */
import type { PlannedRoute, RouteMatch } from '../../../../src/plan/plan.ts';
import { inTurn, type Proof, type Service } from './proof.ts';

const toV2 = (match: RouteMatch, over: Partial<PlannedRoute> = {}): PlannedRoute => ({
  name: 'matched',
  match,
  split: [{ version: 'v2', weight: 100 }],
  ...over,
});

/** Of two matches, which takes `request` to v2. */
function matched(one: RouteMatch, other: RouteMatch, request: Parameters<Service['call']>[0], shows: readonly [string, string]): Proof {
  return {
    kind: 'calling',
    says: [{ routes: [toV2(one)] }, { routes: [toV2(other)] }],
    observe: async (service) => (await service.call(request)).body,
    shows,
  };
}

const header = (value: string) => ({ headers: { 'x-app': value } });
const spoken = async (service: Service, at: 'v1' | 'http2') => {
  await service.call();
  return service.received(at).map(({ httpVersion }) => httpVersion);
};

const split = (v2: number) => ({
  route: {
    split: [
      { version: 'v1', weight: 100 - v2 },
      { version: 'v2', weight: v2 },
    ],
  },
});
const mirrored = (percent: number) => ({ route: { mirror: { version: 'v2', percent } } });
const MANY = 200;

/** Of many requests: none, a few, half or all are sent to v2. Chance would have to be off by more than eight deviations. */
async function share(service: Service): Promise<string> {
  await Promise.all(Array.from({ length: MANY }, () => service.call()));
  const sent = (await service.sent('v2')) / MANY;
  return sent === 0 ? 'none' : sent === 1 ? 'all' : sent < 0.3 ? 'few' : 'half';
}

const MS = 1_000;
/** The quickest of several; a machine that stands still does so for one of them. */
async function quickest(service: Service): Promise<string> {
  const took = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const start = performance.now();
      await service.call();
      return performance.now() - start;
    }),
  );
  return Math.min(...took) >= MS ? 'waits' : 'goes';
}

export const routingProofs = {
  'protocol.http': {
    kind: 'calling',
    says: [{ protocol: 'http' }, { protocol: 'http2' }],
    observe: (service) => spoken(service, 'v1'),
    shows: [['1.1'], []],
  },
  'protocol.http2': {
    kind: 'calling',
    says: [{ protocol: 'http2' }, { protocol: 'http' }],
    endpoints: [{ at: 'http2' }],
    observe: (service) => spoken(service, 'http2'),
    shows: [['2.0'], []],
  },
  'protocol.grpc': {
    kind: 'calling',
    says: [{ protocol: 'grpc' }, { protocol: 'http' }],
    endpoints: [{ at: 'http2' }],
    observe: (service) => spoken(service, 'http2'),
    shows: [['2.0'], []],
  },
  'route.split': { kind: 'calling', says: [split(10), split(50)], observe: share, shows: ['few', 'half'] },
  'route.path.exact': matched({ path: { exact: '/a' } }, { path: { exact: '/a/b' } }, { path: '/a/b?c' }, ['v1', 'v2']),
  'route.path.prefix': matched({ path: { prefix: '/a' } }, { path: { prefix: '/b' } }, { path: '/a/b' }, ['v2', 'v1']),
  'route.path.regex': matched({ path: { regex: '/v[0-9]' } }, { path: { regex: '/v[0-9]+' } }, { path: '/v17?c' }, ['v1', 'v2']),
  'route.methods': matched({ methods: ['PUT', 'POST'] }, { methods: ['PUT', 'PATCH'] }, { method: 'POST' }, ['v2', 'v1']),
  'route.headers.exact': matched(
    { headers: [{ name: 'x-app', exact: 'a' }] },
    { headers: [{ name: 'x-app', exact: 'ab' }] },
    header('ab'),
    ['v1', 'v2'],
  ),
  'route.headers.prefix': matched(
    { headers: [{ name: 'x-app', prefix: 'a' }] },
    { headers: [{ name: 'x-app', prefix: 'b' }] },
    header('ab'),
    ['v2', 'v1'],
  ),
  'route.headers.regex': matched(
    { headers: [{ name: 'x-app', regex: 'a' }] },
    { headers: [{ name: 'x-app', regex: 'a.' }] },
    header('ab'),
    ['v1', 'v2'],
  ),
  'route.headers.present': matched(
    { headers: [{ name: 'x-app', present: true }] },
    { headers: [{ name: 'x-other', present: true }] },
    header('ab'),
    ['v2', 'v1'],
  ),
  'route.headers.absent': matched(
    { headers: [{ name: 'x-app', present: false }] },
    { headers: [{ name: 'x-other', present: false }] },
    header('ab'),
    ['v1', 'v2'],
  ),
  'route.headers.twice': matched(
    {
      headers: [
        { name: 'x-app', prefix: 'a' },
        { name: 'x-app', regex: '.*z' },
      ],
    },
    {
      headers: [
        { name: 'x-app', prefix: 'a' },
        { name: 'x-app', regex: '.*b' },
      ],
    },
    header('ab'),
    ['v1', 'v2'],
  ),
  'route.order': {
    kind: 'calling',
    says: [
      {
        routes: [
          toV2({ path: { prefix: '/a' } }),
          toV2({ path: { exact: '/a' } }, { name: 'second', split: [{ version: 'v1', weight: 100 }] }),
        ],
      },
      {
        routes: [
          toV2({ path: { exact: '/a' } }, { split: [{ version: 'v1', weight: 100 }] }),
          toV2({ path: { prefix: '/a' } }, { name: 'second' }),
        ],
      },
    ],
    observe: async (service) => (await service.call({ path: '/a' })).body,
    shows: ['v2', 'v1'],
  },
  'route.mirror': { kind: 'calling', says: [mirrored(100), {}], observe: share, shows: ['all', 'none'] },
  'route.mirror.percent': { kind: 'calling', says: [mirrored(10), mirrored(50)], observe: share, shows: ['few', 'half'] },
  'route.fault.delay': {
    kind: 'calling',
    says: [{ route: { fault: { delay: { ms: MS, percent: 100 } } } }, { route: { fault: { delay: { ms: 1, percent: 100 } } } }],
    observe: quickest,
    shows: ['waits', 'goes'],
  },
  'route.fault.abort': {
    kind: 'calling',
    says: [{ route: { fault: { abort: { status: 418, percent: 100 } } } }, { route: { fault: { abort: { status: 429, percent: 50 } } } }],
    observe: async (service) => [...new Set((await inTurn(60, () => service.call())).map(({ status }) => status))].sort(),
    shows: [[418], [200, 429]],
  },
  ingress: {
    kind: 'calling',
    says: [
      { ingress: [{ host: 'ingress-a.example', gateway: { name: 'public', namespace: 'edge' } }] },
      { ingress: [{ host: 'ingress-b.example', gateway: { name: 'other', namespace: 'edge' } }] },
    ],
    // The gateway called is the first one's.
    observe: async (service) => (await service.enter(`${service.name}.example:8443`)).status,
    shows: [200, 404],
  },
} as const satisfies Readonly<Record<string, Proof>>;
