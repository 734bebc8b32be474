/**
 * The Linkerd renderer: a Service for each version, HTTPRoutes whose parent is the service, annotations, and policy. Time-outs and
 * retries are annotations of a whole HTTPRoute, so that routes which differ in them live in different ones. Formats:
 * gateway.networking.k8s.io/v1, and what Linkerd's policy controller reads of it (policy-controller/k8s/index, 2.18 and newer): no
 * filters, for which it would drop the route without a word, no `retry`, no `timeouts`.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { OutlierDetection, PlannedRetries, PlannedRoute, ServicePlan } from '../../plan/plan.ts';
import { backendRefs, requestMatches, serviceParent } from '../gateway-api/http-route.ts';
import { dnsLabel, metadata, versionService } from '../kubernetes/objects.ts';
import { pathMatch } from './path-match.ts';
import { renderPolicy } from './render-policy.ts';

/** Kubernetes objects in the order in which they must be applied: the route for everything first, as with any other alone the rest would be answered 404. */
export function renderLinkerd(plan: ServicePlan): readonly JsonObject[] {
  return [
    ...plan.versions.map((version) => versionService(plan, version)),
    ownService(plan),
    ...routesBySettings(plan).map((routes) => httpRoute(plan, routes)),
    ...renderPolicy(plan),
  ];
}

/** Whether two routes of a plan can be rules of one HTTPRoute. */
export const areTogether = (a: PlannedRoute, b: PlannedRoute): boolean => settingsOf(a) === settingsOf(b);

const settingsOf = (route: PlannedRoute): string => JSON.stringify(routeAnnotations(route));

function routesBySettings({ routes }: ServicePlan): readonly (readonly PlannedRoute[])[] {
  const groups = [...Map.groupBy(routes, settingsOf).values()];
  const last = routes.at(-1);
  const isLast = (group: readonly PlannedRoute[]): boolean => group.some((route) => route === last);
  return [...groups.filter(isLast), ...groups.filter((group) => !isLast(group))];
}

function httpRoute(plan: ServicePlan, routes: readonly PlannedRoute[]): JsonObject {
  const [first] = routes;
  const hasLast = routes.some((route) => route === plan.routes.at(-1));
  const annotations = first ? routeAnnotations(first) : {};
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: {
      ...metadata(plan, hasLast || !first ? plan.service : dnsLabel(`${plan.service}-${first.name}`)),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    spec: { parentRefs: [serviceParent(plan)], rules: routes.map((route) => rule(plan, route)) },
  };
}

function rule(plan: ServicePlan, route: PlannedRoute): JsonObject {
  return { matches: requestMatches(route.match, pathMatch), backendRefs: backendRefs(plan, route) };
}

/** The annotations hold integers with a unit; what cannot be read there is left off without a word. */
const duration = (ms: number): string => `${ms}ms`;

const RETRIED_STATUSES = {
  '5xx': ['5xx'],
  'gateway-error': ['gateway-error'],
  'retriable-4xx': ['409'],
  // Tried again whenever there are retries.
  'connect-failure': [],
  'refused-stream': [],
  reset: [],
} as const;

function routeAnnotations({ timeoutMs, retries }: PlannedRoute): Readonly<Record<string, string>> {
  return {
    ...(timeoutMs ? { 'timeout.linkerd.io/request': duration(timeoutMs) } : {}),
    ...(retries && retries.attempts > 0 && retries.on.length > 0 ? retryAnnotations(retries) : {}),
  };
}

function retryAnnotations({ attempts, perTryTimeoutMs, on }: PlannedRetries): Readonly<Record<string, string>> {
  const statuses = on.flatMap((condition) => RETRIED_STATUSES[condition]);
  return {
    'retry.linkerd.io/limit': String(attempts),
    ...(statuses.length === 0 ? {} : { 'retry.linkerd.io/http': statuses.join(',') }),
    ...(perTryTimeoutMs ? { 'retry.linkerd.io/timeout': duration(perTryTimeoutMs) } : {}),
  };
}

/**
 * The service's own Service is its owner's, and has no label of ours: only these annotations are, and by applying it always they
 * go when they are no longer asked for. Endpoints are watched by the annotations of the service that is called, not of a version's.
 */
function ownService(plan: ServicePlan): JsonObject {
  const annotations = plan.outlierDetection ? failureAccrual(plan.outlierDetection) : {};
  return { apiVersion: 'v1', kind: 'Service', metadata: { name: plan.service, namespace: plan.namespace, annotations } };
}

/** As long as other proxies eject at most, unless the first time is longer. */
const LONGEST_EJECTION_MS = 300_000;

function failureAccrual({ consecutiveErrors, ejectionMs }: OutlierDetection): JsonObject {
  const accrual = 'balancer.linkerd.io/failure-accrual';
  return {
    [accrual]: 'consecutive',
    [`${accrual}-consecutive-max-failures`]: String(consecutiveErrors),
    [`${accrual}-consecutive-min-penalty`]: duration(ejectionMs),
    [`${accrual}-consecutive-max-penalty`]: duration(Math.max(ejectionMs, LONGEST_EJECTION_MS)),
    [`${accrual}-consecutive-jitter-ratio`]: '0',
  };
}
