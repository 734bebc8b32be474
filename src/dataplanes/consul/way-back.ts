/**
 * Requests are taken from a version before anything else is done: by the live splitter and router with other destinations, of the
 * subsets that the live resolver has. What else is to be written, or is refused, keeps nobody on a version that the plan gives nothing.
 */
import type { Json, JsonObject } from '../../journal/documents.ts';
import { type Entry, isObject, isSame, type Kind, without } from './entries.ts';
import type { Found } from './ownership.ts';

/** An entry and the state that it is written over. */
export interface Taken {
  readonly kind: Kind;
  readonly fields: JsonObject;
  readonly over: Found;
}

/** In the order of writing; `live` has only what is ours of splitter and router. Empty: there is nothing to take. */
export function takenBack(entries: readonly Entry[], live: ReadonlyMap<Kind, Found>): readonly Taken[] {
  const subsets = live.get('service-resolver')?.fields.Subsets;
  const known = isObject(subsets) ? Object.keys(subsets) : [];
  const pair = (kind: Kind) => ({ wanted: entries.find((entry) => entry.kind === kind)?.fields, over: live.get(kind) });

  const [splitter, router] = [pair('service-splitter'), pair('service-router')];
  const splits = list(splitter.over?.fields.Splits);
  const moved = splitter.wanted && movedSplits(splits, list(splitter.wanted.Splits), known);
  const divided = served(moved ?? splits);
  const routes = list(router.over?.fields.Routes);
  const turned = routes.map((route, index) => turnedRoute(route, counterpart(route, index, routes.length, router.wanted), known, divided));
  return [
    ...(splitter.over && moved
      ? [{ kind: 'service-splitter', fields: { ...splitter.over.fields, Splits: moved }, over: splitter.over } as const]
      : []),
    ...(router.over && turned.some((route, index) => route !== routes[index])
      ? [{ kind: 'service-router', fields: { ...router.over.fields, Routes: turned }, over: router.over } as const]
      : []),
  ];
}

/** `undefined`: all that get requests are to have some, or another is to have them that is not known yet. */
function movedSplits(splits: readonly JsonObject[], wanted: readonly JsonObject[], known: readonly Subset[]): JsonObject[] | undefined {
  const to = wanted.filter((split) => getsRequests(split) || known.includes(split.ServiceSubset));
  const [before, after] = [served(splits), served(to)];
  return after.every((subset) => known.includes(subset)) && before.some((subset) => !after.includes(subset)) ? to : undefined;
}

/** The route as it is, but for where it leads; `divided`: where it does without a subset of its own. */
function turnedRoute(route: JsonObject, wanted: JsonObject | undefined, known: readonly Subset[], divided: readonly Subset[]): JsonObject {
  if (!wanted) return route;
  const [from, to] = [subsetOf(route), subsetOf(wanted)];
  const ends = (subset: Subset): readonly Subset[] => (subset === undefined ? divided : [subset]);
  const leaves = ends(from).some((subset) => !ends(to).includes(subset));
  if (!leaves || (to !== undefined && !known.includes(to))) return route;
  const destination = without(isObject(route.Destination) ? route.Destination : {}, ['ServiceSubset']);
  return { ...route, Destination: { ...destination, ...(to === undefined ? {} : { ServiceSubset: to }) } };
}

/** By what it matches; else by place, if there are as many; else the one for everything. */
function counterpart(route: JsonObject, index: number, count: number, router: JsonObject | undefined): JsonObject | undefined {
  const wanted = list(router?.Routes);
  return wanted.find(({ Match }) => isSame(Match, route.Match)) ?? (wanted.length === count ? wanted[index] : wanted.at(-1));
}

type Subset = Json | undefined;
const subsetOf = ({ Destination }: JsonObject): Subset => (isObject(Destination) ? Destination.ServiceSubset : undefined);
/** Consul leaves a weight of 0 out. */
const getsRequests = ({ Weight }: JsonObject): boolean => Number(Weight ?? 0) > 0;
const served = (splits: readonly JsonObject[]): readonly Subset[] => splits.filter(getsRequests).map(({ ServiceSubset }) => ServiceSubset);

function list(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
