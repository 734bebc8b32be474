/**
 * The pods of a Linkerd mesh, as far as certificates go. A proxy reads its roots once, from its environment: of an injected one they are in the
 * pod; of the control plane's they came from the ConfigMap, as of the restart that its annotation tells of, or as it has been since before the pod.
 */
import { z } from 'zod';
import { certificatesIn, fingerprintsOf } from '../certificates.ts';
import type { Cluster, PodPort, Refused } from '../kubernetes/cluster.ts';
import { PODS } from '../kubernetes/kinds.ts';
import { listed, TRUST_ROOTS, type TrustRoots } from './trust-roots.ts';

const PROXY = 'linkerd-proxy';
const ANCHORS = 'LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS';
const COMPONENT = 'linkerd.io/control-plane-component';
/** On pod templates: for which set of roots they were restarted, so that their pods have it or one that came after. */
export const RESTARTED_FOR = 'meshwright.dev/restarted-for-roots';
/** A ConfigMap that is written is every kubelet's after that time, whatever way it hears of it. */
const UNTIL_KUBELETS_KNOW_MS = 120_000;
const ADMIN = { name: 'linkerd-admin', containerPort: 4191 };
const GRPC = { name: 'grpc', containerPort: 8080 };

const reference = z.object({ configMapKeyRef: z.object({ name: z.string() }).exactOptional() }).exactOptional();
const containerSchema = z.object({
  name: z.string(),
  env: z.array(z.object({ name: z.string(), value: z.string().exactOptional(), valueFrom: reference })).default([]),
  ports: z.array(z.object({ name: z.string().default(''), containerPort: z.number() })).default([]),
});
const statusSchema = z.object({ name: z.string(), state: z.object({ running: z.unknown() }).partial().default({}) });
const strings = z.record(z.string(), z.string()).default({});
const ownerSchema = z.object({ kind: z.string(), name: z.string(), uid: z.string(), controller: z.boolean().default(false) });
export type Owner = z.infer<typeof ownerSchema>;

const podSchema = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    labels: strings,
    annotations: strings,
    creationTimestamp: z.string().default(''),
    deletionTimestamp: z.string().exactOptional(),
    ownerReferences: z.array(ownerSchema).default([]),
  }),
  spec: z.object({
    serviceAccountName: z.string().default('default'),
    containers: z.array(containerSchema).default([]),
    // Where a proxy is a native sidecar.
    initContainers: z.array(containerSchema).default([]),
  }),
  status: z
    .object({
      phase: z.string().default(''),
      containerStatuses: z.array(statusSchema).default([]),
      initContainerStatuses: z.array(statusSchema).default([]),
    })
    .default({ phase: '', containerStatuses: [], initContainerStatuses: [] }),
});
type Pod = z.infer<typeof podSchema>;

export interface MeshedPod {
  readonly namespace: string;
  readonly pod: string;
  /** Such as `identity`, of the control plane of this mesh. */
  readonly component: string | undefined;
  readonly owner: Owner | undefined;
  /** It can be talked to; another one may be soon, with what it has in its environment. */
  readonly running: boolean;
  /** It is being ended. */
  readonly leaving: boolean;
  /** Fingerprints of the roots that it began with; `undefined`: that cannot be told. */
  readonly roots: readonly string[] | undefined;
  /** The name in its leaf, such as `web.shop.serviceaccount.identity.linkerd.cluster.local`. */
  readonly identity: string;
  /** What follows a service account in every identity of the mesh. */
  readonly identities: string;
  readonly admin: PodPort;
  /** Of the identity service, where it is one of its pods. */
  readonly grpc: number;
}

/** Those of this control plane, in all namespaces; `there`: what the ConfigMap had before they were asked for. Throws `ClusterUnavailable`. */
export async function meshedPods(
  cluster: Cluster,
  home: string,
  there: TrustRoots | 'absent',
): Promise<{ readonly pods: readonly MeshedPod[] } | Refused> {
  const found = await cluster.list(PODS, {});
  if (found.kind === 'refused') return found;
  const pods = found.objects
    .map((each) => podSchema.parse(each))
    .filter(({ status: { phase } }) => phase !== 'Succeeded' && phase !== 'Failed')
    .flatMap((pod) => meshed(pod, home, there) ?? []);
  return { pods };
}

function meshed(pod: Pod, home: string, there: TrustRoots | 'absent'): MeshedPod | undefined {
  const { metadata, spec, status } = pod;
  const containers = [...spec.containers, ...spec.initContainers];
  const proxy = containers.find(({ name }) => name === PROXY);
  if (!proxy) return undefined;
  const told = (variable: string): string | undefined => proxy.env.find(({ name }) => name === variable)?.value;
  if ((told('_l5d_ns') ?? home) !== home) return undefined;
  const { name, namespace, labels, ownerReferences } = metadata;
  const identities = `identity.${home}.${told('_l5d_trustdomain') ?? 'cluster.local'}`;
  const ports = (wanted: typeof ADMIN, of: typeof containers): number =>
    of.flatMap((each) => each.ports).find((port) => port.name === wanted.name)?.containerPort ?? wanted.containerPort;
  return {
    namespace,
    pod: name,
    component: namespace === home ? labels[COMPONENT] : undefined,
    owner: ownerReferences.find(({ controller }) => controller),
    running: [...status.containerStatuses, ...status.initContainerStatuses].some(
      (each) => each.name === PROXY && each.state.running !== undefined,
    ),
    leaving: metadata.deletionTimestamp !== undefined,
    roots: rootsOf(proxy, metadata, there),
    identity: `${spec.serviceAccountName}.${namespace}.serviceaccount.${identities}`,
    identities,
    admin: { namespace, pod: name, port: ports(ADMIN, [proxy]) },
    grpc: ports(GRPC, containers),
  };
}

function rootsOf(
  proxy: z.infer<typeof containerSchema>,
  { annotations, creationTimestamp }: Pod['metadata'],
  there: TrustRoots | 'absent',
): MeshedPod['roots'] {
  const anchors = proxy.env.find(({ name }) => name === ANCHORS);
  if (anchors?.value !== undefined) return readable(anchors.value);
  if (anchors?.valueFrom?.configMapKeyRef?.name !== TRUST_ROOTS) return undefined;
  const writtenAt = there === 'absent' ? undefined : there.writtenAt;
  const isSince = writtenAt !== undefined && Date.parse(creationTimestamp) > writtenAt + UNTIL_KUBELETS_KNOW_MS;
  // Also where its template is one of before, annotation and all.
  if (isSince && there !== 'absent') return there.fingerprints;
  // Whatever a container of it was started with later came after what the pod was made for.
  const restartedFor = annotations[RESTARTED_FOR];
  return restartedFor === undefined ? undefined : listed(restartedFor);
}

function readable(pem: string): readonly string[] | undefined {
  try {
    return fingerprintsOf(certificatesIn(pem));
  } catch {
    return undefined;
  }
}

export const nameOfPod = ({ pod, namespace }: Pick<MeshedPod, 'pod' | 'namespace'>): string => `${pod}.${namespace}`;
