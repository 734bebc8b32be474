/**
 * Plain Envoy as a data plane: applying is poking the xds server (it reads the model by itself, also when the poke is
 * lost), observing is reading what that server saw of each node.
 */
import type { Documents } from '../../journal/documents.ts';
import type { Applied, DataPlane, Observation } from '../../reconcile/data-plane.ts';
import type { Fragment } from '../../reconcile/model.ts';
import { nodesOf, readinessOf } from '../../reconcile/observations.ts';
import { qualifiedName } from './naming.ts';

/** A node that has been gone this long no longer counts for a rollout. */
export const GONE_MS = 30_000;
const NAMED = 10;

/** `poke` tells the xds server that the mesh's model has moved; it may fail silently. */
export function envoyDataPlane(documents: Documents, dataPlane: string, poke: (mesh: string, sequence: number) => void): DataPlane {
  return {
    async apply(fragment: Fragment): Promise<Applied> {
      poke(fragment.mesh, fragment.sequence);
      return { kind: 'applied' };
    },

    async observe(fragment: Fragment, now: number): Promise<Observation> {
      const seen = await nodesOf(documents, { mesh: fragment.mesh, dataPlane }, now);
      const counted = seen.filter(({ goneAt }) => goneAt === undefined || now - goneAt < GONE_MS);
      const name = fragment.plan === null ? undefined : qualifiedName(fragment.plan);
      const behind = counted.filter(({ served }) => served < fragment.sequence);
      // What a node that is behind goes without may be of before this fragment.
      const refusing = counted.find((node) => !behind.includes(node) && name !== undefined && node.without?.includes(name));
      if (refusing) return { kind: 'rejected', node: refusing.node, message: refusing.rejected?.message ?? `It does not take ${name}.` };
      if (counted.length > 0 && behind.length === 0) return { kind: 'served' };
      return { kind: 'waiting', for: behind.slice(0, NAMED).map(({ node }) => node) };
    },

    readiness: (mesh, service, now) => readinessOf(documents, { mesh, dataPlane }, service, now),
  };
}
