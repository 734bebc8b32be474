/**
 * The routes of a service as VirtualServices (networking.istio.io/v1): one for the host inside the mesh, one for each outside
 * name at its gateways. Never two of one host, which Istio does not merge for sidecars; and none of several hosts at several
 * gateways, since each of its gateways would serve each of its hosts. With the limits of Istio's own validation
 * (pkg/config/validation): durations at least 1 ms, no retry fields beside `attempts: 0`.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { Fault, Ingress, PlannedRoute, ServicePlan } from '../../plan/plan.ts';
import { dnsLabel, metadata, protoDuration } from '../kubernetes/objects.ts';
import { matchRequests } from './route-match.ts';

export function virtualServices(plan: ServicePlan): JsonObject[] {
  const outside = Map.groupBy(plan.ingress ?? [], ({ host }) => host);
  return [insideMesh(plan), ...[...outside].map(([host, entrances]) => atGateways(plan, host, entrances))];
}

function insideMesh(plan: ServicePlan): JsonObject {
  // Short, so that Istio completes it from the object's namespace, whatever the cluster's domain is.
  return virtualService(plan, plan.service, { hosts: [plan.service], http: httpRoutes(plan, { host: plan.service }) });
}

function atGateways(plan: ServicePlan, host: string, entrances: readonly Ingress[]): JsonObject {
  return virtualService(plan, dnsLabel(`${plan.service}.${host}`), {
    hosts: [host],
    gateways: entrances.map(({ gateway }) => `${gateway.namespace}/${gateway.name}`),
    // Left out, a Service of several ports would be called at the gateway's own.
    http: httpRoutes(plan, { host: plan.service, port: { number: plan.port } }),
  });
}

function virtualService(plan: ServicePlan, name: string, spec: JsonObject): JsonObject {
  return { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: metadata(plan, name), spec };
}

const httpRoutes = (plan: ServicePlan, destination: JsonObject): JsonObject[] => plan.routes.map((route) => httpRoute(route, destination));

function httpRoute(route: PlannedRoute, destination: JsonObject): JsonObject {
  const match = matchRequests(route.match);
  const to = (version: string): JsonObject => ({ ...destination, subset: dnsLabel(version) });
  return {
    name: route.name,
    ...(match.length === 0 ? {} : { match }),
    route: route.split.map(({ version, weight }) => ({ destination: to(version), weight })),
    // Left out is no time-out, which cannot be written: Istio refuses durations below 1 ms.
    ...(route.timeoutMs === undefined || route.timeoutMs === 0 ? {} : { timeout: protoDuration(route.timeoutMs) }),
    retries: retries(route),
    ...(route.fault ? { fault: fault(route.fault) } : {}),
    ...(route.mirror ? { mirrors: [{ destination: to(route.mirror.version), percentage: { value: route.mirror.percent } }] } : {}),
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

function fault({ delay, abort }: Fault): JsonObject {
  return {
    ...(delay ? { delay: { fixedDelay: protoDuration(delay.ms), percentage: { value: delay.percent } } } : {}),
    ...(abort ? { abort: { httpStatus: abort.status, percentage: { value: abort.percent } } } : {}),
  };
}
