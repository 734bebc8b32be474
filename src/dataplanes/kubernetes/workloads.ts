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
const conditions = z.array(z.object({ type: z.string(), status: z.string() })).default([]);

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
      .object({
        type: z.string().default('RollingUpdate'),
        rollingUpdate: z.object({ maxSurge: share.default('25%'), maxUnavailable: share.default('25%') }).prefault({}),
      })
      .prefault({}),
  }),
  status: z
    .object({ observedGeneration: count, replicas: count, updatedReplicas: count, availableReplicas: count, conditions })
    .prefault({}),
});
const statefulSetSchema = z.object({
  ...generations,
  spec: z.object({
    template,
    replicas: z.number().default(1),
    updateStrategy: z
      .object({
        type: z.string().default('RollingUpdate'),
        rollingUpdate: z.object({ partition: z.number().default(0), maxUnavailable: share.default(1) }).prefault({}),
      })
      .prefault({}),
  }),
  status: z.object({ observedGeneration: count, replicas: count, updatedReplicas: count, availableReplicas: count }).prefault({}),
});
const daemonSetSchema = z.object({
  ...generations,
  spec: z.object({
    template,
    updateStrategy: z
      .object({
        type: z.string().default('RollingUpdate'),
        rollingUpdate: z.object({ maxSurge: share.default(0), maxUnavailable: share.default(1) }).prefault({}),
      })
      .prefault({}),
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
  /** It is not complete, and has not given up either. */
  readonly rolling: boolean;
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
  // After `progressDeadlineSeconds`, ten minutes unless it says otherwise.
  const hasGivenUp =
    observedGeneration >= metadata.generation && status.conditions.some(({ type, status: is }) => type === 'Progressing' && is === 'False');
  return { ...common(DEPLOYMENTS, object, spec), complete, rolling: !complete && !hasGivenUp, notRestarted: whyNot() };

  function whyNot(): string | undefined {
    const { strategy, paused } = spec;
    if (paused) return 'it is paused';
    if (strategy.type !== 'RollingUpdate') return `its strategy is ${strategy.type}, with which all of its pods end before others begin`;
    return mayEndAll(spec.replicas, strategy.rollingUpdate) ? NOBODY_LEFT : undefined;
  }
}

function statefulSet(object: KubernetesObject): Workload {
  const { metadata, spec, status } = statefulSetSchema.parse(object);
  const { observedGeneration, replicas, updatedReplicas, availableReplicas } = status;
  const complete =
    observedGeneration >= metadata.generation &&
    [replicas, updatedReplicas, availableReplicas].every((counted) => counted === spec.replicas);
  return { ...common(STATEFUL_SETS, object, spec), complete, rolling: !complete, notRestarted: whyNot() };

  function whyNot(): string | undefined {
    const { type, rollingUpdate } = spec.updateStrategy;
    if (type !== 'RollingUpdate') return `its update strategy is ${type}, with which its pods stay until somebody deletes them`;
    if (rollingUpdate.partition > 0) return 'its update strategy has a partition, below which its pods stay';
    return mayEndAll(spec.replicas, { ...rollingUpdate, maxSurge: 0 }) ? NOBODY_LEFT : undefined;
  }
}

function daemonSet(object: KubernetesObject): Workload {
  const { metadata, spec, status } = daemonSetSchema.parse(object);
  const { observedGeneration, desiredNumberScheduled: wanted, updatedNumberScheduled, numberAvailable } = status;
  const complete =
    observedGeneration >= metadata.generation && [updatedNumberScheduled, numberAvailable].every((counted) => counted === wanted);
  return { ...common(DAEMON_SETS, object, spec), complete, rolling: !complete, notRestarted: whyNot() };

  function whyNot(): string | undefined {
    const { type, rollingUpdate } = spec.updateStrategy;
    if (type !== 'RollingUpdate') return `its update strategy is ${type}, with which its pods stay until somebody deletes them`;
    return mayEndAll(wanted, rollingUpdate) ? NOBODY_LEFT : undefined;
  }
}

const common = (kind: ResourceKind, object: KubernetesObject, spec: { readonly template: z.infer<typeof template> }) => ({
  kind,
  object,
  name: nameOf(kind, object.metadata),
  annotations: spec.template.metadata.annotations,
});

const NOBODY_LEFT = 'by its rolling update all of its pods may end before others begin';

/** Shares as a Deployment's controller resolves them: of surge up, of unavailable pods down, and one of both is not nothing (ResolveFenceposts). */
function mayEndAll(
  wanted: number,
  { maxSurge, maxUnavailable }: { readonly maxSurge: number | string; readonly maxUnavailable: number | string },
): boolean {
  const surge = Math.ceil(resolved(maxSurge, wanted));
  const unavailable = Math.floor(resolved(maxUnavailable, wanted));
  return (surge === 0 ? Math.max(1, unavailable) : unavailable) >= wanted;
}

const resolved = (share: number | string, of: number): number =>
  typeof share === 'number' ? share : (Number.parseInt(share, 10) * of) / 100;

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
