/**
 * Gateway API in one cluster as a data plane: applied as objects, observed by the status that controllers write on routes, and, where
 * the controller is Istio, at the proxies that its istiods push to. Of any other implementation the status is all there is to see.
 */
import type { ServicePlan } from '../../plan/plan.ts';
import type { DataPlane, Observation } from '../../reconcile/data-plane.ts';
import type { Fragment } from '../../reconcile/model.ts';
import { clustersFirst } from '../istio/clusters-first.ts';
import { observeProxies } from '../istio/observe.ts';
import { readyWorkloadEntries } from '../istio/workload-entries.ts';
import type { Cluster, ListOutcome, Refused } from '../kubernetes/cluster.ts';
import { PODS, SERVICES } from '../kubernetes/kinds.ts';
import { type KubernetesOptions, meshDataPlane } from '../kubernetes/mesh-data-plane.ts';
import { ownerLabels } from '../kubernetes/objects.ts';
import type { Labels } from '../kubernetes/readiness.ts';
import { leadingOf } from './leading.ts';
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
  const written = options.cluster;

  async function see(asked: Cluster, fragment: Fragment, until?: AbortSignal): Promise<Observation | Refused> {
    const { plan } = fragment;
    if (plan === null) return seeGone(asked, fragment, until);
    const said = await routesSaid(asked, renderer.render(plan));
    if (said.kind !== 'accepted') return said;
    if (!said.controllers.some((controller) => ISTIO.test(controller))) return { kind: 'served' };
    const host = `${plan.service}.${plan.namespace}.svc.`;
    return observeProxies(asked, { controlPlaneNamespace, host, someone: true, judge: carriesRoutes(plan), until, written });
  }

  /** Of a service that is gone: no proxy of an istiod leads to what is left of it. */
  async function seeGone(asked: Cluster, { mesh, service }: Fragment, until?: AbortSignal): Promise<Observation | Refused> {
    const labels = ownerLabels(mesh, service);
    const left = await asked.list(SERVICES, { labels });
    if (left.kind === 'refused') return left;
    const [first] = left.objects;
    const istiods = await istiodsOf(asked);
    if (!first || istiods.kind === 'refused' || istiods.objects.length === 0) return { kind: 'served' };
    const { namespace } = first.metadata;
    const judge = leadsToServices(
      left.objects.map(({ metadata }) => metadata.name),
      namespace,
    );
    return observeProxies(asked, { controlPlaneNamespace, host: `${service}.${namespace}.svc.`, someone: false, judge, until, written });
  }

  const istiodsOf = (asked: Cluster): Promise<ListOutcome> =>
    asked.list(PODS, { namespace: controlPlaneNamespace, labels: { app: 'istiod' } });

  /** Of other implementations pods are all there is behind a Service, and nobody lets us ask for Istio's kinds. */
  async function workloadEntries(asked: Cluster, plan: ServicePlan): Promise<readonly Labels[] | Refused> {
    const istiods = await istiodsOf(asked);
    if (istiods.kind === 'refused') return istiods;
    return istiods.objects.length === 0 ? [] : readyWorkloadEntries(asked, plan);
  }

  return meshDataPlane(options, {
    renderer,
    kinds: [SERVICES, HTTP_ROUTE],
    naming: [HTTP_ROUTE],
    splits: [HTTP_ROUTE_SPLIT],
    inOrder: (cluster, { service }) => clustersFirst(cluster, controlPlaneNamespace, leadingOf(service)),
    foreign: (asked, plan) => routesOfOthers(asked, plan, HTTP_ROUTE, isServiceOf(plan)),
    endpointsBeside: workloadEntries,
    see,
  });
}
