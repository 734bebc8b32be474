/**
 * Requests are taken from a version before anything else is done: by the live routes with other weights, that name nothing new and
 * need nothing but themselves. What else is to be written, or is refused, keeps nobody on a version that the plan gives nothing.
 */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { JsonObject } from '../../journal/documents.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import type { DesiredObject, KubernetesObject, ResourceKind } from './cluster.ts';
import { ownerOf } from './ownership.ts';

/** How objects of a kind divide requests. */
export interface Split {
  readonly kind: ResourceKind;
  /** Where the routes are in its `spec`; left out: the spec is the only one. */
  readonly routes?: string;
  /** Where a route has its destinations, each with a `weight`. */
  readonly destinations: string;
}

const recordSchema = z.record(z.string(), z.json());
const recordsSchema = z.array(recordSchema);
type Destination = z.infer<typeof recordSchema>;

interface Route {
  readonly whole: JsonObject;
  readonly destinations: readonly Destination[];
}

/**
 * `live` with the destinations of `desired` in each route that is to lead away from a version altogether, to what `live` names
 * already; `undefined`: there is nothing to take, or it is not ours, or it would name something new.
 */
export function takenBack(desired: DesiredObject, live: KubernetesObject, splits: readonly Split[]): DesiredObject | undefined {
  const split = splits.find(({ kind }) => kind === desired.kind);
  const [spec, wanted] = [recordSchema.safeParse(live.spec).data, recordSchema.safeParse(desired.content.spec).data];
  if (!split || !spec || !wanted || !ownerOf(live)) return undefined;
  const [routes, wantedRoutes] = [routesOf(spec, split), routesOf(wanted, split)];
  const named = routes.flatMap(({ destinations }) => destinations);
  const moved = routes.map((route, index): JsonObject => {
    const to = (counterpart(route, index, routes.length, wantedRoutes)?.destinations ?? []).filter(
      (each) => getsRequests(each) || named.some((other) => isSame(each, other)),
    );
    const isKnown = to.some(getsRequests) && to.every((each) => named.some((other) => isSame(each, other)));
    return isKnown && leavesSome(route.destinations, to) ? { ...route.whole, [split.destinations]: to } : route.whole;
  });
  if (moved.every((route, index) => route === routes[index]?.whole)) return undefined;
  // What others put beside ours stays theirs.
  const ours = Object.fromEntries(Object.entries(spec).filter(([key]) => key in wanted));
  const content = {
    spec: split.routes === undefined ? { ...ours, ...pick(moved[0], split.destinations) } : { ...ours, [split.routes]: moved },
  };
  return isDeepStrictEqual(content, desired.content) ? desired : { ...desired, content };
}

/** The plan of which only the split is left, for routes where nothing else of it can be said. */
export const splitAlone = ({
  mesh,
  service,
  namespace,
  port,
  protocol,
  selector,
  versions,
  dataPlanes,
  routes,
  ingress,
}: ServicePlan): ServicePlan => ({
  ...{ mesh, service, namespace, port, protocol, selector, versions, dataPlanes },
  routes: routes.map(({ name, split }) => ({ name, match: {}, split })),
  ...(ingress ? { ingress } : {}),
});

function routesOf(spec: JsonObject, { routes, destinations }: Split): readonly Route[] {
  const all = routes === undefined ? [spec] : (recordsSchema.safeParse(spec[routes]).data ?? []);
  return all.map((whole) => ({ whole, destinations: recordsSchema.safeParse(whole[destinations]).data ?? [] }));
}

/** By name where routes have one; else by place, if there are as many; else the one for everything. */
function counterpart({ whole }: Route, index: number, count: number, wanted: readonly Route[]): Route | undefined {
  const byName = whole.name === undefined ? undefined : wanted.find((each) => each.whole.name === whole.name);
  return byName ?? (wanted.length === count && whole.name === undefined ? wanted[index] : wanted.at(-1));
}

/** Left out, the weight is 1 or everything. */
const getsRequests = ({ weight }: Destination): boolean => weight !== 0;
const isSame = (a: Destination, b: Destination): boolean => isDeepStrictEqual({ ...a, weight: 0 }, { ...b, weight: 0 });
const leavesSome = (from: readonly Destination[], to: readonly Destination[]): boolean =>
  from.some((each) => getsRequests(each) && !to.some((other) => getsRequests(other) && isSame(each, other)));
const pick = (record: JsonObject | undefined, key: string): JsonObject => (record?.[key] === undefined ? {} : { [key]: record[key] });
