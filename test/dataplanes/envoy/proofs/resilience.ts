/** Proofs of what becomes of slow, failing and too many requests, and of which endpoint gets one. */
import type { Json } from '../../../../src/journal/documents.ts';
import type { CircuitBreaker, LoadBalancing, OutlierDetection, PlannedRetries, RetryCondition } from '../../../../src/plan/plan.ts';
import { besideOne, inTurn, type Placed, type Proof, type Said, type Service, until } from './proof.ts';

const retrying = (retries: Partial<PlannedRetries>): Said => ({ route: { retries: { attempts: 2, on: ['5xx'], ...retries } } });

/** How often a request is tried whose workload does this; the status of the answer comes first. */
const tries =
  (what: string, at: 'v1' | 'http2' = 'v1') =>
  async (service: Service): Promise<Json> => [
    (await service.call({ path: '/tried', headers: { 'x-do': what } })).status,
    service.received(at).length,
  ];

/** `failing` is tried again on the one condition, and not on the other. */
const retriedOn = (condition: RetryCondition, other: RetryCondition, failing: string, status: number): Proof => ({
  kind: 'calling',
  says: [retrying({ on: [condition] }), retrying({ on: [other] })],
  observe: tries(`${failing},200`),
  shows: [
    [200, 2],
    [status, 1],
  ],
});

const limited = (circuitBreaker: CircuitBreaker): Said => ({ circuitBreaker });
const detection: OutlierDetection = { consecutiveErrors: 2, intervalMs: 100, ejectionMs: 60_000, maxEjectionPercent: 100 };
const ejecting = (over: Partial<OutlierDetection>): Said => ({ outlierDetection: { ...detection, ...over } });

/** A part of the cluster as Envoy has it: what no request shows without waiting for the clock. */
const readBack =
  (...path: readonly string[]) =>
  async (service: Service): Promise<Json> =>
    path.reduce<Json>((json, key) => member(json, key), await service.cluster());

function member(json: Json, key: string): Json {
  if (typeof json !== 'object' || json === null) return null;
  return Object.entries(json).find(([name]) => name === key)?.[1] ?? null;
}

const statuses = async (service: Service, count: number): Promise<readonly number[]> =>
  (await inTurn(count, () => service.call())).map(({ status }) => status);

const TWO: readonly Placed[] = [
  { at: 'v1', version: 'v1' },
  { at: 'v2', version: 'v1' },
];
const balanced = (policy: Exclude<LoadBalancing['policy'], 'hash'>): Said => ({ loadBalancing: { policy } });
const BUSY_WITH = 3;
const CALLS = 300;

/**
 * While one endpoint has requests that wait, does it get half of the others all the same: about, or clearly less? More than
 * one, since the other may still count the request before.
 */
async function shareOfBusy(service: Service): Promise<Json> {
  const held: Promise<unknown>[] = [];
  while (service.received('v1').length < BUSY_WITH) {
    const before = service.received('v1').length + service.received('v2').length;
    held.push(service.call({ headers: { 'x-do': 'wait' } }));
    await until(async () => service.received('v1').length + service.received('v2').length > before);
    service.release('v2');
  }
  await inTurn(CALLS, () => service.call());
  const share = (service.received('v1').length - BUSY_WITH) / CALLS;
  service.release('v1');
  await Promise.all(held);
  return share > 0.37 ? 'about half' : 'less';
}

/** Whether no endpoint ever gets two requests in a row. */
async function alternates(service: Service): Promise<Json> {
  const bodies = (await inTurn(40, () => service.call())).map(({ body }) => body);
  return bodies.every((body, index) => body !== bodies[index - 1]);
}

const REGIONS: readonly Placed[] = [
  { at: 'v1', version: 'v1', region: 'near' },
  { at: 'bad', version: 'v1', region: 'near' },
  { at: 'v2', version: 'v1', region: 'far' },
];

