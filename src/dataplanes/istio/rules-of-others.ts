/**
 * DestinationRules of others for the host of a service, which is called by one rule: whether ours is that one. How istiod picks: a rule of the
 * caller's namespace before one of the service's, and that before one of the root namespace (PushContext.destinationRule); in one
 * namespace the host that is written out before a wildcard (MostSpecificHostMatch); rules of one host and `exportTo` are merged, the oldest
 * first, and of those with another `exportTo` the youngest counts (mergeDestinationRule, SidecarScope.DestinationRule). pilot/pkg/model.
 */
import { z } from 'zod';
import type { ServicePlan } from '../../plan/plan.ts';
import type { KubernetesObject } from '../kubernetes/cluster.ts';
import { ownerOf } from '../kubernetes/ownership.ts';
import { destinationRule } from './destination-rule.ts';

const ruleSchema = z.object({
  host: z.string().default(''),
  exportTo: z.array(z.string()).default([]),
  workloadSelector: z.unknown().optional(),
  trafficPolicy: z.unknown().optional(),
  subsets: z.array(z.object({ name: z.string() })).default([]),
});
type Rule = z.infer<typeof ruleSchema>;

export interface OtherRule {
  readonly object: KubernetesObject;
  /** What it does, and what to do. */
  readonly message: string;
}

/** The first of `objects`, the cluster's DestinationRules, that counts in place of ours, or of a part of it. */
export function ruledByAnother(plan: ServicePlan, rootNamespace: string, objects: readonly KubernetesObject[]): OtherRule | undefined {
  const { namespace, service } = plan;
  const ours = objects.find((object) => isOurs(object, plan));
  for (const object of objects) {
    if (isOurs(object, plan)) continue;
    const rule = ruleSchema.safeParse(object.spec).data;
    if (!rule) continue;
    const isNear = object.metadata.namespace === namespace;
    const what = isNear ? besideOurs(plan, ours, object, rule) : beforeOurs(plan, rootNamespace, object.metadata.namespace, rule);
    if (what === undefined) continue;
    const name = `${object.metadata.namespace}/${object.metadata.name}`;
    const message = `DestinationRule ${name} is for ${service}.${namespace} too, and ${what}. Delete it, or move what it says into the spec.`;
    return { object, message };
  }
  return undefined;
}

const ALONE = 'go by it in place of ours, though our routes lead to subsets of ours';

/** Of the service's own namespace. */
function besideOurs(plan: ServicePlan, ours: KubernetesObject | undefined, object: KubernetesObject, rule: Rule): string | undefined {
  if (!namesHost(plan, object.metadata.namespace, rule.host)) return undefined;
  if (rule.workloadSelector !== undefined) return `the workloads that it selects ${ALONE}`;
  // Of two that are made within a second, either may come first.
  const isOlder = !ours || createdAt(object) <= createdAt(ours);
  const isYounger = ours !== undefined && createdAt(object) >= createdAt(ours);
  if (rule.exportTo.length > 0) {
    const isExported = rule.exportTo.some((place) => place !== '~');
    return isExported && isYounger ? `is younger: those that it is exported to ${ALONE}` : undefined;
  }
  const rendered = ruleSchema.parse(destinationRule(plan).spec);
  const subsets = rendered.subsets.map(({ name }) => name).filter((name) => rule.subsets.some((each) => each.name === name));
  const takesPolicy = rule.trafficPolicy !== undefined && (isOlder || rendered.trafficPolicy === undefined);
  const taken = [...(takesPolicy ? ['its `trafficPolicy`'] : []), ...(isOlder ? subsets.map((name) => `its subset ${name}`) : [])];
  return taken.length === 0 ? undefined : `Istio merges the two: ${taken.join(', ')} would count in place of what the spec says`;
}

/**
 * Of a namespace of callers, who then have no subset that our routes lead to. Who names the host itself has callers there; a wildcard may mean
 * others. Of the root namespace only what is for it alone comes before ours.
 */
function beforeOurs(plan: ServicePlan, rootNamespace: string, namespace: string, { host, exportTo }: Rule): string | undefined {
  const { security } = plan;
  const isForItself = exportTo.length > 0 && exportTo.every((place) => ['.', namespace].includes(place));
  const isForThem = exportTo.length === 0 || exportTo.some((place) => ['*', '.', namespace].includes(place));
  if (!(namespace === rootNamespace ? isForItself : isForThem)) return undefined;
  const isCaller = security?.allow.some(({ callers }) => callers.some((caller) => caller.namespace === namespace)) ?? false;
  const mayCall = isCaller || security?.stage !== 'strict';
  const counts = (mayCall && namesHost(plan, namespace, host)) || (isCaller && matchesHost(plan, host));
  return counts ? `callers in namespace ${namespace} ${ALONE}` : undefined;
}

/** A name without dots is one of the rule's own namespace; any other is whole. */
const namesHost = ({ service, namespace }: ServicePlan, of: string, host: string): boolean =>
  host === service ? of === namespace : host.startsWith(`${service}.${namespace}.svc.`);

const matchesHost = ({ service, namespace }: ServicePlan, host: string): boolean =>
  host.startsWith('*') && `${service}.${namespace}.svc.cluster.local`.endsWith(host.slice(1));

/** By its labels, or by its name, which is ours to write or refused when it is written. */
function isOurs(object: KubernetesObject, { mesh, namespace, service }: ServicePlan): boolean {
  const owner = ownerOf(object);
  if (owner) return owner.mesh === mesh && owner.service === service;
  return object.metadata.namespace === namespace && object.metadata.name === service;
}

const createdAt = ({ metadata }: KubernetesObject): string => String(metadata.creationTimestamp ?? '');
