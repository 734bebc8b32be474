/**
 * Data planes of a mesh that are in one cluster. What is of a service is known there by the labels of its mesh and service: where two write
 * the same kinds of objects, a service that leaves one of them would have taken away what the other has just been given.
 */
import type { DataPlaneSpec } from './schema.ts';

/** What a data plane says against another. */
export interface ClusterClash {
  readonly dataPlane: string;
  readonly message: string;
}

/** These divide requests over a Service for each version, and the names of those are the same for all. */
const WRITES_SERVICES: readonly DataPlaneSpec['kind'][] = ['gateway-api', 'linkerd', 'osm'];

/** In the order in which the first one keeps its cluster. One cluster by two names (another setting, another context) is not known to be one. */
export function sharedClusters(dataPlanes: readonly DataPlaneSpec[]): readonly ClusterClash[] {
  return dataPlanes.flatMap((dataPlane, index) => {
    const cluster = clusterOf(dataPlane);
    const other = dataPlanes.slice(0, index).find((each) => clusterOf(each) === cluster && writeTheSame(each, dataPlane));
    if (cluster === undefined || !other) return [];
    const what = other.kind === dataPlane.kind ? 'the same objects' : 'the same Services';
    const message = `\`${other.name}\` (${other.kind}) is in the same cluster and writes ${what}, so that a service that leaves one of the two would be taken from the other; name one of them only`;
    return [{ dataPlane: dataPlane.name, message }];
  });
}

const writeTheSame = (a: DataPlaneSpec, b: DataPlaneSpec): boolean =>
  a.kind === b.kind || (WRITES_SERVICES.includes(a.kind) && WRITES_SERVICES.includes(b.kind));

function clusterOf(dataPlane: DataPlaneSpec): string | undefined {
  if (!('cluster' in dataPlane) || dataPlane.cluster === undefined) return undefined;
  const { cluster } = dataPlane;
  return 'aks' in cluster ? cluster.aks.toLowerCase() : JSON.stringify([cluster.kubeconfigSetting, cluster.context ?? null]);
}
