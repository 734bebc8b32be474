/**
 * What one node is to be sent of one type: the snapshot, less what the node has rejected or isn't ready for, plus what it
 * still uses. Ready means: every cluster that requests can reach is one the node has accepted, endpoints included. Pure;
 * the same answer is the same object for every node in the same position, so that its bytes are shared.
 */
import type { EnvoyResourceType } from '../dataplanes/envoy/resources.ts';
import type { EncodeResource } from './protobuf.ts';
import { emptySet, encodeResource, type Piece, type Resource, type ResourceSet, resourceSet, type Snapshot } from './snapshot.ts';

/** What is known of a node's resources of one type. */
export interface Held {
  /** Which names the node asks for; absent = not yet on this stream, so what is remembered may be gone. */
  readonly asked?: Subscription;
  /** What the node has accepted. */
  readonly accepted: ResourceSet;
  /** Sent and not yet answered. */
  readonly inFlight?: { readonly nonce: string; readonly sequence: number; readonly set: ResourceSet };
  /** Sent since what was accepted, and perhaps held, whole or in part: rejected, or from before a reconnection. */
  readonly doubted: readonly ResourceSet[];
  /** Accepted once, but the node has come back with something else since. */
  readonly former: ResourceSet;
  /** `unknown`: the node holds something that it got before this server knew it. */
  readonly knowledge: 'nothing' | 'known' | 'unknown';
  /** Ids of pieces that the node has rejected. */
  readonly rejected: ReadonlySet<string>;
  /** How many changed pieces the next response may hold: halved to find which one of several was rejected. */
  readonly limit: number;
  /** Endpoints by name, for every cluster sent or held: Envoy waits for them even if they have left the snapshot by then. */
  readonly promised?: ReadonlyMap<string, Resource>;
}

export type HeldByType = Readonly<Record<EnvoyResourceType, Held>>;

/** Which resources of a type a node asks for. */
export type Subscription = 'all' | ReadonlySet<string>;

/** undefined: there is nothing that the node could be sent now. */
export type ContentFor = (type: EnvoyResourceType, snapshot: Snapshot, held: HeldByType, asked: Subscription) => ResourceSet | undefined;

export function createContentFor(encode: EncodeResource): ContentFor {
  const routes = new WeakMap<Resource, Map<string, Resource>>();
  const sets = new WeakMap<Snapshot, Map<string, ResourceSet>>();
  /** By names asked for: the last set that had exactly these. */
  const exact = new WeakMap<ReadonlySet<string>, ResourceSet>();

  return (type, snapshot, held, asked) => {
    const wanted = snapshot.sets[type];
    const all = asked === 'all' || asksFor(asked, wanted);
    if (all && isPlain(type, snapshot, held)) return wanted.resources.size > 0 || asked === 'all' ? wanted : undefined;

    const usable = usableClusters(snapshot, held);
    const { resources, waits, lacks } = pick(wanted, asked, held[type], usable, assemble);
    // In what is always sent whole (clusters, listeners), leaving something out takes it away from the node.
    if (type === 'listener' && waits && held.listener.knowledge !== 'known') return undefined;
    if (type === 'listener' && lacks && held.listener.knowledge === 'unknown') return undefined;
    if (type === 'cluster') {
      const usersUnknown = held.listener.knowledge === 'unknown' || held.route.knowledge === 'unknown';
      if (lacks && held.cluster.knowledge === 'unknown' && usersUnknown) return undefined;
      keepUsed(resources, held);
    }
    if (type === 'endpoints' && asked !== 'all') keepPromised(resources, wanted, asked, held.endpoints);
    if (asked !== 'all' && resources.size === 0) return undefined;
    return shared(snapshot, resourceSet(resources, wanted));
  };

  function asksFor(asked: ReadonlySet<string>, wanted: ResourceSet): boolean {
    if (asked.size !== wanted.resources.size) return false;
    if (asked.size === 1) return coversAll(asked, wanted);
    if (exact.get(asked) === wanted) return true;
    const same = coversAll(asked, wanted);
    if (same) exact.set(asked, wanted);
    return same;
  }

  /** The wanted resource, with the pieces that the node can't have replaced by those it has, or left out. */
  function assemble(wanted: Resource, has: Resource | undefined, pieces: readonly Piece[]): Resource {
    if (pieces.length === wanted.pieces.length && pieces.every((piece, index) => piece === wanted.pieces[index])) return wanted;
    const key = pieces.map(({ id }) => id).join('\n');
    if (has && key === has.pieces.map(({ id }) => id).join('\n')) return has;
    const made = routes.get(wanted) ?? new Map<string, Resource>();
    routes.set(wanted, made);
    const known = made.get(key);
    if (known) return known;
    const [frame, ...hosts] = pieces;
    const json = { ...frame?.json, virtual_hosts: hosts.map((host) => host.json) };
    const resource = encodeResource({ type: wanted.type, name: wanted.name, json }, encode);
    if ('ok' in resource) throw new Error(resource.message);
    made.set(key, resource);
    return resource;
  }

  function shared(snapshot: Snapshot, set: ResourceSet): ResourceSet {
    const known = sets.get(snapshot) ?? new Map<string, ResourceSet>();
    sets.set(snapshot, known);
    const same = known.get(set.fingerprint) ?? set;
    known.set(set.fingerprint, same);
    return same;
  }
}

