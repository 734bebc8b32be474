/** WorkloadEntries, which Istio puts behind a Service as it does pods: those of a service that may get requests. */
import { z } from 'zod';
import type { ServicePlan } from '../../plan/plan.ts';
import type { Cluster, Refused } from '../kubernetes/cluster.ts';
import type { Labels } from '../kubernetes/readiness.ts';
import { WORKLOAD_ENTRY } from './kinds.ts';

const entrySchema = z.object({
  spec: z.object({ labels: z.record(z.string(), z.string()).default({}) }),
  status: z.object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]) }).default({ conditions: [] }),
});

/** The labels of those that are not said to be unhealthy; none where the kind is not installed. Throws `ClusterUnavailable`. */
export async function readyWorkloadEntries(cluster: Cluster, { namespace, selector }: ServicePlan): Promise<readonly Labels[] | Refused> {
  const entries = await cluster.list(WORKLOAD_ENTRY, { namespace });
  if (entries.kind === 'refused') return entries.status === 404 ? [] : entries;
  return entries.objects
    .map((object) => entrySchema.parse(object))
    .filter(({ status }) => !status.conditions.some((condition) => condition.type === 'Healthy' && condition.status === 'False'))
    .map(({ spec }) => spec.labels)
    .filter((labels) => Object.entries(selector).every(([key, value]) => labels[key] === value));
}
