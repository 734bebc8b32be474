/**
 * What a service calls outside the mesh, as ServiceEntries (networking.istio.io/v1), one a host, for the service's own
 * namespace: what others declare of the same host is no concern of theirs.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import { dnsLabel, metadata } from '../kubernetes/objects.ts';

export function serviceEntries(plan: ServicePlan): JsonObject[] {
  const hosts = Map.groupBy(plan.egress ?? [], ({ host }) => host);
  return [...hosts].map(([host, calls]) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: metadata(plan, dnsLabel(`${plan.service}.${host}`)),
    spec: {
      hosts: [host],
      exportTo: ['.'],
      location: 'MESH_EXTERNAL',
      resolution: 'DNS',
      ports: calls.map(({ port, protocol }) => ({ number: port, name: `${protocol}-${port}`, protocol: protocol.toUpperCase() })),
    },
  }));
}
