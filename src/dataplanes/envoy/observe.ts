/**
 * Plain Envoy as a data plane: applying is poking the xds server (it reads the model by itself, also when the poke is
 * lost), observing is reading what that server saw of each node.
 */
import type { Documents } from '../../journal/documents.ts';
import type { DataPlane, Observation } from '../../reconcile/data-plane.ts';
import type { Fragment } from '../../reconcile/model.ts';
import { nodesOf, readinessOf } from '../../reconcile/observations.ts';

/** A node that has been gone this long no longer counts for a rollout. */
export const GONE_MS = 30_000;
const NAMED = 10;

/** `poke` tells the xds server that the mesh's model has moved; it may fail silently. */
export function envoyDataPlane(documents: Documents, dataPlane: string, poke: (mesh: string, sequence: number) => void): DataPlane {
  return {
    async apply(fragment: Fragment): Promise<void> {
      poke(fragment.mesh, fragment.sequence);
    },

    async observe(fragment: Fragment, now: number): Promise<Observation> {
      const seen = await nodesOf(documents, { mesh: fragment.mesh, dataPlane }, now);
      const counted = seen.filter(({ goneAt }) => goneAt === undefined || now - goneAt < GONE_MS);
      const behind = counted.filter(({ served }) => served < fragment.sequence);
      const refusing = behind.find(({ rejected }) => rejected !== undefined && rejected.sequence >= fragment.sequence);
      if (refusing?.rejected) return { kind: 'rejected', node: refusing.node, message: refusing.rejected.message };
      if (counted.length > 0 && behind.length === 0) return { kind: 'served' };
      return { kind: 'waiting', for: behind.slice(0, NAMED).map(({ node }) => node) };
    },

    readiness: (mesh, service, now) => readinessOf(documents, { mesh, dataPlane }, service, now),
  };
}