/** Whether the node can be sent the snapshot's own set: nothing rejected, nothing to keep, nothing to wait for. */
function isPlain(type: EnvoyResourceType, snapshot: Snapshot, held: HeldByType): boolean {
  const { rejected, limit } = held[type];
  if (rejected.size > 0 || limit !== Number.POSITIVE_INFINITY) return false;
  if (type === 'endpoints' || type === 'secret') return true;
  const { accepted, former } = held.cluster;
  if (type === 'cluster') return [accepted, former].every((set) => set === emptySet || set === snapshot.sets.cluster);
  const sameClusters = accepted === snapshot.sets.cluster && underWay(held.cluster).every((set) => set === accepted);
  if (!sameClusters || held.endpoints.asked === undefined) return false;
  if (snapshot.needsSecrets && held.secret.accepted !== snapshot.sets.secret) return false;
  const assigned = held.endpoints.accepted;
  return assigned === snapshot.sets.endpoints || coversAll(assigned.resources, snapshot.sets.endpoints);
}

/** What the node may hold beside what it has accepted. */
export function underWay({ doubted, inFlight }: Held): readonly ResourceSet[] {
  return inFlight ? [...doubted, inFlight.set] : doubted;
}

function coversAll(names: { has(name: string): boolean }, set: ResourceSet): boolean {
  for (const name of set.resources.keys()) if (!names.has(name)) return false;
  return true;
}

/** `yes`: requests can be sent there; `later`: it is on its way to the node; `no`: the node has rejected it. */
type Readiness = 'yes' | 'later' | 'no';

function usableClusters(snapshot: Snapshot, held: HeldByType): (name: string) => Readiness {
  const clustersUnderWay = underWay(held.cluster);
  return (name) => {
    const accepted = held.cluster.accepted.resources.get(name);
    if (accepted && clustersUnderWay.every((set) => set.resources.has(name))) {
      const { assignment } = accepted;
      // What is under way to the node may be what it makes ready, with what that names.
      const named = [accepted, ...clustersUnderWay.map((set) => set.resources.get(name))].flatMap((one) => [
        ...(one?.references.secrets ?? []),
      ]);
      if (!named.every((secret) => isSettled(snapshot, held.secret, secret))) return 'later';
      if (assignment === undefined || (held.endpoints.asked && held.endpoints.accepted.resources.has(assignment))) return 'yes';
      return refuses(held.endpoints, snapshot.sets.endpoints.resources.get(assignment)) ? 'no' : 'later';
    }
    return refuses(held.cluster, snapshot.sets.cluster.resources.get(name)) ? 'no' : 'later';
  };
}

