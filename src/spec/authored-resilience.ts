/**
 * How a service's resilience is written beside time-outs and retries: retry budget, circuit breaker, outlier detection, load
 * balancing, failover. What is left out of a group that was asked for has the default that its description names.
 */
import { z } from 'zod';
import { duration, eachOnce, headerName, present } from './authored-fields.ts';
import {
  type CircuitBreaker,
  count,
  LOAD_BALANCING,
  type LoadBalancing,
  type OutlierDetection,
  percent,
  type RetryBudget,
} from './policy-schema.ts';

const DEFAULT_MIN_CONCURRENT = 3;
const DEFAULT_OUTLIER: OutlierDetection = { consecutiveErrors: 5, intervalMs: 10_000, ejectionMs: 30_000, maxEjectionPercent: 10 };

export const authoredRetryBudgetSchema = z
  .union(
    [
      percent,
      z.strictObject({
        percent: percent.optional().describe('Retries under way, of the requests under way (20)'),
        minConcurrent: count.optional().describe(`So many may always be under way (${DEFAULT_MIN_CONCURRENT})`),
      }),
    ],
    { error: 'give a share of the requests, such as `20` or `{ percent: 20, minConcurrent: 3 }`' },
  )
  .transform((written): RetryBudget => {
    const { percent: share, minConcurrent } = typeof written === 'number' ? { percent: written } : { minConcurrent: undefined, ...written };
    return { percent: share ?? 20, minConcurrent: minConcurrent ?? DEFAULT_MIN_CONCURRENT };
  });

export const authoredCircuitBreakerSchema = z
  .strictObject({
    maxConnections: count.optional().describe('Connections at a time'),
    maxPendingRequests: count.optional().describe('Requests that wait for a connection'),
    maxRequests: count.optional().describe('Requests under way at a time'),
    maxRequestsPerConnection: count.optional().describe('After so many a connection is closed'),
  })
  .refine((written) => Object.values(written).some((limit) => limit !== undefined), {
    error: 'give at least one limit: `maxConnections`, `maxPendingRequests`, `maxRequests` or `maxRequestsPerConnection`',
  })
  .transform((written): CircuitBreaker => present(written));

export const authoredOutlierDetectionSchema = z
  .union(
    [
      z.literal(true),
      z.strictObject({
        consecutiveErrors: count.optional().describe('So many answers with 5xx in a row, or none at all (5)'),
        interval: duration(1).optional().describe('How often it is looked at (10s)'),
        ejection: duration(1).optional().describe('For how long it gets no requests the first time; longer each time (30s)'),
        maxEjectionPercent: percent.optional().describe('Of all endpoints at most so many at a time (10)'),
      }),
    ],
    { error: 'say `true` for the defaults, or give `consecutiveErrors`, `interval`, `ejection` or `maxEjectionPercent`' },
  )
  .transform((written): OutlierDetection => {
    if (written === true) return DEFAULT_OUTLIER;
    const { consecutiveErrors, interval, ejection, maxEjectionPercent } = written;
    return { ...DEFAULT_OUTLIER, ...present({ consecutiveErrors, intervalMs: interval, ejectionMs: ejection, maxEjectionPercent }) };
  });

export const authoredLoadBalancingSchema = z
  .union(
    [
      z.enum(LOAD_BALANCING),
      z.strictObject({
        hash: z.strictObject({ header: headerName }).describe('Equal values of this header reach the same endpoint'),
      }),
    ],
    { error: 'say `least-request`, `random` or `round-robin`, or give a header: `{ hash: { header: x-user } }`' },
  )
  .transform(
    (written): LoadBalancing =>
      typeof written === 'string' ? { policy: written } : { policy: 'hash', header: written.hash.header.toLowerCase() },
  );

export const authoredFailoverSchema = z
  .array(z.string().min(1).max(64))
  .min(1)
  .max(16)
  .superRefine(eachOnce((region) => region, [], 'name each region once'));
