/**
 * Whether a node serves a snapshot: the whole of it, or all but the virtual hosts that it refuses. What one service's
 * configuration does to a node must not hold back the others', so a refusal counts for the virtual hosts it touches; only
 * what all of them need (listeners for calls of its workload, a route configuration's frame) holds back the node. A node that
 * refuses to trust others than before serves what it is told all the same. Pure.
 */
import { INBOUND } from '../dataplanes/envoy/naming.ts';
import type { EnvoyResourceType } from '../dataplanes/envoy/resources.ts';
import { type Held, type HeldByType, underWay } from './node-content.ts';
import { resourceTypes } from './protobuf.ts';
import type { Piece, Resource, ResourceSet, Snapshot } from './snapshot.ts';

/**
 * The names of the virtual hosts that the node goes without, because it has refused them or a cluster or endpoints that
 * requests reach through them, and `inbound` where it has refused a cluster that this listener
 * needs; it serves everything else of the snapshot. undefined: something else is missing still.
 */
export function goesWithout(types: HeldByType, snapshot: Snapshot): readonly string[] | undefined {
  const refusesNothing = resourceTypes.every((type) => types[type].rejected.size === 0);
  if (refusesNothing) return holdsAll(types, snapshot) ? [] : undefined;

  const { sets } = snapshot;
  const refuses = (type: EnvoyResourceType, one: Resource | undefined) =>
    one?.pieces.some(({ id }) => types[type].rejected.has(id)) ?? false;
  const refused = refusedClusters(snapshot, refuses);
  for (const cluster of sets.cluster.resources.values()) {
    // One that no request is to reach is not missed: the way back from it must not wait for it.
    if (!refused.has(cluster.name) && !holdsCluster(types, snapshot, cluster)) return undefined;
  }
  const isBad = (type: EnvoyResourceType, { id, reached }: Piece) => types[type].rejected.has(id) || !refused.isDisjointFrom(reached);
  const without = new Set<string>();
  for (const listener of sets.listener.resources.values()) {
    const leadsToRefused = listener.pieces.some(({ reached }) => !refused.isDisjointFrom(reached));
    if (listener.name === INBOUND && leadsToRefused) without.add(INBOUND);
    else if (listener.pieces.some((piece) => isBad('listener', piece)) || !has(types.listener, listener)) return undefined;
  }
  const users = [...sets.cluster.resources.values(), ...sets.listener.resources.values()].filter(({ name }) => !refused.has(name));
  for (const name of new Set(users.flatMap(({ references }) => [...references.secrets]))) {
    const secret = sets.secret.resources.get(name);
    if (secret && !(isAnswered(types.secret, name) && (refuses('secret', secret) || has(types.secret, secret)))) return undefined;
  }
  for (const route of routesAskedFor(sets)) {
    for (const [index, piece] of (route?.pieces ?? []).entries()) {
      const bad = isBad('route', piece);
      if (bad && index > 0) without.add(piece.name);
      else if (bad || !hasPiece(types.route, route, piece)) return undefined;
    }
  }
  return [...without].sort();
}

/** The node asks for it, and nothing is under way to it. */
function isAnswered({ asked, inFlight }: Held, name: string): boolean {
  return asked !== undefined && asked !== 'all' && asked.has(name) && !inFlight;
}

/** Those wanted that the node has refused, or whose endpoints it has. */
function refusedClusters(
  { sets }: Snapshot,
  refuses: (type: EnvoyResourceType, one: Resource | undefined) => boolean,
): ReadonlySet<string> {
  const refused = [...sets.cluster.resources.values()].filter(
    (cluster) =>
      refuses('cluster', cluster) ||
      (cluster.assignment !== undefined && refuses('endpoints', sets.endpoints.resources.get(cluster.assignment))),
  );
  return new Set(refused.map(({ name }) => name));
}

function holdsCluster(types: HeldByType, { sets }: Snapshot, cluster: Resource): boolean {
  const endpoints = cluster.assignment === undefined ? undefined : sets.endpoints.resources.get(cluster.assignment);
  return has(types.cluster, cluster) && (endpoints === undefined || has(types.endpoints, endpoints));
}

/** For certain: whatever else the node was sent since holds the same. */
function has(held: Held, { name, hash }: Resource): boolean {
  const { asked, accepted, knowledge } = held;
  if (asked === undefined || (asked === 'all' && knowledge !== 'known') || accepted.resources.get(name)?.hash !== hash) return false;
  return underWay(held).every(({ resources }) => (resources.has(name) ? resources.get(name)?.hash === hash : asked !== 'all'));
}

function hasPiece(held: Held, route: Resource | undefined, { id }: Piece): boolean {
  if (held.asked === undefined || route === undefined) return false;
  const maybeHeld = [held.accepted, ...underWay(held).filter(({ resources }) => resources.has(route.name))];
  return maybeHeld.every(({ resources }) => resources.get(route.name)?.pieces.some((piece) => piece.id === id));
}

function holdsAll(types: HeldByType, { sets, needsSecrets }: Snapshot): boolean {
  // Routes come last and change most, so they decide most often.
  if (!holds(types.route, sets.route, () => routesAskedFor(sets)) || !holds(types.endpoints, sets.endpoints, () => endpointsAskedFor(sets)))
    return false;
  if (needsSecrets && (types.secret.inFlight || !holds(types.secret, sets.secret, () => [...sets.secret.resources.values()]))) return false;
  return (['cluster', 'listener'] as const).every((type) => {
    const { asked, knowledge, accepted } = types[type];
    if (asked === undefined || knowledge !== 'known') return false;
    return [accepted, ...underWay(types[type])].every((set) => set === sets[type] || includes(set, sets[type].resources.values()));
  });
}

function routesAskedFor({ listener, route }: Snapshot['sets']): readonly (Resource | undefined)[] {
  return [...listener.resources.values()].flatMap(({ references }) => [...references.routes].map((name) => route.resources.get(name)));
}

function endpointsAskedFor({ cluster, endpoints }: Snapshot['sets']): readonly (Resource | undefined)[] {
  return [...cluster.resources.values()].flatMap(({ assignment }) =>
    assignment === undefined ? [] : [endpoints.resources.get(assignment)],
  );
}

function holds(held: Held, all: ResourceSet, needed: () => readonly (Resource | undefined)[]): boolean {
  const { asked, accepted } = held;
  const coming = underWay(held);
  if (asked !== undefined && accepted === all && coming.length === 0) return true;
  const resources = needed();
  if (resources.length === 0) return true;
  const maybeOther = resources.some((one) => one && coming.some((set) => set.resources.has(one.name) && !includes(set, [one])));
  return asked !== undefined && !maybeOther && includes(accepted, resources);
}

/** undefined among `resources` is never included. */
export function includes(set: ResourceSet, resources: Iterable<Resource | undefined>): boolean {
  for (const resource of resources) if (!resource || set.resources.get(resource.name)?.hash !== resource.hash) return false;
  return true;
}
