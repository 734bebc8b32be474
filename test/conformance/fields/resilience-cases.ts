/** Cases of the fields that say what becomes of slow, failing and too many requests. */
import type { Json } from '../../../src/journal/documents.ts';
import type { CircuitBreaker, LoadBalancing, OutlierDetection, PlannedRetries, RetryCondition } from '../../../src/plan/plan.ts';
import { RETRY_CONDITIONS } from '../../../src/spec/schema.ts';
import type { FieldCase, Said } from './field-case.ts';
import { at, duration, messages, number, percent, text } from './proto-json.ts';
import type { Seen } from './seen.ts';

/** Envoy's own where a route says nothing (config.route.v3.RouteAction). */
const ENVOYS_TIMEOUT_MS = 15_000;

const timeout = (seen: Seen): Json => duration(seen.call().action, 'timeout') ?? ENVOYS_TIMEOUT_MS;

const timeouts = (a: number | undefined, b: number | undefined): FieldCase => {
  const value = (timeoutMs: number | undefined) => ({
    plan: { route: timeoutMs === undefined ? {} : { timeoutMs } },
    reads: timeoutMs ?? 0,
  });
  return { read: timeout, values: [value(a), value(b)] };
};

/** A policy without a number tries once more; one without conditions, and none at all, never. */
function attempts(seen: Seen): Json {
  const policy = at(seen.call().action, 'retry_policy');
  return conditions(seen).length === 0 ? 0 : (number(policy, 'num_retries') ?? 1);
}

function conditions(seen: Seen): readonly string[] {
  const words = text(seen.call().action, 'retry_policy', 'retry_on') ?? '';
  return words
    .split(',')
    .filter((word) => word !== '')
    .sort();
}

const retrying = (retries: Partial<PlannedRetries>): Said => ({ route: { retries: { attempts: 2, on: ['5xx'], ...retries } } });

/** Against one of the others: each reads as itself alone. */
const retriesOn = (condition: RetryCondition): FieldCase => {
  const other = RETRY_CONDITIONS.find((each) => each !== condition) ?? condition;
  return {
    read: conditions,
    values: [
      { plan: retrying({ on: [condition] }), reads: [condition] },
      { plan: retrying({ on: [other] }), reads: [other] },
    ],
  };
};

function mirror(seen: Seen): Json {
  return messages(seen.call().action, 'request_mirror_policies').map((policy) => ({
    version: seen.version(text(policy, 'cluster') ?? ''),
    percent: percent(policy, 'runtime_fraction', 'default_value') ?? 100,
  }));
}

const mirrored = (version: string, percent: number) => ({
  plan: { route: { mirror: { version, percent } } },
  reads: [{ version, percent }],
});

/** Of the route, or of the weighted cluster's or virtual host's where a mesh puts it there. */
function fault(seen: Seen, kind: 'delay' | 'abort'): Json {
  const said = at(seen.call().route, 'typed_per_filter_config', 'envoy.filters.http.fault', kind);
  if (said === undefined) return null;
  return {
    ...(kind === 'delay' ? { ms: duration(said, 'fixed_delay') ?? null } : { status: number(said, 'http_status') ?? null }),
    percent: percent(said, 'percentage') ?? null,
  };
}

const delayed = (ms: number, percent: number) => ({ plan: { route: { fault: { delay: { ms, percent } } } }, reads: { ms, percent } });
const aborted = (status: number, percent: number) => ({
  plan: { route: { fault: { abort: { status, percent } } } },
  reads: { status, percent },
});

function limit(name: keyof CircuitBreaker, read: (seen: Seen) => number | undefined): FieldCase {
  const value = (count: number) => ({ plan: { circuitBreaker: { [name]: count } }, reads: count });
  return { read: (seen) => read(seen) ?? null, values: [value(7), value(70)] };
}

function outlier(part: keyof OutlierDetection, a: number, b: number, read: (seen: Seen) => number | undefined): FieldCase {
  const whole: OutlierDetection = { consecutiveErrors: 5, intervalMs: 10_000, ejectionMs: 30_000, maxEjectionPercent: 100 };
  const value = (of: number) => ({ plan: { outlierDetection: { ...whole, [part]: of } }, reads: of });
  return { read: (seen) => read(seen) ?? null, values: [value(a), value(b)] };
}

const balancer = (seen: Seen): Json => text(seen.cluster(), 'lb_policy') ?? 'ROUND_ROBIN';
const balanced = (policy: Exclude<LoadBalancing['policy'], 'hash'>) => ({
  plan: { loadBalancing: { policy } },
  reads: policy.toUpperCase().replace('-', '_'),
});

/** That equal values of this header stay together: a hash of it, and a balancer that goes by hashes. */
function hashed(seen: Seen): Json {
  const byHash = ['RING_HASH', 'MAGLEV'].includes(text(seen.cluster(), 'lb_policy') ?? '');
  return byHash ? messages(seen.call().action, 'hash_policy').map((each) => text(each, 'header', 'header_name') ?? null) : null;
}

