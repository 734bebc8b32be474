/**
 * Linkerd in one cluster as a data plane: applied as objects, observed by what its policy controller says of our routes. It says that
 * it took a route, not which state of it (it writes no `observedGeneration`), and proxies cannot be asked: so that what was applied
 * counts once it is taken, and that is said.
 */
import type { DataPlane, Observation } from '../../reconcile/data-plane.ts';
import type { Fragment } from '../../reconcile/model.ts';
import { HTTP_ROUTE_SPLIT, routesSaid } from '../gateway-api/route-status.ts';
import type { Cluster, Refused } from '../kubernetes/cluster.ts';
import { type KubernetesOptions, meshDataPlane } from '../kubernetes/mesh-data-plane.ts';
import { NAMING, RENDERED_KINDS } from './kinds.ts';
import { objectsOfOthers } from './objects-of-others.ts';
import { orderOfLeaving } from './render-policy.ts';
import { linkerdRenderer } from './renderer.ts';

const UNDATED = "Linkerd's policy controller has taken the routes, and does not say which state of them";

export function linkerdDataPlane(options: KubernetesOptions): DataPlane {
  async function see(asked: Cluster, { plan }: Fragment): Promise<Observation | Refused> {
    if (plan === null) return { kind: 'unobserved', reason: 'Linkerd says nothing of routes that are gone' };
    const said = await routesSaid(asked, linkerdRenderer.render(plan));
    if (said.kind !== 'accepted') return said;
    return said.dated ? { kind: 'served' } : { kind: 'unobserved', reason: UNDATED };
  }
  return meshDataPlane(options, {
    renderer: linkerdRenderer,
    kinds: RENDERED_KINDS,
    naming: NAMING,
    orderOfLeaving,
    splits: [HTTP_ROUTE_SPLIT],
    foreign: objectsOfOthers,
    see,
  });
}
