/**
 * HTTPRoutes of others for a service of ours: implementations put all routes of a parent together, and which rule comes first goes by how
 * closely it matches and then by age. Of the service's namespace alone: one of another namespace holds for the callers there, who asked for it.
 */
import { z } from 'zod';
import type { ServicePlan } from '../../plan/plan.ts';
import type { Cluster, KubernetesObject, Refused, ResourceKind } from '../kubernetes/cluster.ts';
import { nameOf } from '../kubernetes/cluster.ts';
import { type Foreign, foreign } from '../kubernetes/drift.ts';
import { ownerOf } from '../kubernetes/ownership.ts';

const parentSchema = z.object({
  group: z.string().default('gateway.networking.k8s.io'),
  kind: z.string().default('Gateway'),
  name: z.string(),
  namespace: z.string().exactOptional(),
  port: z.number().exactOptional(),
});
const routeSchema = z.object({ parentRefs: z.array(parentSchema).default([]) });
export type Parent = z.infer<typeof parentSchema>;

/** The service itself, or the port of it that the plan is about. */
export const isServiceOf =
  ({ service, port }: ServicePlan) =>
  (parent: Parent): boolean =>
    ['', 'core'].includes(parent.group) && parent.kind === 'Service' && parent.name === service && (parent.port ?? port) === port;

/** Those of `kind` with such a parent; none where the kind is not installed. A refusal: they may not be listed. Throws `ClusterUnavailable`. */
export async function routesOfOthers(
  cluster: Cluster,
  plan: ServicePlan,
  kind: ResourceKind,
  isParent: (parent: Parent) => boolean,
): Promise<readonly Foreign[] | Refused> {
  const { namespace, service } = plan;
  const listed = await cluster.list(kind, { namespace });
  if (listed.kind === 'refused') return listed.status === 404 ? [] : listed;
  const others = listed.objects.filter(({ metadata, spec }) => {
    const { parentRefs } = routeSchema.parse(spec);
    return parentRefs.some((parent) => (parent.namespace ?? metadata.namespace) === namespace && isParent(parent));
  });
  return others
    .filter((object) => !isOurs(object, plan))
    .map((object) => {
      const message = `${nameOf(kind, object.metadata)} routes ${service} too, and by how closely its rules match, and by its age, it may take requests before ours: delete it, or move its rules into the spec.`;
      return foreign(kind, object, message);
    });
}

/** By its labels; one of the service's name is ours to write, or refused when it is written. */
export function isOurs(object: KubernetesObject, { mesh, service }: ServicePlan): boolean {
  const owner = ownerOf(object);
  return owner ? owner.mesh === mesh && owner.service === service : object.metadata.name === service;
}
