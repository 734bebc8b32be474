/**
 * What things are called towards Envoy: clusters, virtual hosts, the hosts a caller may use for a service, and which plan a
 * short service name means. A service is `<service>.<namespace>`; its short name counts only where nothing else has it.
 */
import type { ServicePlan } from '../../plan/plan.ts';

/** The one RouteConfiguration and the listener that uses it. */
export const OUTBOUND = 'outbound';
/** A node's own listener and cluster; no shared cluster can have this name, theirs hold a `|`. */
export const INBOUND = 'inbound';
/** A gateway's own listener and its RouteConfiguration. */
export const GATEWAY = 'gateway';
/** A static cluster of every bootstrap: where the xds server is. */
export const XDS_CLUSTER = 'xds';
/** A route's faults are found by the name of the filter that does them. */
export const FAULT_FILTER = 'envoy.filters.http.fault';

export function qualifiedName(plan: ServicePlan): string {
  return `${plan.service}.${plan.namespace}`;
}

export function clusterName(plan: ServicePlan, version: string): string {
  return `${qualifiedName(plan)}|${version}`;
}

/** A thousand nodes are rendered from one list of plans, which nobody changes in place. */
const named = new WeakMap<readonly ServicePlan[], ReadonlyMap<string, ServicePlan>>();

/**
 * Plans by the names they answer to: always `<service>.<namespace>`; also `<service>` where one namespace only has it and
 * it is nobody's qualified name. A short name that two namespaces claim goes to neither: a 404 is found at once, a call
 * that lands at another team's service is not.
 * Throws when two plans have the same qualified name: Envoy would refuse every cluster for the sake of two.
 */
export function plansByName(plans: readonly ServicePlan[]): ReadonlyMap<string, ServicePlan> {
  const known = named.get(plans);
  if (known !== undefined) return known;
  const byName = new Map<string, ServicePlan>();
  for (const plan of plans) {
    const name = qualifiedName(plan);
    if (byName.has(name)) throw new Error(`Two services of mesh ${plan.mesh} are both called ${name}`);
    byName.set(name, plan);
  }
  for (const [service, sharing] of Map.groupBy(plans, (plan) => plan.service)) {
    const [only] = sharing;
    if (only !== undefined && sharing.length === 1 && !byName.has(service)) byName.set(service, only);
  }
  named.set(plans, byName);
  return byName;
}

/** Code unit order, the same on every machine (a locale's order is not). */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
