/**
 * From a service's spec and its traffic of the moment to the plan that data planes render. Pure and deterministic: equal
 * input, in whatever order the split comes, gives an equal plan.
 */
import type { RetriesSpec, RouteSpec, ServiceSpec } from '../spec/schema.ts';
import type { PlannedRetries, PlannedRoute, PlannedSecurity, ServicePlan, WeightedVersion } from './plan.ts';

/** What a service's requests are divided into: whole percentages that sum to 100, each version once. */
export interface Traffic {
  readonly split: readonly WeightedVersion[];
}

/** The name of the route for everything that no route of the spec matches. */
const LAST_ROUTE = 'default';

/** Routes that the spec pins get their version whole; all others and the last one get the split. Throws RangeError when `traffic` is no split. */
export function planService(mesh: string, spec: ServiceSpec, traffic: Traffic): ServicePlan {
  const split = checkedSplit(spec.name, traffic.split);
  const routes = [...spec.routes.map((route) => planRoute(route, spec, split)), planRoute({ name: LAST_ROUTE, match: {} }, spec, split)];
  const named = routes.flatMap(({ split, mirror }) => [...split.map(({ version }) => version), ...(mirror ? [mirror.version] : [])]);
  const versions = [...new Set(named)].sort();
  const security = planSecurity(spec);
  return {
    mesh,
    service: spec.name,
    namespace: spec.namespace,
    port: spec.port,
    protocol: spec.protocol,
    selector: spec.selector ?? { app: spec.name },
    versions: versions.map((name) => ({ name, labels: { [spec.versionLabel]: name } })),
    routes,
    dataPlanes: [...spec.dataPlanes].sort(),
    ...(spec.connectTimeoutMs === undefined ? {} : { connectTimeoutMs: spec.connectTimeoutMs }),
    ...(spec.retryBudget ? { retryBudget: spec.retryBudget } : {}),
    ...(spec.circuitBreaker ? { circuitBreaker: spec.circuitBreaker } : {}),
    ...(spec.outlierDetection ? { outlierDetection: spec.outlierDetection } : {}),
    ...(spec.loadBalancing ? { loadBalancing: spec.loadBalancing } : {}),
    ...(spec.failover ? { failover: spec.failover } : {}),
    ...(security ? { security } : {}),
    ...(spec.tokens ? { tokens: spec.tokens } : {}),
    ...(spec.egress ? { egress: spec.egress } : {}),
    ...(spec.ingress ? { ingress: spec.ingress } : {}),
    ...(spec.telemetry ? { telemetry: spec.telemetry } : {}),
  };
}

function planRoute(route: RouteSpec, spec: ServiceSpec, traffic: readonly WeightedVersion[]): PlannedRoute {
  const split = route.version === undefined ? traffic : [{ version: route.version, weight: 100 }];
  const { mirror } = route;
  // A version that gets requests of the route does not get copies of them beside: it would do some twice.
  const mirrored = mirror && !split.some(({ version, weight }) => version === mirror.version && weight > 0);
  const timeoutMs = route.timeoutMs ?? spec.timeoutMs;
  const retries = planRetries(route.retries ?? spec.retries);
  return {
    name: route.name,
    match: route.match,
    split,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(retries === undefined ? {} : { retries }),
    ...(mirrored ? { mirror } : {}),
    ...(route.fault ? { fault: route.fault } : {}),
  };
}

function planSecurity(spec: ServiceSpec): PlannedSecurity | undefined {
  if (!spec.mtls) return undefined;
  return { ...spec.mtls, serviceAccount: spec.serviceAccount ?? spec.name, allow: spec.allow ?? [] };
}

/** No attempts is how a route says that it wants none of the service's retries. */
function planRetries(retries: RetriesSpec | undefined): PlannedRetries | undefined {
  if (retries === undefined || retries.attempts === 0) return undefined;
  return { ...retries, on: [...retries.on].sort() };
}

function checkedSplit(service: string, split: readonly WeightedVersion[]): readonly WeightedVersion[] {
  const sum = split.reduce((total, { weight }) => total + weight, 0);
  const versions = new Set(split.map(({ version }) => version));
  const whole = split.every(({ weight }) => Number.isInteger(weight) && weight >= 0);
  if (sum !== 100 || !whole || versions.size !== split.length) {
    throw new RangeError(`the split of ${service} must name each version once and sum to 100: ${JSON.stringify(split)}`);
  }
  return split.map(({ version, weight }) => ({ version, weight })).sort((a, b) => (a.version < b.version ? -1 : 1));
}
