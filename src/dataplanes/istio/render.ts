/**
 * The Istio renderer: a DestinationRule with a subset a version, and the one VirtualService of the service's host (Istio
 * doesn't merge two of one host for sidecars). Format: networking.istio.io/v1, with the limits of Istio's own validation
 * (pkg/config/validation): subset names are DNS labels, durations at least 1 ms, no retry fields beside `attempts: 0`.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { HeaderMatch, PathMatch, PlannedRoute, RouteMatch, ServicePlan } from '../../plan/plan.ts';
import { dnsLabel, metadata, protoDuration } from '../kubernetes/objects.ts';

/** Kubernetes objects in the order in which they must be applied: subsets before the routes that name them. */
export function renderIstio(plan: ServicePlan): readonly JsonObject[] {
  return [destinationRule(plan), virtualService(plan)];
}

function destinationRule(plan: ServicePlan): JsonObject {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: metadata(plan),
    spec: {
      host: plan.service,
      subsets: plan.versions.map((version) => ({ name: dnsLabel(version.name), labels: { ...version.labels } })),
    },
  };
}

function virtualService(plan: ServicePlan): JsonObject {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: metadata(plan),
    // Short, so that Istio completes it from the object's namespace, whatever the cluster's domain is.
    spec: { hosts: [plan.service], http: plan.routes.map((route) => httpRoute(plan, route)) },
  };
}

function httpRoute(plan: ServicePlan, route: PlannedRoute): JsonObject {
  const match = matchRequests(route.match);
  return {
    name: route.name,
    ...(match.length === 0 ? {} : { match }),
    route: route.split.map(({ version, weight }) => ({ destination: { host: plan.service, subset: dnsLabel(version) }, weight })),
    // Left out is no time-out, which cannot be written: Istio refuses durations below 1 ms.
    ...(route.timeoutMs === undefined || route.timeoutMs === 0 ? {} : { timeout: protoDuration(route.timeoutMs) }),
    retries: retries(route),
  };
}

/** Left out, Istio would try twice more; an empty `retryOn` would mean its own list. */
function retries({ retries }: PlannedRoute): JsonObject {
  if (retries === undefined || retries.attempts === 0 || retries.on.length === 0) return { attempts: 0 };
  return {
    attempts: retries.attempts,
    ...(retries.perTryTimeoutMs === undefined || retries.perTryTimeoutMs === 0
      ? {}
      : { perTryTimeout: protoDuration(retries.perTryTimeoutMs) }),
    retryOn: retries.on.join(','),
  };
}

/** Entries are alternatives, so that each method has one, with all the other conditions repeated. */
function matchRequests(match: RouteMatch): JsonObject[] {
  const conditions = { ...pathCondition(match.path), ...headerConditions(match.headers ?? []) };
  const methods = match.methods ?? [];
  if (methods.length > 0) return methods.map((method) => ({ ...conditions, method: { exact: method } }));
  return Object.keys(conditions).length === 0 ? [] : [conditions];
}

function pathCondition(path: PathMatch | undefined): JsonObject {
  return path === undefined ? {} : { uri: { ...path } };
}

function headerConditions(matches: readonly HeaderMatch[]): JsonObject {
  const headers = [
    ...Map.groupBy(
      matches.filter((match) => !isAbsence(match)),
      (match) => match.name,
    ),
  ].map(([name, conditions]): [string, JsonObject] => [name, stringMatch(conditions.find(isAboutValue))]);
  const withoutHeaders = matches.filter(isAbsence).map((match): [string, JsonObject] => [match.name, {}]);
  return {
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers) }),
    ...(withoutHeaders.length === 0 ? {} : { withoutHeaders: Object.fromEntries(withoutHeaders) }),
  };
}

/** An empty StringMatch asks for the header's presence; a condition on its value says that already. */
function stringMatch(match: HeaderMatch | undefined): JsonObject {
  if (match === undefined || 'present' in match) return {};
  const { name: _, ...condition } = match;
  return condition;
}

function isAbsence(match: HeaderMatch): boolean {
  return 'present' in match && !match.present;
}

function isAboutValue(match: HeaderMatch): boolean {
  return !('present' in match);
}
