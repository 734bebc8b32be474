/**
 * Gateway API in one cluster as a data plane: applied as objects, observed by the status that controllers write on routes, and, where
 * the controller is Istio, at the proxies that its istiods push to. Of any other implementation the status is all there is to see.
 */
import type { DataPlane, Observation } from '../../reconcile/data-plane.ts';
import type { Fragment } from '../../reconcile/model.ts';
import { observeProxies } from '../istio/observe.ts';
import type { Cluster, Refused } from '../kubernetes/cluster.ts';
import { PODS, SERVICES } from '../kubernetes/kinds.ts';
import { type KubernetesOptions, meshDataPlane } from '../kubernetes/mesh-data-plane.ts';
import { ownerLabels } from '../kubernetes/objects.ts';
import { carriesRoutes, leadsToServices } from './pushed.ts';
import { gatewayApiRenderer } from './renderer.ts';
import { HTTP_ROUTE, HTTP_ROUTE_SPLIT, routesSaid } from './route-status.ts';
import { isServiceOf, routesOfOthers } from './routes-of-others.ts';

export interface GatewayApiOptions extends KubernetesOptions {
  /** Where the implementation runs. */
  readonly controlPlaneNamespace: string;
  readonly experimental: boolean;
}

/** As istiod writes it on routes of gateways and of services alike. */
const ISTIO = /^istio\.io\//;

export function gatewayApiDataPlane({ controlPlaneNamespace, experimental, ...options }: GatewayApiOptions): DataPlane {
  const renderer = gatewayApiRenderer(experimental);

  async function see(asked: Cluster, fragment: Fragment, until?: AbortSignal): Promise<Observation | Refused> {
    const { plan } = fragment;
    if (plan === null) return seeGone(asked, fragment, until);
    const said = await routesSaid(asked, renderer.render(plan));
    if (said.kind !== 'accepted') return said;
    if (!said.controllers.some((controller) => ISTIO.test(controller))) return { kind: 'served' };
    const host = `${plan.service}.${plan.namespace}.svc.`;
    return observeProxies(asked, { controlPlaneNamespace, host, someone: true, judge: carriesRoutes(plan), until });
  }

  /** Of a service that is gone: no proxy of an istiod leads to what is left of it. */
  async function seeGone(asked: Cluster, { mesh, service }: Fragment, until?: AbortSignal): Promise<Observation | Refused> {
    const labels = ownerLabels(mesh, service);
    const left = await asked.list(SERVICES, { labels });
    if (left.kind === 'refused') return left;
    const [first] = left.objects;
    const istiods = await asked.list(PODS, { namespace: controlPlaneNamespace, labels: { app: 'istiod' } });
    if (!first || istiods.kind === 'refused' || istiods.objects.length === 0) return { kind: 'served' };
    const { namespace } = first.metadata;
    const judge = leadsToServices(
      left.objects.map(({ metadata }) => metadata.name),
      namespace,
    );
    return observeProxies(asked, { controlPlaneNamespace, host: `${service}.${namespace}.svc.`, someone: false, judge, until });
  }

  return meshDataPlane(options, {
    renderer,
    kinds: [SERVICES, HTTP_ROUTE],
    naming: [HTTP_ROUTE],
    splits: [HTTP_ROUTE_SPLIT],
    foreign: (asked, plan) => routesOfOthers(asked, plan, HTTP_ROUTE, isServiceOf(plan)),
    see,
  });
}
