/**
 * What pods come from and how it is restarted: by an annotation on its pod template, so that its controller replaces them by its own rolling
 * update. What would not be replaced by itself, or not without a moment in which nobody answers, is for its owner to restart, and said why.
 */
import { z } from 'zod';
import type { ApplyOutcome, Cluster, KubernetesObject, Refused, ResourceKind } from './cluster.ts';
import { nameOf } from './cluster.ts';
import { DAEMON_SETS, DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS } from './kinds.ts';

const strings = z.record(z.string(), z.string()).default({});
const template = z
  .object({ metadata: z.object({ annotations: strings }).default({ annotations: {} }) })
  .default({ metadata: { annotations: {} } });
const share = z.union([z.number(), z.string()]);
const generations = { metadata: z.object({ generation: z.number().default(0) }) };
const count = z.number().default(0);

const replicaSetSchema = z.object({
  metadata: z.object({
    uid: z.string(),
    ownerReferences: z.array(z.object({ kind: z.string(), uid: z.string(), controller: z.boolean().default(false) })).default([]),
  }),
});
const deploymentSchema = z.object({
  ...generations,
  spec: z.object({
    template,
    replicas: z.number().default(1),
    paused: z.boolean().default(false),
    strategy: z
      .object({ type: z.string().default('RollingUpdate'), rollingUpdate: z.object({ maxSurge: share.default('25%') }).exactOptional() })
      .default({ type: 'RollingUpdate' }),
  }),
  status: z.object({ observedGeneration: count, replicas: count, updatedReplicas: count, availableReplicas: count }).prefault({}),
});
const statefulSetSchema = z.object({
  ...generations,
  spec: z.object({
    template,
    replicas: z.number().default(1),
    updateStrategy: z
      .object({ type: z.string().default('RollingUpdate'), rollingUpdate: z.object({ partition: z.number().default(0) }).exactOptional() })
      .default({ type: 'RollingUpdate' }),
  }),
  status: z.object({ observedGeneration: count, replicas: count, updatedReplicas: count, availableReplicas: count }).prefault({}),
});
const daemonSetSchema = z.object({
  ...generations,
  spec: z.object({
    template,
    updateStrategy: z
      .object({ type: z.string().default('RollingUpdate'), rollingUpdate: z.object({ maxSurge: share.default(0) }).exactOptional() })
      .default({ type: 'RollingUpdate' }),
  }),
  status: z
    .object({ observedGeneration: count, desiredNumberScheduled: count, updatedNumberScheduled: count, numberAvailable: count })
    .prefault({}),
});

export interface Workload {
  readonly kind: ResourceKind;
  readonly object: KubernetesObject;
  /** Such as `Deployment shop/catalog`. */
  readonly name: string;
  /** All of its pods are of its template, and available. */
  readonly complete: boolean;
  /** Of its pod template. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Why a change of its template would not replace its pods, or would leave nobody to answer meanwhile; `undefined`: neither. */
  readonly notRestarted: string | undefined;
}

/** By the controller that a pod names; `undefined`: of a kind that is not restarted here. */
export type FindWorkload = (owner: { readonly kind: string; readonly uid: string }) => Workload | undefined;

/** Everything that is restarted here, in all namespaces. Throws `ClusterUnavailable`. */
export async function workloadsIn(cluster: Cluster): Promise<{ readonly find: FindWorkload } | Refused> {
  const lists = await Promise.all([REPLICA_SETS, DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS].map((kind) => cluster.list(kind, {})));
  const objects: (readonly KubernetesObject[])[] = [];
  for (const each of lists) {
    if (each.kind === 'refused') return each;
    objects.push(each.objects);
  }
  const [replicaSets = [], deployments = [], statefulSets = [], daemonSets = []] = objects;
  const workloads = new Map<string, Workload>([
    ...deployments.map((each) => [each.metadata.uid, deployment(each)] as const),
    ...statefulSets.map((each) => [each.metadata.uid, statefulSet(each)] as const),
    ...daemonSets.map((each) => [each.metadata.uid, daemonSet(each)] as const),
  ]);
  const above = new Map(
    replicaSets.flatMap((each) => {
      const { metadata } = replicaSetSchema.parse(each);
      const owner = metadata.ownerReferences.find(({ controller }) => controller);
      return owner ? [[metadata.uid, owner.uid] as const] : [];
    }),
  );
  return { find: ({ kind, uid }) => workloads.get(kind === REPLICA_SETS.kind ? (above.get(uid) ?? '') : uid) };
}

