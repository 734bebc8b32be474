/**
 * What Azure Resource Manager tells of AKS clusters: something of one was written, or an action was run on it, such as an upgrade of its mesh or
 * a command in it. What was changed inside it says nobody. Format: https://learn.microsoft.com/azure/event-grid/event-schema-resource-groups.
 */
import { z } from 'zod';
import type { MeshSpec } from '../spec/schema.ts';
import type { DeliveredEvent } from './delivery.ts';

export interface ClusterChange {
  /** The resource id of the cluster, in lower case: Azure changes the case of ids inside one event. */
  readonly aks: string;
  /** Such as `Microsoft.ContainerService/managedClusters/write`. */
  readonly operation: string;
}

const CHANGES = /^microsoft\.resources\.resource(?:write|action)success$/;
const CLUSTER = /^\/subscriptions\/[^/]+\/resourcegroups\/[^/]+\/providers\/microsoft\.containerservice\/managedclusters\/[^/]+(?=\/|$)/;
/** Actions that only hand something out; our own connector asks for credentials by one. */
const READS = /\/list[^/]*\/action$/i;

const changeData = z.object({ resourceUri: z.string().max(2048).nullish(), operationName: z.string().max(256).nullish() });

/** `undefined`: it tells of no change of a cluster. */
export function readClusterChange(event: DeliveredEvent): ClusterChange | undefined {
  const data = changeData.safeParse(event.data).data;
  if (!CHANGES.test(event.type.toLowerCase()) || !data) return undefined;
  const [aks] = CLUSTER.exec((data.resourceUri ?? event.subject).toLowerCase()) ?? [];
  const operation = data.operationName ?? '';
  return aks === undefined || READS.test(operation) ? undefined : { aks, operation };
}

export interface ReachedDataPlane {
  readonly mesh: string;
  readonly dataPlane: string;
}

/** The data planes that are reached by this cluster's resource id. */
export function dataPlanesIn({ aks }: ClusterChange, meshes: readonly { readonly spec: MeshSpec }[]): readonly ReachedDataPlane[] {
  return meshes.flatMap(({ spec }) =>
    spec.dataPlanes
      .filter(
        (dataPlane) =>
          'cluster' in dataPlane && dataPlane.cluster && 'aks' in dataPlane.cluster && dataPlane.cluster.aks.toLowerCase() === aks,
      )
      .map(({ name }) => ({ mesh: spec.name, dataPlane: name })),
  );
}
