/**
 * The Gateway API renderer, for services inside a mesh (GAMMA, GEP-1294): a Service for each version, one HTTPRoute whose parent is
 * the service, and one for each name at a gateway (hostnames hold for gateways only). Format: gateway.networking.k8s.io/v1 1.2 and
 * newer; `retry` is of the experimental channel.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { Ingress, PathMatch, PlannedRetries, PlannedRoute, ServicePlan } from '../../plan/plan.ts';
import { dnsLabel, metadata, versionService } from '../kubernetes/objects.ts';
import { gatewayDuration } from './duration.ts';
import { backendRefs, requestMatches, serviceParent, versionBackend } from './http-route.ts';

/** Kubernetes objects in the order in which they must be applied: Services before the routes that name them. */
export function renderGatewayApi(plan: ServicePlan): readonly JsonObject[] {
  const rules = plan.routes.map((route) => rule(plan, route));
  return [
    ...plan.versions.map((version) => versionService(plan, version)),
    httpRoute(metadata(plan), { parentRefs: [serviceParent(plan)], rules }),
    ...(plan.ingress ?? []).map((ingress) => ingressRoute(plan, ingress, rules)),
  ];
}

function ingressRoute(plan: ServicePlan, { host, gateway }: Ingress, rules: JsonObject[]): JsonObject {
  const name = dnsLabel(`${plan.service}-${host}-${gateway.namespace}-${gateway.name}`);
  return httpRoute(metadata(plan, name), {
    parentRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', ...gateway }],
    hostnames: [host],
    rules,
  });
}

function httpRoute(named: JsonObject, spec: JsonObject): JsonObject {
  return { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: named, spec };
}

function rule(plan: ServicePlan, route: PlannedRoute): JsonObject {
  return {
    matches: requestMatches(route.match, pathMatch),
    ...(route.mirror ? { filters: [mirror(plan, route.mirror)] } : {}),
    backendRefs: backendRefs(plan, route),
    timeouts: {
      // 0s is no time-out, whatever the implementation does by itself (GEP-1742).
      request: gatewayDuration(route.timeoutMs ?? 0),
      ...(isRetried(route.retries) && route.retries.perTryTimeoutMs
        ? { backendRequest: gatewayDuration(route.retries.perTryTimeoutMs) }
        : {}),
    },
    ...(isRetried(route.retries) ? { retry: retry(route.retries) } : {}),
  };
}

function pathMatch(path: PathMatch): JsonObject {
  if ('exact' in path) return { type: 'Exact', value: path.exact };
  return 'prefix' in path ? { type: 'PathPrefix', value: path.prefix } : { type: 'RegularExpression', value: path.regex };
}

function mirror(plan: ServicePlan, { version, percent }: NonNullable<PlannedRoute['mirror']>): JsonObject {
  return { type: 'RequestMirror', requestMirror: { backendRef: versionBackend(plan, version), ...(percent === 100 ? {} : { percent }) } };
}

/** No attempts cannot be written (the CRD asks for one), so that they are left out. */
const isRetried = (retries: PlannedRetries | undefined): retries is PlannedRetries =>
  retries !== undefined && retries.attempts > 0 && retries.on.length > 0;

const RETRIED_CODES = {
  '5xx': [500, 501, 502, 503, 504, 505, 506, 507, 508, 509, 510, 511],
  'gateway-error': [502, 503, 504],
  'retriable-4xx': [409],
  'connect-failure': [],
  'refused-stream': [],
  reset: [],
} as const;

function retry({ attempts, on }: PlannedRetries): JsonObject {
  const codes = [...new Set<number>(on.flatMap((condition) => RETRIED_CODES[condition]))].sort((a, b) => a - b);
  return { attempts, ...(codes.length === 0 ? {} : { codes }) };
}
