/**
 * Linkerd in one cluster as a data plane: applied as objects, observed by what its policy controller says of our routes. It says that
 * it took a route, not which state of it (it writes no `observedGeneration`), and proxies cannot be asked: so that what was applied
 * counts once it is taken, and that is said.
 */
import type { DataPlane, Observation } from '../../reconcile/data-plane.ts';
import type { Fragment } from '../../reconcile/model.ts';
import { HTTP_ROUTE, HTTP_ROUTE_SPLIT, routesSaid } from '../gateway-api/route-status.ts';
import type { Refused, ResourceKind } from '../kubernetes/cluster.ts';
import { SERVICES } from '../kubernetes/kinds.ts';
import { type KubernetesOptions, meshDataPlane } from '../kubernetes/mesh-data-plane.ts';
import { orderOfLeaving } from './render-policy.ts';
import { linkerdRenderer } from './renderer.ts';

const AUTHORIZATION: ResourceKind = {
  apiVersion: 'policy.linkerd.io/v1alpha1',
  kind: 'AuthorizationPolicy',
  plural: 'authorizationpolicies',
};
const SERVER: ResourceKind = { apiVersion: 'policy.linkerd.io/v1beta3', kind: 'Server', plural: 'servers' };

export const RENDERED_KINDS: readonly ResourceKind[] = [
  SERVICES,
  { apiVersion: 'policy.linkerd.io/v1alpha1', kind: 'MeshTLSAuthentication', plural: 'meshtlsauthentications' },
  AUTHORIZATION,
  HTTP_ROUTE,
  SERVER,
];

/**
 * A policy that is left over allows what the plan no longer does, and a route that is older than a new one takes its requests: both
 * go at once. A Server, which refuses whom no policy names, goes before them, and a route before the policies that hold for it.
 */
const NAMING: readonly ResourceKind[] = [AUTHORIZATION, HTTP_ROUTE, SERVER];

const UNDATED = "Linkerd's policy controller has taken the routes, and does not say which state of them";

export function linkerdDataPlane(options: KubernetesOptions): DataPlane {
  async function see({ plan }: Fragment): Promise<Observation | Refused> {
    if (plan === null) return { kind: 'unobserved', reason: 'Linkerd says nothing of routes that are gone' };
    const said = await routesSaid(options.cluster, linkerdRenderer.render(plan));
    if (said.kind !== 'accepted') return said;
    return said.dated ? { kind: 'served' } : { kind: 'unobserved', reason: UNDATED };
  }
  return meshDataPlane(options, {
    renderer: linkerdRenderer,
    kinds: RENDERED_KINDS,
    naming: NAMING,
    orderOfLeaving,
    splits: [HTTP_ROUTE_SPLIT],
    see,
  });
}