/** The node waits for it no more: it has it, or has refused it. */
function isSettled({ sets }: Snapshot, held: Held, secret: string): boolean {
  return held.asked !== undefined && (held.accepted.resources.has(secret) || refuses(held, sets.secret.resources.get(secret)));
}

function refuses(held: Held, resource: Resource | undefined): boolean {
  return resource?.pieces.some(({ id }) => held.rejected.has(id)) ?? true;
}

interface Picked {
  readonly resources: Map<string, Resource>;
  /** Something is left out until the node has the clusters it needs. */
  waits: boolean;
  /** Something is left out. */
  lacks: boolean;
}

function pick(
  wanted: ResourceSet,
  asked: Subscription,
  held: Held,
  usable: (name: string) => Readiness,
  assemble: (wanted: Resource, has: Resource | undefined, pieces: readonly Piece[]) => Resource,
): Picked {
  const picked: Picked = { resources: new Map(), waits: false, lacks: false };
  let budget = held.limit;
  for (const resource of wanted.resources.values()) {
    if (asked !== 'all' && !asked.has(resource.name)) continue;
    const has = held.accepted.resources.get(resource.name);
    if (has?.hash === resource.hash) {
      picked.resources.set(resource.name, resource);
      continue;
    }
    const pieces: Piece[] = [];
    let withheld = false;
    let waits = false;
    for (const [index, piece] of resource.pieces.entries()) {
      const old = has?.pieces.find((candidate, at) => candidate.name === piece.name && (at === 0) === (index === 0));
      const readiness = old?.id === piece.id ? 'same' : held.rejected.has(piece.id) ? 'no' : readinessOf(piece, usable);
      if (readiness === 'same' || (readiness === 'yes' && budget > 0)) {
        if (readiness === 'yes') budget -= 1;
        pieces.push(piece);
      } else if (old) {
        pieces.push(old);
      } else {
        withheld ||= index === 0;
        waits ||= readiness === 'later';
        // A node gets its first route configuration whole as far as it can have it, and an unknown one is never cut short.
        if (!has && (readiness === 'later' || held.knowledge === 'unknown')) withheld = true;
        picked.lacks = true;
      }
    }
    picked.waits ||= waits;
    const resulting = withheld ? has : assemble(resource, has, pieces);
    if (resulting) picked.resources.set(resource.name, resulting);
  }
  return picked;
}

function readinessOf(piece: Piece, usable: (name: string) => Readiness): Readiness {
  let readiness: Readiness = 'yes';
  for (const cluster of piece.reached) {
    const one = usable(cluster);
    if (one === 'no') return 'no';
    if (one === 'later') readiness = 'later';
  }
  return readiness;
}

/** Adds the clusters that the node had accepted and that a listener or route it may hold still names. */
function keepUsed(resources: Map<string, Resource>, held: HeldByType): void {
  const users = [held.listener, held.route].flatMap((user) => [user.accepted, ...underWay(user)]);
  for (const set of [held.cluster.accepted, held.cluster.former]) {
    for (const [name, resource] of set.resources) {
      if (resources.has(name) || refuses(held.cluster, resource)) continue;
      if (users.some((user) => names(user, name))) resources.set(name, resource);
    }
  }
}

/** Adds the endpoints of clusters that the snapshot has no more while the node still asks for them. */
function keepPromised(resources: Map<string, Resource>, wanted: ResourceSet, asked: ReadonlySet<string>, held: Held): void {
  for (const name of asked) {
    if (wanted.resources.has(name)) continue;
    const last = held.accepted.resources.get(name) ?? held.promised?.get(name);
    if (last && !refuses(held, last)) resources.set(name, last);
  }
}

function names(user: ResourceSet, cluster: string): boolean {
  for (const resource of user.resources.values()) if (resource.references.clusters.has(cluster)) return true;
  return false;
}
