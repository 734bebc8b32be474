/**
 * What objects of all Kubernetes meshes have in common: names, the labels by which meshwright knows its own, and a Service for
 * each version where a mesh divides requests over Services (Gateway API, Linkerd, SMI).
 */
import { createHash } from 'node:crypto';
import type { JsonObject } from '../../journal/documents.ts';
import type { PlannedVersion, ServicePlan } from '../../plan/plan.ts';

const MANAGED_BY = 'meshwright';

/** The labels that every object of a service carries; what carries them and is no longer rendered is taken away. */
export function ownerLabels(mesh: string, service: string): Readonly<Record<string, string>> {
  return { 'app.kubernetes.io/managed-by': MANAGED_BY, 'meshwright.dev/mesh': mesh, 'meshwright.dev/service': service };
}

/** `name` left out: the service's own. */
export function metadata(plan: ServicePlan, name: string = plan.service): JsonObject {
  return { name, namespace: plan.namespace, labels: { ...ownerLabels(plan.mesh, plan.service) } };
}

/**
 * A DNS label of at most 63 letters (RFC 1123) that no other text of the same place gets: what has to be changed gets a hash. A version may hold
 * dots, underscores and capitals.
 */
export function dnsLabel(text: string): string {
  if (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text)) return text;
  const readable = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, 48);
  return `${readable}-${createHash('sha256').update(text).digest('hex').slice(0, 8)}`;
}

/** The Service that holds the endpoints of one version: `catalog-v2`. */
export function versionServiceName(plan: ServicePlan, version: string): string {
  return dnsLabel(`${plan.service}-${version}`);
}

export function versionService(plan: ServicePlan, version: PlannedVersion): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(plan, versionServiceName(plan, version.name)),
    spec: {
      selector: { ...plan.selector, ...version.labels },
      ports: [{ name: plan.protocol, port: plan.port, targetPort: plan.port, protocol: 'TCP', appProtocol: APP_PROTOCOLS[plan.protocol] }],
    },
  };
}

/** Names that Istio, Linkerd and Gateway API (GEP-1911) read alike. */
const APP_PROTOCOLS = { http: 'http', http2: 'kubernetes.io/h2c', grpc: 'grpc' } as const;

/** Seconds with 0 or 3 decimals: what proto JSON, Go and CEL all read (`250ms` is no proto JSON). */
export function protoDuration(ms: number): string {
  return `${ms % 1000 === 0 ? ms / 1000 : (ms / 1000).toFixed(3)}s`;
}
