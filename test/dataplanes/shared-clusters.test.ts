/** Of which data planes a spec says that they may share a cluster: those that look for no kind of object in common, as they really look. */
import { describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { gatewayApiDataPlane } from '../../src/dataplanes/gateway-api/data-plane.ts';
import { istioDataPlane } from '../../src/dataplanes/istio/data-plane.ts';
import type { Cluster } from '../../src/dataplanes/kubernetes/cluster.ts';
import { linkerdDataPlane } from '../../src/dataplanes/linkerd/data-plane.ts';
import { osmDataPlane } from '../../src/dataplanes/osm/data-plane.ts';
import type { DataPlane } from '../../src/reconcile/data-plane.ts';
import type { DataPlaneSpec } from '../../src/spec/schema.ts';
import { sharedClusters } from '../../src/spec/shared-clusters.ts';
import { MemoryCluster } from './kubernetes/memory-cluster.ts';

const reached = { takeOver: false, observe: false, cluster: { aks: 'the one' } };
const namespaced = { ...reached, controlPlaneNamespace: 'system' };
const SPECS: readonly DataPlaneSpec[] = [
  { kind: 'istio', name: 'istio', ...namespaced },
  { kind: 'gateway-api', name: 'gateway-api', ...namespaced, experimental: false },
  { kind: 'linkerd', name: 'linkerd', ...reached },
  { kind: 'osm', name: 'osm', ...namespaced },
];

function dataPlaneOf(spec: DataPlaneSpec, cluster: Cluster): DataPlane {
  const options = { cluster, documents: new MemoryDocuments(), takeOver: false, observe: false };
  switch (spec.kind) {
    case 'istio':
      return istioDataPlane({ ...options, controlPlaneNamespace: spec.controlPlaneNamespace });
    case 'gateway-api':
      return gatewayApiDataPlane({ ...options, controlPlaneNamespace: spec.controlPlaneNamespace, experimental: spec.experimental });
    case 'linkerd':
      return linkerdDataPlane(options);
    case 'osm':
      return osmDataPlane({ ...options, controlPlaneNamespace: spec.controlPlaneNamespace });
    default:
      throw new Error(`${spec.kind} writes to no cluster.`);
  }
}

/** What it takes away of a service that is gone is found by its labels, kind by kind. */
async function ownedKinds(spec: DataPlaneSpec): Promise<ReadonlySet<string>> {
  const asked = new Set<string>();
  const memory = new MemoryCluster();
  const listening: Cluster = {
    list(kind, where) {
      if (where.labels?.['meshwright.dev/service'] === 'catalog') asked.add(`${kind.apiVersion} ${kind.kind}`);
      return memory.list(kind, where);
    },
    get: (...of) => memory.get(...of),
    apply: (...of) => memory.apply(...of),
    delete: (...of) => memory.delete(...of),
    remove: () => memory.remove(),
    door: () => memory.door(),
    may: () => memory.may(),
  };
  await dataPlaneOf(spec, listening).prune?.({ mesh: 'shop', service: 'catalog', revision: 3, sequence: 3, plan: null });
  return asked;
}

describe('data planes in one cluster', () => {
  const pairs = SPECS.flatMap((first, index) => SPECS.slice(index + 1).map((second) => ({ first, second })));

  it.each(pairs)(
    '$first.kind and $second.kind are refused exactly where one would take away what the other writes',
    async ({ first, second }) => {
      const [one, other] = await Promise.all([ownedKinds(first), ownedKinds(second)]);
      expect([one.size, other.size]).not.toContain(0);
      expect(sharedClusters([first, second]).length > 0).toBe([...one].some((kind) => other.has(kind)));
    },
  );
});