export const resilienceCases = {
  'route.timeout': timeouts(1_500, 2_500),
  'route.timeout.none': timeouts(undefined, 2_500),
  'route.retries.none': {
    read: attempts,
    values: [
      { plan: { route: {} }, reads: 0 },
      { plan: retrying({ attempts: 3 }), reads: 3 },
    ],
  },
  'route.retries.attempts': {
    read: attempts,
    values: [
      { plan: retrying({ attempts: 2 }), reads: 2 },
      { plan: retrying({ attempts: 4 }), reads: 4 },
    ],
  },
  'route.retries.perTryTimeout': {
    read: (seen) => duration(seen.call().action, 'retry_policy', 'per_try_timeout') ?? null,
    values: [
      { plan: retrying({ perTryTimeoutMs: 250 }), reads: 250 },
      { plan: retrying({ perTryTimeoutMs: 1_500 }), reads: 1_500 },
    ],
  },
  'route.retries.on.5xx': retriesOn('5xx'),
  'route.retries.on.connect-failure': retriesOn('connect-failure'),
  'route.retries.on.gateway-error': retriesOn('gateway-error'),
  'route.retries.on.refused-stream': retriesOn('refused-stream'),
  'route.retries.on.reset': retriesOn('reset'),
  'route.retries.on.retriable-4xx': retriesOn('retriable-4xx'),
  'route.mirror': { read: mirror, values: [mirrored('v2', 100), mirrored('v3', 100)] },
  'route.mirror.percent': { read: mirror, values: [mirrored('v2', 10), mirrored('v2', 40)] },
  'route.fault.delay': { read: (seen) => fault(seen, 'delay'), values: [delayed(200, 30), delayed(1_500, 60)] },
  'route.fault.abort': { read: (seen) => fault(seen, 'abort'), values: [aborted(503, 30), aborted(418, 60)] },
  connectTimeout: {
    read: (seen) => duration(seen.cluster(), 'connect_timeout') ?? null,
    values: [
      { plan: { connectTimeoutMs: 1_500 }, reads: 1_500 },
      { plan: { connectTimeoutMs: 2_000 }, reads: 2_000 },
    ],
  },
  retryBudget: {
    read: (seen) => ({
      percent: number(seen.limits(), 'retry_budget', 'budget_percent') ?? null,
      minConcurrent: number(seen.limits(), 'retry_budget', 'min_retry_concurrency') ?? null,
    }),
    values: [
      { plan: { ...retrying({}), retryBudget: { percent: 25, minConcurrent: 4 } }, reads: { percent: 25, minConcurrent: 4 } },
      { plan: { ...retrying({}), retryBudget: { percent: 40, minConcurrent: 6 } }, reads: { percent: 40, minConcurrent: 6 } },
    ],
  },
  'circuitBreaker.maxConnections': limit('maxConnections', (seen) => number(seen.limits(), 'max_connections')),
  'circuitBreaker.maxPendingRequests': limit('maxPendingRequests', (seen) => number(seen.limits(), 'max_pending_requests')),
  'circuitBreaker.maxRequests': limit('maxRequests', (seen) => number(seen.limits(), 'max_requests')),
  'circuitBreaker.maxRequestsPerConnection': limit(
    'maxRequestsPerConnection',
    (seen) =>
      number(seen.httpOptions(), 'common_http_protocol_options', 'max_requests_per_connection') ??
      number(seen.cluster(), 'max_requests_per_connection'),
  ),
  'outlierDetection.consecutiveErrors': outlier('consecutiveErrors', 5, 8, (seen) =>
    number(seen.cluster(), 'outlier_detection', 'consecutive_5xx'),
  ),
  'outlierDetection.interval': outlier('intervalMs', 10_000, 2_500, (seen) => duration(seen.cluster(), 'outlier_detection', 'interval')),
  'outlierDetection.ejection': outlier('ejectionMs', 30_000, 45_000, (seen) =>
    duration(seen.cluster(), 'outlier_detection', 'base_ejection_time'),
  ),
  'outlierDetection.maxEjectionPercent': outlier('maxEjectionPercent', 100, 50, (seen) =>
    number(seen.cluster(), 'outlier_detection', 'max_ejection_percent'),
  ),
  'loadBalancing.least-request': { read: balancer, values: [balanced('least-request'), balanced('random')] },
  'loadBalancing.random': { read: balancer, values: [balanced('random'), balanced('round-robin')] },
  'loadBalancing.round-robin': { read: balancer, values: [balanced('round-robin'), balanced('least-request')] },
  'loadBalancing.hash': {
    read: hashed,
    values: [
      { plan: { loadBalancing: { policy: 'hash', header: 'x-user' } }, reads: ['x-user'] },
      { plan: { loadBalancing: { policy: 'hash', header: 'x-tenant' } }, reads: ['x-tenant'] },
    ],
  },
} satisfies Record<string, FieldCase>;
