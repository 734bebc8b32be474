/**
 * Policies of others that hold for the workloads of a service beside ours, and so change what ours mean. How Istio puts them together: of
 * PeerAuthentications with a selector the oldest counts alone (ComposePeerAuthentication, pilot/pkg/security/authn; those of the root
 * namespace never); of AuthorizationPolicies each ALLOW allows more, be they of the namespace or the root namespace
 * (ListAuthorizationPolicies, pilot/pkg/model). A DENY of others allows nothing, and is theirs to say.
 */
import { z } from 'zod';
import type { ServicePlan } from '../../plan/plan.ts';
import type { Cluster, KubernetesObject, Refused } from '../kubernetes/cluster.ts';
import { PODS } from '../kubernetes/kinds.ts';
import { ownerOf } from '../kubernetes/ownership.ts';
import type { Overruling } from './findings.ts';
import { AUTHORIZATION_POLICY, PEER_AUTHENTICATION, WORKLOAD_ENTRY } from './kinds.ts';

type Labels = Readonly<Record<string, string>>;

const labelsSchema = z.record(z.string(), z.string()).default({});
const policySchema = z.object({
  selector: z.object({ matchLabels: labelsSchema }).default({ matchLabels: {} }),
  targetRef: z.unknown().optional(),
  targetRefs: z.array(z.unknown()).default([]),
  action: z.string().default('ALLOW'),
  rules: z.array(z.unknown()).default([]),
});
const entrySchema = z.object({ labels: labelsSchema });

/** Whether a selector selects workloads of the service. */
type Selects = (matchLabels: Labels) => boolean;

/** A refusal: they may not be listed. Throws `ClusterUnavailable`. */
export async function policiesOfOthers(
  cluster: Cluster,
  plan: ServicePlan,
  rootNamespace: string,
): Promise<readonly Overruling[] | Refused> {
  const { namespace, security } = plan;
  if (!security) return [];
  const lists = await Promise.all([
    cluster.list(PEER_AUTHENTICATION, { namespace }),
    cluster.list(AUTHORIZATION_POLICY, { namespace }),
    cluster.list(AUTHORIZATION_POLICY, { namespace: rootNamespace }),
  ]);
  const [authentications, ...authorizations] = lists.map((listed) => (listed.kind === 'listed' ? listed.objects : []));
  const refused = lists.find((listed) => listed.kind === 'refused');
  if (refused) return refused;
  const selects = await selectsOf(cluster, plan);
  return [
    ...olderAuthentications(plan, authentications ?? [], selects),
    ...(security.stage === 'permissive' ? [] : wideningPolicies(plan, authorizations.flat(), selects)),
  ];
}

function olderAuthentications(plan: ServicePlan, all: readonly KubernetesObject[], selects: Selects): readonly Overruling[] {
  const ours = all.find((object) => isOurs(object, plan));
  return all
    .filter((object) => {
      const { matchLabels } = specOf(object).selector;
      // Of two that are made within a second, either may count.
      const counts = !ours || createdAt(object) <= createdAt(ours);
      return isOfOthers(object, plan) && Object.keys(matchLabels).length > 0 && counts && selects(matchLabels);
    })
    .map((object) => {
      const { namespace, name } = object.metadata;
      const message = `PeerAuthentication ${namespace}/${name} selects workloads of ${plan.service} too, and is older than ours: Istio goes by the oldest alone, so that \`mtls: ${plan.security?.stage}\` does not hold. Delete it, or have it select others.`;
      return { kind: PEER_AUTHENTICATION, object, message };
    });
}

/** What is enforced adds up with what is enforced, and a dry run with a dry run. */
function wideningPolicies(plan: ServicePlan, all: readonly KubernetesObject[], selects: Selects): readonly Overruling[] {
  const inDryRun = plan.security?.stage === 'shadow';
  return all
    .filter((object) => {
      const { selector, targetRef, targetRefs, action, rules } = specOf(object);
      const isForSidecars = targetRef === undefined && targetRefs.length === 0;
      const allows = action === 'ALLOW' && rules.length > 0 && isDryRun(object) === inDryRun;
      return isOfOthers(object, plan) && isForSidecars && allows && selects(selector.matchLabels);
    })
    .map((object) => {
      const { namespace, name } = object.metadata;
      const message = `AuthorizationPolicy ${namespace}/${name} holds for workloads of ${plan.service} too, and what it allows is allowed beside \`allow\` of the spec. Move its callers into the spec and delete it, or have it select others.`;
      return { kind: AUTHORIZATION_POLICY, object, message };
    });
}

const specOf = ({ spec }: KubernetesObject) => policySchema.parse(spec ?? {});
const isDryRun = ({ metadata }: KubernetesObject): boolean => /^(1|t|true)$/i.test(metadata.annotations['istio.io/dry-run'] ?? '');
const createdAt = ({ metadata }: KubernetesObject): string => String(metadata.creationTimestamp ?? '');

/** By its labels, or by its name, which is ours to write or refused when it is written. */
function isOurs(object: KubernetesObject, { mesh, namespace, service }: ServicePlan): boolean {
  const owner = ownerOf(object);
  if (owner) return owner.mesh === mesh && owner.service === service;
  return object.metadata.namespace === namespace && object.metadata.name === service;
}

/** What other services of the mesh say of shared workloads is for its spec to be refused for. */
const isOfOthers = (object: KubernetesObject, plan: ServicePlan): boolean => !isOurs(object, plan) && ownerOf(object)?.mesh !== plan.mesh;

/** Told by the labels that workloads have, and by those they will have; where they may not be listed, whatever may select them does. */
async function selectsOf(cluster: Cluster, { namespace, selector, versions }: ServicePlan): Promise<Selects> {
  const [pods, entries] = await Promise.all([
    cluster.list(PODS, { namespace, labels: selector }),
    cluster.list(WORKLOAD_ENTRY, { namespace }),
  ]);
  if (pods.kind === 'refused') {
    return (matchLabels) => Object.entries(matchLabels).every(([key, value]) => (selector[key] ?? value) === value);
  }
  const workloads: readonly Labels[] = [
    ...versions.map(({ labels }) => ({ ...selector, ...labels })),
    ...pods.objects.map(({ metadata }) => metadata.labels),
    ...(entries.kind === 'listed' ? entries.objects.map(({ spec }) => entrySchema.parse(spec).labels) : []),
  ].filter((labels) => isWithin(selector, labels));
  return (matchLabels) => workloads.some((labels) => isWithin(matchLabels, labels));
}

const isWithin = (matchLabels: Labels, labels: Labels): boolean =>
  Object.entries(matchLabels).every(([key, value]) => labels[key] === value);
