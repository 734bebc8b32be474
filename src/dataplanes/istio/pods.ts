/** The pods of an Istio mesh, as far as certificates go: istiods with what they were started with, and whoever runs a proxy. */
import { z } from 'zod';
import type { Cluster, Refused } from '../kubernetes/cluster.ts';
import { PODS } from '../kubernetes/kinds.ts';

const containerSchema = z.object({
  name: z.string(),
  env: z.array(z.object({ name: z.string(), value: z.string().default('') })).default([]),
});
const statusSchema = z.object({ name: z.string(), state: z.object({ running: z.unknown() }).partial().default({}) });
const podSchema = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  spec: z.object({ containers: z.array(containerSchema).default([]) }).default({ containers: [] }),
  status: z
    .object({
      phase: z.string().default(''),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
      containerStatuses: z.array(statusSchema).default([]),
      initContainerStatuses: z.array(statusSchema).default([]),
    })
    .default({ phase: '', conditions: [], containerStatuses: [], initContainerStatuses: [] }),
});

export interface IstiodPod {
  readonly pod: string;
  readonly ready: boolean;
  /** Takes another set of roots than it began with (`ISTIO_MULTIROOT_MESH`). */
  readonly multiRoot: boolean;
}

export interface ProxyPod {
  readonly pod: string;
  readonly namespace: string;
}

/** Those that may sign now or later. Throws `ClusterUnavailable`. */
export async function istiodPods(cluster: Cluster, namespace: string): Promise<{ readonly pods: readonly IstiodPod[] } | Refused> {
  const listed = await cluster.list(PODS, { namespace, labels: { app: 'istiod' } });
  if (listed.kind === 'refused') return listed;
  const pods = listed.objects
    .map((each) => podSchema.parse(each))
    .filter(isAlive)
    .map(({ metadata, spec, status }) => ({
      pod: metadata.name,
      ready: status.conditions.some((each) => each.type === 'Ready' && each.status === 'True'),
      multiRoot: spec.containers.some(({ env }) => env.some(({ name, value }) => name === 'ISTIO_MULTIROOT_MESH' && isTrue(value))),
    }));
  return { pods };
}

/** Pods whose container `istio-proxy` runs, sidecars and gateways alike: a key is nowhere but in its memory. Throws `ClusterUnavailable`. */
export async function proxyPods(cluster: Cluster): Promise<{ readonly pods: readonly ProxyPod[] } | Refused> {
  const listed = await cluster.list(PODS, {});
  if (listed.kind === 'refused') return listed;
  const pods = listed.objects
    .map((each) => podSchema.parse(each))
    .filter(isAlive)
    .filter(({ status }) =>
      [...status.containerStatuses, ...status.initContainerStatuses].some(
        ({ name, state }) => name === 'istio-proxy' && state.running !== undefined,
      ),
    )
    .map(({ metadata }) => ({ pod: metadata.name, namespace: metadata.namespace }));
  return { pods };
}

const isAlive = ({ status: { phase } }: z.infer<typeof podSchema>): boolean => phase !== 'Succeeded' && phase !== 'Failed';

/** As Go's ParseBool reads it. */
const isTrue = (text: string): boolean => ['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text);