function deployment(object: KubernetesObject): Workload {
  const { metadata, spec, status } = deploymentSchema.parse(object);
  const { observedGeneration, replicas, updatedReplicas, availableReplicas } = status;
  const complete =
    observedGeneration >= metadata.generation &&
    [replicas, updatedReplicas, availableReplicas].every((counted) => counted === spec.replicas);
  return { ...common(DEPLOYMENTS, object, spec), complete, notRestarted: whyNot() };

  function whyNot(): string | undefined {
    const { strategy, paused } = spec;
    if (paused) return 'it is paused';
    if (strategy.type !== 'RollingUpdate') return `its strategy is ${strategy.type}, with which all of its pods end before others begin`;
    return spec.replicas <= 1 && isNothing(strategy.rollingUpdate?.maxSurge ?? '25%')
      ? 'it has one pod and no maxSurge, so that this one ends before another begins'
      : undefined;
  }
}

function statefulSet(object: KubernetesObject): Workload {
  const { metadata, spec, status } = statefulSetSchema.parse(object);
  const { observedGeneration, replicas, updatedReplicas, availableReplicas } = status;
  const complete =
    observedGeneration >= metadata.generation &&
    [replicas, updatedReplicas, availableReplicas].every((counted) => counted === spec.replicas);
  return { ...common(STATEFUL_SETS, object, spec), complete, notRestarted: whyNot() };

  function whyNot(): string | undefined {
    const { type, rollingUpdate } = spec.updateStrategy;
    if (type !== 'RollingUpdate') return `its update strategy is ${type}, with which its pods stay until somebody deletes them`;
    if ((rollingUpdate?.partition ?? 0) > 0) return 'its update strategy has a partition, below which its pods stay';
    return spec.replicas <= 1 ? 'it has one pod, which ends before another begins' : undefined;
  }
}

function daemonSet(object: KubernetesObject): Workload {
  const { metadata, spec, status } = daemonSetSchema.parse(object);
  const { observedGeneration, desiredNumberScheduled: wanted, updatedNumberScheduled, numberAvailable } = status;
  const complete =
    observedGeneration >= metadata.generation && [updatedNumberScheduled, numberAvailable].every((counted) => counted === wanted);
  return { ...common(DAEMON_SETS, object, spec), complete, notRestarted: whyNot() };

  function whyNot(): string | undefined {
    const { type, rollingUpdate } = spec.updateStrategy;
    if (type !== 'RollingUpdate') return `its update strategy is ${type}, with which its pods stay until somebody deletes them`;
    return wanted <= 1 && isNothing(rollingUpdate?.maxSurge ?? 0) ? 'it has one pod, which ends before another begins' : undefined;
  }
}

const common = (kind: ResourceKind, object: KubernetesObject, spec: { readonly template: z.infer<typeof template> }) => ({
  kind,
  object,
  name: nameOf(kind, object.metadata),
  annotations: spec.template.metadata.annotations,
});

const isNothing = (surge: number | string): boolean => Number.parseInt(String(surge), 10) === 0;

/** Over exactly the state that was seen. Its owner stays the owner of everything else. */
export function restart(
  cluster: Cluster,
  { kind, object }: Workload,
  annotations: Readonly<Record<string, string>>,
): Promise<ApplyOutcome> {
  const { namespace, name, resourceVersion, uid } = object.metadata;
  const metadata = { namespace, name, labels: {}, annotations: {} };
  const content = { spec: { template: { metadata: { annotations: { ...annotations } } } } };
  return cluster.apply({ kind, metadata, content }, { over: { resourceVersion, uid }, force: false, dryRun: false });
}
