/**
 * Which versions of a service have a ready endpoint: by the addresses of its Service (EndpointSlices and the labels of their
 * pods), and by WorkloadEntries, which Istio puts behind a Service as well. What cannot be read is unknown.
 */
import { z } from 'zod';
import type { ServicePlan } from '../../plan/plan.ts';
import type { Cluster, KubernetesObject, ListOutcome } from '../kubernetes/cluster.ts';
import { ENDPOINT_SLICES, PODS } from '../kubernetes/kinds.ts';
import { WORKLOAD_ENTRY } from './kinds.ts';

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
const entrySchema = z.object({
  spec: z.object({ labels: z.record(z.string(), z.string()).default({}) }),
  status: z.object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]) }).default({ conditions: [] }),
});

/** Every version of the plan, and those that are seen beside them. Throws `ClusterUnavailable`. */
export async function versionsReady(cluster: Cluster, plan: ServicePlan): Promise<Readonly<Record<string, 'ready' | 'none'>>> {
  const { namespace, service, selector } = plan;
  const [slices, pods, entries] = await Promise.all([
    cluster.list(ENDPOINT_SLICES, { namespace, labels: { 'kubernetes.io/service-name': service } }),
    cluster.list(PODS, { namespace, labels: selector }),
    cluster.list(WORKLOAD_ENTRY, { namespace }),
  ]);
  const key = versionLabel(plan);
  if (key === undefined) return {};
  const addressed = slices.kind === 'listed' && pods.kind === 'listed' ? podLabels(slices.objects, pods.objects) : [];
  const ready = new Set(
    [...addressed, ...entryLabels(entries, selector)].map((labels) => labels[key]).filter((name) => name !== undefined),
  );
  const allRead = slices.kind === 'listed' && pods.kind === 'listed' && (entries.kind === 'listed' || entries.status === 404);
  const none = allRead ? plan.versions.map(({ name }) => name).filter((name) => !ready.has(name)) : [];
  return Object.fromEntries([...none.map((name) => [name, 'none'] as const), ...[...ready].map((name) => [name, 'ready'] as const)]);
}

/** The label by which versions are told apart. */
const versionLabel = ({ versions }: ServicePlan): string | undefined =>
  versions.flatMap(({ name, labels }) => Object.keys(labels).filter((key) => labels[key] === name))[0];

type Labels = Readonly<Record<string, string>>;

function podLabels(slices: readonly KubernetesObject[], pods: readonly KubernetesObject[]): readonly Labels[] {
  const byName = new Map(pods.map(({ metadata }) => [metadata.name, metadata.labels]));
  return slices
    .flatMap((slice) => sliceSchema.parse(slice).endpoints ?? [])
    .filter(({ conditions, targetRef }) => conditions.ready && targetRef.kind === 'Pod')
    .map(({ targetRef }) => byName.get(targetRef.name))
    .filter((labels) => labels !== undefined);
}

function entryLabels(entries: ListOutcome, selector: Labels): readonly Labels[] {
  if (entries.kind === 'refused') return [];
  return entries.objects
    .map((object) => entrySchema.parse(object))
    .filter(({ status }) => !status.conditions.some((condition) => condition.type === 'Healthy' && condition.status === 'False'))
    .map(({ spec }) => spec.labels)
    .filter((labels) => Object.entries(selector).every(([key, value]) => labels[key] === value));
}
