/**
 * Arbitrary valid plans, and endpoints for them, for properties of every renderer: weights of a split sum to 100 and may be
 * 0, the last route matches everything, names are few so that services share names over namespaces; each may have policies.
 */
import fc from 'fast-check';
import type { Endpoint } from '../../src/dataplanes/envoy/resources.ts';
import type {
  HeaderMatch,
  PathMatch,
  PlannedRetries,
  PlannedRoute,
  RouteMatch,
  ServicePlan,
  WeightedVersion,
} from '../../src/plan/plan.ts';
import { arbitraryFault, arbitraryMirror, arbitraryPolicies } from './arbitrary-policies.ts';

const serviceName = fc.constantFrom('catalog', 'checkout', 'search', 'user-db', 'shop');
const namespace = fc.constantFrom('shop', 'default', 'team-b');
const versionNames = fc.uniqueArray(fc.constantFrom('v1', 'v2', 'v2-broken', 'v3', '1.4.2', 'V1_rc.1'), { minLength: 1, maxLength: 4 });
const token = fc.constantFrom('a', 'beta', 'x1', 'it-1', 'α');
const regex = fc.constantFrom('/v[0-9]+/.*', 'a+', '(x|y)z?', '[^/]{1,64}');

const path: fc.Arbitrary<PathMatch> = fc.oneof(
  token.map((text) => ({ exact: `/${text}` })),
  token.map((text) => ({ prefix: `/${text}` })),
  regex.map((text) => ({ regex: text })),
);

const headerName = fc.constantFrom('x-tenant', 'x-canary', 'cookie', 'user-agent');

/** One condition on the header `name`. */
function header(name: string): fc.Arbitrary<HeaderMatch> {
  return fc.oneof(
    token.map((exact) => ({ name, exact })),
    token.map((prefix) => ({ name, prefix })),
    regex.map((text) => ({ name, regex: text })),
    fc.boolean().map((present) => ({ name, present })),
  );
}

/** At most one condition a header. */
const headers = fc.uniqueArray(headerName, { maxLength: 3 }).chain((names) => fc.tuple(...names.map(header)));

const methods = fc.uniqueArray(fc.constantFrom('GET', 'POST', 'DELETE', 'M-SEARCH'), { minLength: 1, maxLength: 3 });

const match: fc.Arbitrary<RouteMatch> = fc.tuple(fc.option(path), fc.option(methods), headers).map(([path, methods, headers]) => ({
  ...(path === null ? {} : { path }),
  ...(methods === null ? {} : { methods }),
  ...(headers.length === 0 ? {} : { headers }),
}));

const retries: fc.Arbitrary<PlannedRetries> = fc
  .tuple(
    fc.nat(5),
    fc.option(fc.integer({ min: 1, max: 90_000 })),
    fc.subarray(['5xx', 'connect-failure', 'gateway-error', 'reset'] as const),
  )
  .map(([attempts, perTryTimeoutMs, on]) => ({ attempts, on, ...(perTryTimeoutMs === null ? {} : { perTryTimeoutMs }) }));

/** Whole percentages over all of `versions` that sum to 100; zeros are common. */
export function arbitrarySplit(versions: readonly string[]): fc.Arbitrary<readonly WeightedVersion[]> {
  const sorted = [...versions].sort();
  return fc
    .array(fc.oneof(fc.constant(0), fc.constant(100), fc.nat(100)), { minLength: sorted.length - 1, maxLength: sorted.length - 1 })
    .map((cuts) => {
      const bounds = [0, ...cuts.sort((a, b) => a - b), 100];
      return sorted.map((version, index) => ({ version, weight: (bounds[index + 1] ?? 100) - (bounds[index] ?? 0) }));
    });
}

function route(name: string, versions: readonly string[], match: fc.Arbitrary<RouteMatch>): fc.Arbitrary<PlannedRoute> {
  return fc
    .tuple(
      match,
      fc.subarray([...versions], { minLength: 1 }).chain(arbitrarySplit),
      fc.option(fc.integer({ min: 1, max: 3_600_000 })),
      fc.option(retries),
      fc.option(arbitraryMirror(versions)),
      fc.option(arbitraryFault),
    )
    .map(([match, split, timeoutMs, retries, mirror, fault]) => ({
      name,
      match,
      split,
      ...(timeoutMs === null ? {} : { timeoutMs }),
      ...(retries === null ? {} : { retries }),
      ...(mirror === null ? {} : { mirror }),
      ...(fault === null ? {} : { fault }),
    }));
}

export const arbitraryPlan: fc.Arbitrary<ServicePlan> = fc
  .tuple(serviceName, namespace, versionNames, fc.nat(3))
  .chain(([service, namespace, versions, extraRoutes]) => {
    const sorted = [...versions].sort();
    const named = Array.from({ length: extraRoutes }, (_, index) => route(`route-${index}`, sorted, match));
    const routed = fc.record({
      mesh: fc.constant('sample'),
      service: fc.constant(service),
      namespace: fc.constant(namespace),
      port: fc.integer({ min: 1, max: 65_535 }),
      protocol: fc.constantFrom('http', 'http2', 'grpc'),
      selector: fc.constant({ app: service }),
      versions: fc.constant(sorted.map((name) => ({ name, labels: { app: service, version: name } }))),
      routes: fc.tuple(...named, route('default', sorted, fc.constant({}))),
      dataPlanes: fc.constant(['vms']),
    });
    return fc.tuple(routed, arbitraryPolicies(`${service}.${namespace}`)).map(([routes, policies]) => ({ ...routes, ...policies }));
  });

/** Plans of one mesh: no two with the same service and namespace; the same service in several namespaces is common. */
export const arbitraryPlans = fc.uniqueArray(arbitraryPlan, { maxLength: 6, selector: (plan) => `${plan.service}.${plan.namespace}` });

/** Endpoints of the plans' versions, under short or qualified names, with some that belong to nothing. */
export function arbitraryEndpoints(plans: readonly ServicePlan[]): fc.Arbitrary<readonly Endpoint[]> {
  const known = plans.flatMap((plan) =>
    plan.versions.map(({ name }) => ({ service: `${plan.service}.${plan.namespace}`, short: plan.service, version: name })),
  );
  const of = fc.constantFrom(...known, { service: 'nobody', short: 'nobody', version: 'v1' });
  const endpoint = fc
    .tuple(of, fc.boolean(), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 8000, max: 8003 }))
    .map(([{ service, short, version }, qualified, host, port]) => ({
      service: qualified ? service : short,
      version,
      address: `10.0.0.${host}`,
      port,
    }));
  return fc.array(endpoint, { maxLength: 12 });
}
