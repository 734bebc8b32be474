/**
 * Subsets outlive the routes that name them: istiod pushes clusters before routes, and a route whose cluster is gone answers
 * 503. Until the new routes are seen everywhere, a DestinationRule keeps the subsets it had.
 */
import { z } from 'zod';
import type { DesiredObject, KubernetesObject } from '../kubernetes/cluster.ts';
import { DESTINATION_RULE } from './kinds.ts';

const subsetSchema = z.object({ name: z.string() }).catchall(z.json());
const ruleSchema = z.object({ host: z.string(), subsets: z.array(subsetSchema).default([]) }).catchall(z.json());

export function keepingSubsets(desired: DesiredObject, live: KubernetesObject): DesiredObject {
  if (desired.kind !== DESTINATION_RULE) return desired;
  const spec = ruleSchema.parse(desired.content.spec);
  const named = new Set(spec.subsets.map(({ name }) => name));
  const kept = (ruleSchema.safeParse(live.spec).data?.subsets ?? []).filter(({ name }) => !named.has(name));
  if (kept.length === 0) return desired;
  return { ...desired, content: { ...desired.content, spec: { ...spec, subsets: [...spec.subsets, ...kept] } } };
}

/** How the names of the clusters of a rule's subsets go on after the subset: `catalog.shop.svc.`. */
export function hostOf({ metadata, spec }: KubernetesObject): string | undefined {
  const host = ruleSchema.safeParse(spec).data?.host;
  if (host === undefined) return undefined;
  return host.includes('.') ? host : `${host}.${metadata.namespace}.svc.`;
}
