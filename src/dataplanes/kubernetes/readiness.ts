/**
 * Which versions of a service have a ready endpoint: by the addresses of its Service (EndpointSlices and the labels of their
 * pods), and by what else a mesh puts behind it. What cannot be read is unknown.
 */
import { z } from 'zod';
import type { Documents } from '../../journal/documents.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import type { DataPlane } from '../../reconcile/data-plane.ts';
import { readFragment } from '../../reconcile/model.ts';
import type { Cluster, KubernetesObject, Refused } from './cluster.ts';
import { ENDPOINT_SLICES, PODS } from './kinds.ts';

export type Labels = Readonly<Record<string, string>>;

/** The labels of the service's ready endpoints that are no pods; a refusal: they cannot be read. Throws `ClusterUnavailable`. */
export type EndpointsBeside = (cluster: Cluster, plan: ServicePlan) => Promise<readonly Labels[] | Refused>;

const sliceSchema = z.object({
  endpoints: z
    .array(
      z.object({
        conditions: z.object({ ready: z.boolean().default(true) }).default({ ready: true }),
        targetRef: z.object({ kind: z.string().default(''), name: z.string().default('') }).default({ kind: '', name: '' }),
      }),
    )
    .nullish(),
});

/** By the plan that is in the model: nothing is known without one. Without `beside`, pods are all there can be. */
export function readinessIn(cluster: Cluster, documents: Documents, beside?: EndpointsBeside): DataPlane['readiness'] {
  return async (mesh, service) => {
    const plan = (await readFragment(documents, mesh, service))?.plan;
    return plan ? versionsReady(cluster, plan, beside) : {};
  };
}

/** Every version of the plan, and those that are seen beside them. Throws `ClusterUnavailable`. */
async function versionsReady(cluster: Cluster, plan: ServicePlan, beside?: EndpointsBeside): ReturnType<DataPlane['readiness']> {
  const { namespace, service, selector } = plan;
  const key = versionLabel(plan);
  if (key === undefined) return {};
  const [slices, pods, others = []] = await Promise.all([
    cluster.list(ENDPOINT_SLICES, { namespace, labels: { 'kubernetes.io/service-name': service } }),
    cluster.list(PODS, { namespace, labels: selector }),
    beside?.(cluster, plan),
  ]);
  const addressed = slices.kind === 'listed' && pods.kind === 'listed' ? podLabels(slices.objects, pods.objects) : undefined;
  const more = 'message' in others ? undefined : others;
  const ready = new Set([...(addressed ?? []), ...(more ?? [])].map((labels) => labels[key]).filter((name) => name !== undefined));
  const none = addressed && more ? plan.versions.map(({ name }) => name).filter((name) => !ready.has(name)) : [];
  return Object.fromEntries([...none.map((name) => [name, 'none'] as const), ...[...ready].map((name) => [name, 'ready'] as const)]);
}

/** The label by which versions are told apart. */
const versionLabel = ({ versions }: ServicePlan): string | undefined =>
  versions.flatMap(({ name, labels }) => Object.keys(labels).filter((key) => labels[key] === name))[0];

function podLabels(slices: readonly KubernetesObject[], pods: readonly KubernetesObject[]): readonly Labels[] {
  const byName = new Map(pods.map(({ metadata }) => [metadata.name, metadata.labels]));
  return slices
    .flatMap((slice) => sliceSchema.parse(slice).endpoints ?? [])
    .filter(({ conditions, targetRef }) => conditions.ready && targetRef.kind === 'Pod')
    .map(({ targetRef }) => byName.get(targetRef.name))
    .filter((labels) => labels !== undefined);
}
