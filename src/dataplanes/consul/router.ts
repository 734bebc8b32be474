/**
 * Routes as a service router (`agent/xds/routes.go` says what proxies make of it). Consul adds a route for everything else, without
 * any of ours: the plan's last one, which matches everything, is written out before it.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { HeaderMatch, PlannedRoute, RouteMatch, ServicePlan } from '../../plan/plan.ts';
import { goDuration } from './entries.ts';
import { pathCondition } from './intentions.ts';
import { subsetName } from './subsets.ts';

/** Less than nothing switches a time-out off; left out, Envoy's own holds (15 s, and 5 min without a byte). */
const NO_TIMEOUT = '-1s';

/** The fields of a service-router entry. Throws RangeError on a plan whose routes are divided differently, which no spec gives. */
export function router({ routes }: ServicePlan): JsonObject {
  return { Routes: routes.map((route) => ({ Match: { HTTP: conditions(route.match) }, Destination: destination(route, routes) })) };
}

function destination(route: PlannedRoute, routes: readonly PlannedRoute[]): JsonObject {
  const subset = subsetOf(route, routes);
  return {
    ...(subset === undefined ? {} : { ServiceSubset: subset }),
    RequestTimeout: route.timeoutMs ? goDuration(route.timeoutMs) : NO_TIMEOUT,
    IdleTimeout: NO_TIMEOUT,
    ...retries(route),
  };
}

/**
 * Without a subset a request goes on to the splitter, which is written before the router: a route that has one version stays out of
 * it, or it would be divided for a moment.
 */
function subsetOf(route: PlannedRoute, routes: readonly PlannedRoute[]): string | undefined {
  const last = routes.at(-1);
  const [only, more] = route.split;
  if (route === last || only === undefined) return undefined;
  if (more === undefined) return subsetName(only.version);
  const same = last?.split.length === route.split.length && route.split.every((each, index) => isSame(each, last.split[index]));
  if (!same) throw new RangeError(`route ${route.name} is divided otherwise than ${last?.name}: Consul has one splitter a service`);
  return undefined;
}

const isSame = (a: PlannedRoute['split'][number], b: PlannedRoute['split'][number] | undefined): boolean =>
  a.version === b?.version && a.weight === b.weight;

function retries({ retries }: PlannedRoute): JsonObject {
  if (retries === undefined || retries.attempts === 0 || retries.on.length === 0) return {};
  return { NumRetries: retries.attempts, RetryOn: [...retries.on] };
}

function conditions({ path, methods, headers }: RouteMatch): JsonObject {
  const found = {
    ...(path === undefined ? {} : pathCondition(path)),
    ...(headers === undefined || headers.length === 0 ? {} : { Header: headers.map(headerCondition) }),
    ...(methods === undefined || methods.length === 0 ? {} : { Methods: [...methods] }),
  };
  return Object.keys(found).length === 0 ? { PathPrefix: '/' } : found;
}

/** All conditions of a list must hold, also two on one header. */
function headerCondition(match: HeaderMatch): JsonObject {
  if ('present' in match) return { Name: match.name, Present: true, ...(match.present ? {} : { Invert: true }) };
  if ('prefix' in match) return { Name: match.name, Prefix: match.prefix };
  if ('regex' in match) return { Name: match.name, Regex: match.regex };
  // An empty text is no condition for Consul; this expression matches nothing else.
  return match.exact === '' ? { Name: match.name, Regex: '()' } : { Name: match.name, Exact: match.exact };
}
