/**
 * TrafficSplits of others for a service of ours: osm-controller takes one of all that name a service, and which is not to be said
 * (pkg/catalog/outbound_traffic_policies.go: the first that its cache lists).
 */
import { z } from 'zod';
import type { ServicePlan } from '../../plan/plan.ts';
import type { Difference } from '../../reconcile/data-plane.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import { foreign } from '../kubernetes/drift.ts';
import { ownerOf } from '../kubernetes/ownership.ts';
import { TRAFFIC_SPLIT } from './kinds.ts';

const specSchema = z.object({ service: z.string() });

/** Throws `ClusterUnavailable`, or an Error where they may not be listed. */
export async function twins(cluster: Cluster, { mesh, service, namespace }: ServicePlan): Promise<readonly Difference[]> {
  const listed = await cluster.list(TRAFFIC_SPLIT, { namespace });
  if (listed.kind === 'refused') throw new Error(listed.message);
  const others = listed.objects.filter((object) => {
    const owner = ownerOf(object);
    const root = specSchema.safeParse(object.spec).data?.service;
    return (
      (root === service || root === `${service}.${namespace}` || root?.startsWith(`${service}.${namespace}.`)) &&
      !(owner?.mesh === mesh && owner.service === service)
    );
  });
  return others
    .filter(({ metadata }) => metadata.name !== service)
    .map((object) => {
      const { name } = object.metadata;
      const message = `TrafficSplit ${namespace}/${name} divides ${service} too, and osm-controller goes by one of them, not to be said which: delete it, or move its weights into the spec.`;
      return foreign(TRAFFIC_SPLIT, object, message);
    });
}
