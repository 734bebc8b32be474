/**
 * The port of the workloads behind a service's own Service. A plan knows the port that callers use; Services for each version, and
 * policies on workloads, need the one that the service's owner has written beside it.
 */
import { z } from 'zod';
import type { Json, JsonObject } from '../../journal/documents.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import type { Cluster, Refused } from './cluster.ts';
import { SERVICES } from './kinds.ts';

/** A number, or the name of a container's port. */
export type TargetPort = number | string;

const serviceSchema = z.object({
  ports: z.array(z.object({ port: z.number(), targetPort: z.union([z.number(), z.string()]).exactOptional() })).default([]),
});

/** Refused where there is no such Service, or none with this port: nothing could be routed. Throws `ClusterUnavailable`. */
export async function targetPortOf(
  cluster: Cluster,
  { namespace, service, port }: ServicePlan,
): Promise<{ readonly port: TargetPort } | Refused> {
  const found = await cluster.get(SERVICES, { namespace, name: service });
  if (found.kind === 'refused') return found;
  const where = `Service ${namespace}/${service}`;
  if (found.kind === 'absent') {
    return { kind: 'refused', status: 404, message: `There is no ${where}, whose calls would be routed; create it, with port ${port}.` };
  }
  const { ports } = serviceSchema.parse(found.object.spec);
  const mine = ports.find((each) => each.port === port);
  if (mine) return { port: mine.targetPort ?? port };
  const others = ports.map((each) => each.port).join(', ') || 'none';
  return { kind: 'refused', status: 409, message: `${where} has no port ${port}; it has ${others}.` };
}

/** Rendered objects for workloads that listen on `port`: Services with ports, and Servers of Linkerd. */
export function retargeted(objects: readonly JsonObject[], port: TargetPort): readonly JsonObject[] {
  return objects.map((object): JsonObject => {
    const { kind, spec } = object;
    if (!isObject(spec)) return object;
    if (kind === 'Server') return { ...object, spec: { ...spec, port } };
    const { ports } = spec;
    if (kind !== 'Service' || !isList(ports)) return object;
    return { ...object, spec: { ...spec, ports: ports.map((each) => (isObject(each) ? { ...each, targetPort: port } : each)) } };
  });
}

const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);
const isObject = (value: Json | undefined): value is JsonObject => typeof value === 'object' && value !== null && !isList(value);
