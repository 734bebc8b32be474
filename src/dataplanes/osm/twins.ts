/**
 * TrafficSplits and TrafficTargets of others for a service of ours. Of all splits that name a service osm-controller takes one, and which is
 * not to be said (pkg/catalog/outbound_traffic_policies.go: the first that its cache lists); what targets allow adds up.
 */
import { z } from 'zod';
import type { ServicePlan } from '../../plan/plan.ts';
import type { Cluster, KubernetesObject, Refused } from '../kubernetes/cluster.ts';
import { type Foreign, foreign } from '../kubernetes/drift.ts';
import { ownerOf } from '../kubernetes/ownership.ts';
import { TRAFFIC_SPLIT, TRAFFIC_TARGET } from './kinds.ts';

const splitSchema = z.object({ service: z.string() });
const targetSchema = z.object({ destination: z.object({ name: z.string(), namespace: z.string().default('') }) });

/** A refusal: they may not be listed. Throws `ClusterUnavailable`. */
export async function twins(cluster: Cluster, plan: ServicePlan): Promise<readonly Foreign[] | Refused> {
  const { namespace } = plan;
  const [splits, targets] = await Promise.all([cluster.list(TRAFFIC_SPLIT, { namespace }), cluster.list(TRAFFIC_TARGET, { namespace })]);
  if (splits.kind === 'refused') return splits;
  if (targets.kind === 'refused') return targets;
  return [...otherSplits(plan, splits.objects), ...otherTargets(plan, targets.objects)];
}

function otherSplits(plan: ServicePlan, all: readonly KubernetesObject[]): readonly Foreign[] {
  const { namespace, service } = plan;
  const others = all.filter((object) => {
    const root = splitSchema.safeParse(object.spec).data?.service;
    return (
      (root === service || root === `${service}.${namespace}` || root?.startsWith(`${service}.${namespace}.`)) && !isOurs(object, plan)
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

function otherTargets(plan: ServicePlan, all: readonly KubernetesObject[]): readonly Foreign[] {
  const { namespace, service, mesh, security } = plan;
  if (security?.stage !== 'strict') return [];
  const others = all.filter((object) => {
    const destination = targetSchema.safeParse(object.spec).data?.destination;
    const isOurAccount = destination?.name === security.serviceAccount && (destination.namespace || namespace) === namespace;
    // What other services of the mesh say of a shared account is for its spec.
    return isOurAccount && ownerOf(object)?.mesh !== mesh;
  });
  return others.map((object) => {
    const message = `TrafficTarget ${namespace}/${object.metadata.name} allows callers of service account ${security.serviceAccount} beside \`allow\` of ${service}: move them into the spec and delete it.`;
    return foreign(TRAFFIC_TARGET, object, message);
  });
}

function isOurs(object: KubernetesObject, { mesh, service }: ServicePlan): boolean {
  const owner = ownerOf(object);
  return owner?.mesh === mesh && owner.service === service;
}
