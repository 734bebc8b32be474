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
import { linkerdRenderer } from './renderer.ts';

/** Policies go before what they name, and the Server, which refuses whom no policy names, goes first. */
export const RENDERED_KINDS: readonly ResourceKind[] = [
  SERVICES,
  { apiVersion: 'policy.linkerd.io/v1alpha1', kind: 'MeshTLSAuthentication', plural: 'meshtlsauthentications' },
  HTTP_ROUTE,
  { apiVersion: 'policy.linkerd.io/v1alpha1', kind: 'AuthorizationPolicy', plural: 'authorizationpolicies' },
  { apiVersion: 'policy.linkerd.io/v1beta3', kind: 'Server', plural: 'servers' },
];

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
    naming: [HTTP_ROUTE],
    splits: [HTTP_ROUTE_SPLIT],
    see,
  });
}
