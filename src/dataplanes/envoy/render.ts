/**
 * The Envoy renderer: neutral plans and known endpoints in, Envoy v3 resources out, sorted and independent of the order of
 * what came in. What all nodes of a mesh share is rendered once (`renderShared`), what is one node's own per node
 * (`renderNode`); a node is served both.
 */
import type { ServicePlan } from '../../plan/plan.ts';
import { inboundCluster, loadAssignment, versionCluster } from './clusters.ts';
import { inboundListener, outboundListener } from './listeners.ts';
import { clusterName, compareText, INBOUND, OUTBOUND, plansByName } from './naming.ts';
import type { Endpoint, EnvoyNode, EnvoyResource } from './resources.ts';
import { routeConfiguration } from './routes.ts';

/**
 * A cluster and an assignment for each version of each plan, and the RouteConfiguration `outbound`. `plans` are all of one
 * mesh. An endpoint's `service` is a name as callers use it (`catalog`, or `catalog.shop`); endpoints of a service or version
 * that no plan has are left out. Throws when two plans have the same service and namespace.
 */
export function renderShared(plans: readonly ServicePlan[], endpoints: readonly Endpoint[]): readonly EnvoyResource[] {
  const byName = plansByName(plans);
  const byCluster = Map.groupBy(endpoints, (endpoint) => {
    const plan = byName.get(endpoint.service);
    return plan === undefined ? undefined : clusterName(plan, endpoint.version);
  });
  const versions = plans.flatMap((plan) =>
    plan.versions.flatMap((version): EnvoyResource[] => {
      const name = clusterName(plan, version.name);
      return [
        { type: 'cluster', name, json: versionCluster(name, plan.protocol) },
        { type: 'endpoints', name, json: loadAssignment(name, byCluster.get(name) ?? []) },
      ];
    }),
  );
  return [...versions, { type: 'route', name: OUTBOUND, json: routeConfiguration(plans) } as const].sort(byTypeAndName);
}

/** The node's listeners, and the cluster of the workload it stands before. Changes only with the node and its service's protocol. */
export function renderNode(node: EnvoyNode, plans: readonly ServicePlan[]): readonly EnvoyResource[] {
  const resources: EnvoyResource[] = [];
  if (node.inbound !== undefined) {
    const protocol = plansByName(plans).get(node.inbound.service)?.protocol;
    resources.push({ type: 'cluster', name: INBOUND, json: inboundCluster(node.inbound.workloadPort, protocol) });
    resources.push({ type: 'listener', name: INBOUND, json: inboundListener(node.inbound) });
  }
  if (node.outbound !== undefined) resources.push({ type: 'listener', name: OUTBOUND, json: outboundListener(node.outbound) });
  return resources;
}

function byTypeAndName(a: EnvoyResource, b: EnvoyResource): number {
  return compareText(a.type, b.type) || compareText(a.name, b.name);
}
