/**
 * The Envoy renderer: neutral plans and known endpoints in, Envoy v3 resources out, sorted and independent of the order of
 * what came in. What nodes of a mesh share is rendered once (`renderShared`; once more for those with an identity, whose calls
 * may be mTLS), what is one node's own per node (`renderNode`); a node is served both.
 */
import type { ServicePlan } from '../../plan/plan.ts';
import { inboundCluster, versionCluster } from './clusters.ts';
import { versionAssignment } from './endpoints.ts';
import { gatewayListener, inboundListener, outboundListener } from './listeners.ts';
import { clusterName, compareText, GATEWAY, INBOUND, OUTBOUND, plansByName, qualifiedName } from './naming.ts';
import { outsideClusters, outsideHosts } from './outside.ts';
import type { Endpoint, EnvoyNode, EnvoyResource, Identity } from './resources.ts';
import { gatewayRoutes, routeConfiguration } from './routes.ts';
import { issuerCluster } from './tokens.ts';

/**
 * A cluster and an assignment for each version of each plan, a cluster for each outside host, and the RouteConfiguration
 * `outbound`. `plans` are all of one mesh. An endpoint's `service` is a name as callers use it (`catalog`, or `catalog.shop`);
 * endpoints of a service or version that no plan has are left out. `identity` is that of the nodes it is for: without any of
 * `security` in the plans it makes no difference. Throws when two plans have the same service and namespace.
 */
export function renderShared(plans: readonly ServicePlan[], endpoints: readonly Endpoint[], identity?: Identity): readonly EnvoyResource[] {
  const byName = plansByName(plans);
  const byCluster = Map.groupBy(endpoints, (endpoint) => {
    const plan = byName.get(endpoint.service);
    return plan === undefined ? undefined : clusterName(plan, endpoint.version);
  });
  const clusters: EnvoyResource[] = [...outsideClusters(outsideHosts(plans))];
  const assignments: EnvoyResource[] = [];
  for (const plan of plans) {
    for (const version of plan.versions) {
      const cluster = versionCluster(plan, version.name, identity);
      clusters.push(cluster);
      assignments.push(versionAssignment(plan, cluster.name, byCluster.get(cluster.name) ?? NONE));
    }
  }
  const routes = { type: 'route', name: OUTBOUND, json: routeConfiguration(plans, { identity: identity !== undefined }) } as const;
  return [...clusters.sort(inOrder), ...assignments.sort(inOrder), routes];
}

const NONE: readonly Endpoint[] = [];

/**
 * The node's listeners and its gateway's routes, the cluster of the workload it stands before, and that of whose tokens it asks
 * for. `refusalsToken`: what the xds server takes with what a service in `shadow` would refuse.
 */
export function renderNode(node: EnvoyNode, plans: readonly ServicePlan[], refusalsToken?: string): readonly EnvoyResource[] {
  const { inbound, outbound, gateway, identity, authorities } = node;
  const resources: EnvoyResource[] = [];
  if (inbound !== undefined) {
    const plan = plansByName(plans).get(inbound.service);
    resources.push({ type: 'cluster', name: INBOUND, json: inboundCluster(inbound.workloadPort, plan?.protocol) });
    // Nobody has said who may call a service without a plan, so nobody may.
    const listener = plan && inboundListener(inbound, plan, identity, refusalsToken);
    if (listener !== undefined) {
      if (plan?.tokens !== undefined) resources.push(issuerCluster(plan.tokens, authorities));
      resources.push({ type: 'listener', name: INBOUND, json: listener });
    }
  }
  if (outbound !== undefined) resources.push({ type: 'listener', name: OUTBOUND, json: outboundListener(outbound) });
  if (gateway !== undefined) {
    resources.push({ type: 'listener', name: GATEWAY, json: gatewayListener(gateway) });
    resources.push({ type: 'route', name: GATEWAY, json: gatewayRoutes(plans, gateway, { identity: identity !== undefined }) });
  }
  return resources;
}

/** What a node does not serve at all: a service that nobody has planned here, or one that it cannot serve as its plan wants it. */
export function unservable({ inbound, identity }: EnvoyNode, plans: readonly ServicePlan[]): { name: string; message: string } | undefined {
  if (inbound === undefined) return undefined;
  const plan = plansByName(plans).get(inbound.service);
  if (plan === undefined) {
    const { service } = inbound;
    const message = `No plan of ${service} is known here, so this Envoy takes no calls: see that the name it was started with is that of one service of this data plane, and that a version of it is known.`;
    return { name: service, message };
  }
  if (plan.security?.stage !== 'strict' || identity !== undefined) return undefined;
  const name = qualifiedName(plan);
  const message = `${name} takes mTLS only, and this Envoy has no identity, so it takes no calls: start it with one (meshwright envoy bootstrap --identity).`;
  return { name, message };
}

function inOrder(a: EnvoyResource, b: EnvoyResource): number {
  return compareText(a.name, b.name);
}
