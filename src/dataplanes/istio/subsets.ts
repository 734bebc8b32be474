/**
 * Subsets outlive the routes that name them: istiod pushes clusters before routes, and a route whose cluster is gone answers
 * 503. Until the new routes are seen everywhere, a DestinationRule keeps the subsets it had.
 */
import { z } from 'zod';
import type { DesiredObject, KubernetesObject, ObjectName } from '../kubernetes/cluster.ts';
import type { Leading, Target } from './clusters-first.ts';
import { DESTINATION_RULE, VIRTUAL_SERVICE } from './kinds.ts';

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
  return host === undefined ? undefined : fullHost(host, metadata);
}

const fullHost = (host: string, { namespace }: ObjectName): string => (host.includes('.') ? host : `${host}.${namespace}.svc.`);

const destinationSchema = z.object({
  destination: z.object({ host: z.string(), subset: z.string().default('') }),
  weight: z.number().default(100),
});
const routesSchema = z.object({ http: z.array(z.object({ route: z.array(destinationSchema).default([]) })).default([]) });

function targets(name: ObjectName, spec: unknown): readonly Target[] {
  const routes = routesSchema.safeParse(spec).data?.http.flatMap(({ route }) => route) ?? [];
  return routes.filter(({ weight }) => weight > 0).map(({ destination: { host, subset } }) => ({ subset, host: fullHost(host, name) }));
}

/** VirtualServices lead to subsets. */
export const LEADING: Leading = {
  kind: VIRTUAL_SERVICE,
  from: { kind: DESTINATION_RULE, whenMade: false },
  home: (name, spec) => targets(name, spec)[0]?.host,
  targets,
  isUntold: () => false,
};
