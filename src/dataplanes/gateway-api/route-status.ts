/**
 * What controllers say of our HTTPRoutes: `status.parents`, one entry for each parent and controller. `Accepted` and `ResolvedRefs`
 * count for the generation they were said of; a controller that leaves the generation out does not say of which.
 */
import { z } from 'zod';
import type { JsonObject } from '../../journal/documents.ts';
import type { Observation } from '../../reconcile/data-plane.ts';
import type { Cluster, Refused, ResourceKind } from '../kubernetes/cluster.ts';
import type { Split } from '../kubernetes/way-back.ts';

export const HTTP_ROUTE: ResourceKind = { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', plural: 'httproutes' };
export const HTTP_ROUTE_SPLIT: Split = { kind: HTTP_ROUTE, routes: 'rules', destinations: 'backendRefs' };

const parentSchema = z.object({ kind: z.string().default('Gateway'), name: z.string(), namespace: z.string().exactOptional() });
const conditionSchema = z.object({
  type: z.string(),
  status: z.string(),
  message: z.string().default(''),
  reason: z.string().default(''),
  observedGeneration: z.number().exactOptional(),
});
const entrySchema = z.object({
  parentRef: parentSchema,
  controllerName: z.string(),
  conditions: z.array(conditionSchema).default([]),
});
const routeSchema = z.object({
  metadata: z.object({ name: z.string(), namespace: z.string(), generation: z.number() }),
  spec: z.object({ parentRefs: z.array(parentSchema).default([]) }),
  status: z.object({ parents: z.array(entrySchema).default([]) }).default({ parents: [] }),
});
type Route = z.infer<typeof routeSchema>;
type Entry = z.infer<typeof entrySchema>;
type Parent = z.infer<typeof parentSchema>;

const nameSchema = z.object({ kind: z.string(), metadata: z.object({ name: z.string(), namespace: z.string() }) });

export type RoutesSaid =
  /** By whom; `dated`: each said it of the generation that is there. */
  | { readonly kind: 'accepted'; readonly controllers: readonly string[]; readonly dated: boolean }
  | Extract<Observation, { kind: 'waiting' | 'rejected' }>;

const CONDITIONS = ['Accepted', 'ResolvedRefs'] as const;

/** Of every HTTPRoute among `objects`. Throws `ClusterUnavailable`. */
export async function routesSaid(cluster: Cluster, objects: readonly JsonObject[]): Promise<RoutesSaid | Refused> {
  const said: RoutesSaid[] = [];
  for (const object of objects) {
    const named = nameSchema.safeParse(object).data;
    if (named?.kind !== HTTP_ROUTE.kind) continue;
    const found = await cluster.get(HTTP_ROUTE, named.metadata);
    if (found.kind === 'refused') return found;
    said.push(
      found.kind === 'absent' ? waiting(`HTTPRoute ${named.metadata.name} is not there.`) : saidOf(routeSchema.parse(found.object)),
    );
  }
  const rejected = said.find(({ kind }) => kind === 'rejected') ?? said.find(({ kind }) => kind === 'waiting');
  if (rejected) return rejected;
  const accepted = said.filter((each) => each.kind === 'accepted');
  const controllers = [...new Set(accepted.flatMap((each) => each.controllers))].sort();
  return { kind: 'accepted', controllers, dated: accepted.every(({ dated }) => dated) };
}

function saidOf(route: Route): RoutesSaid {
  const byParent = route.spec.parentRefs.map((parent) => ({
    parent,
    entries: route.status.parents.filter((entry) => isOf(entry, parent, route)),
  }));
  for (const { parent, entries } of byParent) {
    const current = entries.filter(({ conditions }) =>
      CONDITIONS.every((type) =>
        isCurrent(
          conditions.find((each) => each.type === type),
          route,
        ),
      ),
    );
    if (current.length === 0) return waiting(whyWaiting(route, parent, entries));
    const refused = current.flatMap(({ controllerName, conditions }) =>
      conditions
        .filter(({ type, status }) => CONDITIONS.some((each) => each === type) && status === 'False')
        .map((condition) => ({ controllerName, condition })),
    )[0];
    if (refused) {
      const { controllerName, condition } = refused;
      const message = `HTTPRoute ${route.metadata.name}, ${parent.kind} ${parent.name}: ${condition.reason}. ${condition.message}`.trim();
      return { kind: 'rejected', node: controllerName, message };
    }
  }
  const entries = byParent.flatMap((each) => each.entries);
  const dated = entries.flatMap(({ conditions }) => conditions).every(({ observedGeneration }) => observedGeneration !== undefined);
  return { kind: 'accepted', controllers: entries.map(({ controllerName }) => controllerName), dated };
}

const isOf = ({ parentRef }: Entry, parent: Parent, { metadata }: Route): boolean =>
  parentRef.kind === parent.kind &&
  parentRef.name === parent.name &&
  (parentRef.namespace ?? metadata.namespace) === (parent.namespace ?? metadata.namespace);

const isCurrent = (condition: z.infer<typeof conditionSchema> | undefined, { metadata }: Route): boolean =>
  condition !== undefined && (condition.observedGeneration ?? metadata.generation) === metadata.generation;

function whyWaiting({ metadata }: Route, parent: Parent, entries: readonly Entry[]): string {
  const names = entries.map(({ controllerName }) => controllerName).join(', ');
  if (names !== '') return `${names} has not looked at the newest state of HTTPRoute ${metadata.name} yet.`;
  return `No controller has said anything of HTTPRoute ${metadata.name} at ${parent.kind} ${parent.name}: is one running that reads such routes?`;
}

const waiting = (because: string): RoutesSaid => ({ kind: 'waiting', for: [], because });