export const resilienceProofs = {
  'route.timeout': {
    kind: 'calling',
    says: [{ route: { timeoutMs: 100 } }, { route: { timeoutMs: 20_000 } }],
    observe: tries('late'),
    shows: [
      [504, 1],
      [200, 1],
    ],
  },
  'route.timeout.none': {
    kind: 'calling',
    says: [{}, { route: { timeoutMs: 100 } }],
    observe: tries('late'),
    shows: [
      [200, 1],
      [504, 1],
    ],
  },
  'route.retries.none': {
    kind: 'calling',
    says: [{}, retrying({})],
    observe: tries('503'),
    shows: [
      [503, 1],
      [503, 3],
    ],
  },
  'route.retries.attempts': {
    kind: 'calling',
    says: [retrying({ attempts: 1 }), retrying({ attempts: 3 })],
    observe: tries('503'),
    shows: [
      [503, 2],
      [503, 4],
    ],
  },
  'route.retries.perTryTimeout': {
    kind: 'calling',
    says: [retrying({ perTryTimeoutMs: 100 }), retrying({ perTryTimeoutMs: 20_000 })],
    observe: tries('late,200'),
    shows: [
      [200, 2],
      [200, 1],
    ],
  },
  'route.retries.on.5xx': retriedOn('5xx', 'gateway-error', '500', 500),
  'route.retries.on.gateway-error': retriedOn('gateway-error', 'connect-failure', '502', 502),
  'route.retries.on.reset': retriedOn('reset', 'retriable-4xx', 'reset', 503),
  'route.retries.on.retriable-4xx': retriedOn('retriable-4xx', 'reset', '409', 409),
  'route.retries.on.refused-stream': {
    kind: 'calling',
    says: [
      { protocol: 'http2', ...retrying({ on: ['refused-stream'] }) },
      { protocol: 'http2', ...retrying({ on: ['retriable-4xx'] }) },
    ],
    endpoints: [{ at: 'http2', version: 'v1' }],
    observe: tries('refuse,200', 'http2'),
    shows: [
      [200, 2],
      [503, 1],
    ],
  },
  'route.retries.on.connect-failure': {
    kind: 'calling',
    // Of two endpoints a retry finds the other one most times, so it has many.
    says: [retrying({ attempts: 10, on: ['connect-failure'] }), retrying({ attempts: 10, on: ['retriable-4xx'] })],
    endpoints: [
      { at: 'dead', version: 'v1' },
      { at: 'v1', version: 'v1' },
    ],
    observe: async (service) => [...new Set(await statuses(service, 30))].sort(),
    shows: [[200], [200, 503]],
  },
  connectTimeout: {
    kind: 'calling',
    says: [{ connectTimeoutMs: 300 }, { connectTimeoutMs: 4_000 }],
    observe: readBack('connect_timeout'),
    shows: ['0.300s', '4s'],
  },
  retryBudget: {
    kind: 'calling',
    says: [{ retryBudget: { percent: 20, minConcurrent: 3 } }, { retryBudget: { percent: 35, minConcurrent: 7 } }],
    observe: readBack('circuit_breakers', 'thresholds', '0', 'retry_budget'),
    shows: [
      { budget_percent: { value: 20 }, min_retry_concurrency: 3 },
      { budget_percent: { value: 35 }, min_retry_concurrency: 7 },
    ],
  },
  'circuitBreaker.maxPendingRequests': {
    kind: 'calling',
    says: [limited({ maxConnections: 1, maxPendingRequests: 1 }), limited({ maxConnections: 1, maxPendingRequests: 10 })],
    observe: (service) => besideOne(service, 2),
    shows: [
      [200, 200, 503],
      [200, 200, 200],
    ],
  },
  'circuitBreaker.maxRequests': {
    kind: 'calling',
    says: [limited({ maxRequests: 2 }), limited({ maxRequests: 10 })],
    observe: (service) => besideOne(service, 2),
    shows: [
      [200, 200, 503],
      [200, 200, 200],
    ],
  },
  'circuitBreaker.maxRequestsPerConnection': {
    kind: 'calling',
    says: [limited({ maxRequestsPerConnection: 2 }), limited({ maxRequestsPerConnection: 10 })],
    observe: async (service) => {
      await inTurn(4, () => service.call());
      return new Set(service.received('v1').map(({ connection }) => connection)).size;
    },
    shows: [2, 1],
  },
  'outlierDetection.consecutiveErrors': {
    kind: 'calling',
    says: [ejecting({ consecutiveErrors: 2 }), ejecting({ consecutiveErrors: 40 })],
    endpoints: [
      { at: 'bad', version: 'v1' },
      { at: 'v1', version: 'v1' },
    ],
    observe: async (service) => {
      await inTurn(200, () => service.call());
      // A few go there while the word of it spreads in Envoy.
      return service.received('bad').length < 20 ? 'soon out' : 'long in';
    },
    shows: ['soon out', 'long in'],
  },
  'outlierDetection.interval': {
    kind: 'calling',
    says: [ejecting({ intervalMs: 250 }), ejecting({ intervalMs: 60_000 })],
    observe: readBack('outlier_detection', 'interval'),
    shows: ['0.250s', '60s'],
  },
  'outlierDetection.ejection': {
    kind: 'calling',
    says: [ejecting({ ejectionMs: 250 }), ejecting({ ejectionMs: 60_000 })],
    observe: readBack('outlier_detection', 'base_ejection_time'),
    shows: ['0.250s', '60s'],
  },
  'outlierDetection.maxEjectionPercent': {
    kind: 'calling',
    says: [ejecting({ maxEjectionPercent: 50 }), ejecting({ maxEjectionPercent: 100 })],
    endpoints: [
      { at: 'bad', version: 'v1' },
      { at: 'worse', version: 'v1' },
    ],
    observe: async (service) => {
      // Until all are out, or one that should be is kept in.
      await until(async () => {
        await service.call();
        return (await service.ejected()) === 2 || (await service.keptIn()) > 0;
      });
      return (await service.call()).body === 'no healthy upstream' ? 'all out' : 'one kept in';
    },
    shows: ['one kept in', 'all out'],
  },
  'loadBalancing.least-request': {
    kind: 'calling',
    says: [balanced('least-request'), balanced('random')],
    endpoints: TWO,
    observe: shareOfBusy,
    shows: ['less', 'about half'],
  },
  'loadBalancing.random': {
    kind: 'calling',
    says: [balanced('random'), balanced('round-robin')],
    endpoints: TWO,
    observe: alternates,
    shows: [false, true],
  },
  'loadBalancing.round-robin': {
    kind: 'calling',
    says: [balanced('round-robin'), balanced('random')],
    endpoints: TWO,
    observe: alternates,
    shows: [true, false],
  },
  failover: {
    kind: 'calling',
    says: [
      { failover: ['near', 'far'], ...ejecting({}) },
      { failover: ['far', 'near'], ...ejecting({}) },
    ],
    endpoints: REGIONS,
    observe: async (service) => {
      // Half of the near ones are out then; what is left of them is enough.
      await until(async () => {
        await service.call();
        return (await service.ejected()) === 1 || service.received('v2').length > 20;
      });
      return [...new Set((await inTurn(60, () => service.call())).map(({ body }) => body))];
    },
    shows: [['v1'], ['v2']],
  },
} as const satisfies Readonly<Record<string, Proof>>;
