/**
 * The state machine of one ADS stream (state of the world): discovery requests and new snapshots in, responses and facts
 * out. One response a type is unanswered at a time, so a slow node skips to the newest by itself. What names a cluster
 * waits until the node has accepted it (Envoy answers for clusters once they are warm), and what names another no more is
 * accepted before that other goes: make before break. Follows Envoy's xds_protocol (ACK/NACK, nonces, warming).
 */
import type { EnvoyResourceType } from '../dataplanes/envoy/resources.ts';
import type { ContentFor, Held, HeldByType, Subscription } from './node-content.ts';
import { resourceTypes } from './protobuf.ts';
import { emptySet, type Resource, type ResourceSet, resourceSet, type Snapshot } from './snapshot.ts';

export interface StreamRequest {
  readonly type: EnvoyResourceType;
  readonly version: string;
  readonly nonce: string;
  readonly names: readonly string[];
  readonly rejection?: string;
}

export interface StreamResponse {
  readonly type: EnvoyResourceType;
  readonly version: string;
  /** The same for the same content at the same sequence on every stream, so that nodes share its bytes. */
  readonly nonce: string;
  readonly set: ResourceSet;
}

export type StreamFact =
  | { readonly fact: 'acked'; readonly type: EnvoyResourceType; readonly sequence: number }
  /** `resources`: those that are held back from this node from now on; empty while it is being found out which they are. */
  | {
      readonly fact: 'rejected';
      readonly type: EnvoyResourceType;
      readonly sequence: number;
      readonly message: string;
      readonly resources: readonly string[];
    }
  /** The node has accepted everything of this sequence. */
  | { readonly fact: 'served'; readonly sequence: number };

export interface Step {
  readonly responses: readonly StreamResponse[];
  readonly facts: readonly StreamFact[];
}

/** What is known of a node from its last stream; good for a next stream of the same node. */
export type NodeMemory = Readonly<Record<EnvoyResourceType, TypeState>>;

export interface AdsStream {
  /** An older or equal sequence than the one it is on changes nothing. */
  update(snapshot: Snapshot): Step;
  receive(request: StreamRequest): Step;
  remember(): NodeMemory;
}

interface TypeState extends Held {
  readonly asked?: Subscription;
  /** The version that the node last accepted. */
  readonly version: string;
  /** false: what the node holds must be confirmed by a response, even if it should be the same. */
  readonly certain: boolean;
  /** Sent and not yet answered. */
  readonly inFlight?: { readonly nonce: string; readonly sequence: number; readonly set: ResourceSet };
  /** What was in flight when the stream ended. */
  readonly unanswered?: { readonly sequence: number; readonly set: ResourceSet };
  readonly lastNonce: string;
  /** Fingerprints of rejected sets: never sent again before something else was accepted. */
  readonly rejectedSets: ReadonlySet<string>;
  /** Names to send even if unchanged: Envoy waits for what a changed cluster or listener refers to, before it answers for that. */
  readonly owed: ReadonlySet<string>;
}

const none: ReadonlySet<string> = new Set();
const blank: TypeState = {
  accepted: emptySet,
  doubted: [],
  former: emptySet,
  knowledge: 'nothing',
  rejected: none,
  limit: Number.POSITIVE_INFINITY,
  version: '',
  certain: false,
  lastNonce: '',
  rejectedSets: none,
  owed: none,
};

export function createAdsStream(contentFor: ContentFor, memory?: NodeMemory): AdsStream {
  const types: Record<EnvoyResourceType, TypeState> = memory
    ? { ...memory }
    : { cluster: blank, endpoints: blank, listener: blank, route: blank };
  let snapshot: Snapshot | undefined;
  let served = 0;
  let begun = false;

  function change(type: EnvoyResourceType, state: Partial<TypeState>): void {
    types[type] = { ...types[type], ...state };
  }

  function receive(request: StreamRequest): Step {
    const { type } = request;
    if (!begun) begin(request);
    const { asked, lastNonce, inFlight } = types[type];
    const names = subscription(type, asked, request.names);
    if (asked === undefined) types[type] = meet(types[type], request.version, names);
    // What answers an older response says nothing of the newest; its answer will come.
    else if (request.nonce !== '' && request.nonce !== lastNonce) return { responses: [], facts: [] };

    const facts: StreamFact[] = [];
    if (inFlight && request.nonce === inFlight.nonce) {
      const { sequence } = inFlight;
      const { inFlight: _answered, ...state } = types[type];
      if (request.rejection === undefined) {
        types[type] = accepted(state, inFlight, names);
        facts.push({ fact: 'acked', type, sequence });
      } else {
        const [rejecting, resources] = rejected(type, state, inFlight.set, request.rejection);
        types[type] = rejecting;
        facts.push({ fact: 'rejected', type, sequence, message: request.rejection, resources });
      }
    }
    types[type] = restricted(types[type], names);
    return advance(facts);
  }

  /** A node without a version has just started: whatever is remembered of it is gone. */
  function begin({ version }: StreamRequest): void {
    begun = true;
    for (const type of resourceTypes) {
      if (version === '') types[type] = blank;
      else if (types[type].knowledge === 'nothing') change(type, { knowledge: 'unknown' });
    }
  }

  function update(next: Snapshot): Step {
    if (snapshot && next.sequence <= snapshot.sequence) return { responses: [], facts: [] };
    snapshot = next;
    for (const type of resourceTypes) {
      if (types[type].rejected.size > 0) change(type, { rejected: stillThere(types[type].rejected, next.sets[type]) });
    }
    return advance([]);
  }

  function advance(facts: StreamFact[]): Step {
    if (!snapshot) return { responses: [], facts };
    const responses: StreamResponse[] = [];
    for (const type of resourceTypes) {
      const set = due(type, snapshot);
      if (!set) continue;
      responses.push(send(type, set, snapshot.sequence));
      if (type === 'cluster') change('endpoints', { promised: snapshot.sets.endpoints });
    }
    if (served < snapshot.sequence && holdsAll(types, snapshot)) {
      served = snapshot.sequence;
      facts.push({ fact: 'served', sequence: served });
    }
    return { responses, facts };
  }

  function due(type: EnvoyResourceType, current: Snapshot): ResourceSet | undefined {
    const { asked, certain, owed, rejectedSets, limit, inFlight } = types[type];
    if (asked === undefined || inFlight) return undefined;
    const set = contentFor(type, current, held(types), asked);
    if (!set) return undefined;
    const named = asked !== 'all';
    if (certain && !differs(set, types[type].accepted, named) && !intersects(owed, set)) {
      if (limit !== Number.POSITIVE_INFINITY) change(type, { limit: Number.POSITIVE_INFINITY });
      return undefined;
    }
    return rejectedSets.has(set.fingerprint) ? undefined : set;
  }

  function send(type: EnvoyResourceType, set: ResourceSet, sequence: number): StreamResponse {
    const { lastNonce, owed } = types[type];
    for (const [child, name] of renewed(type, types[type], set)) change(child, { owed: new Set([...types[child].owed, name]) });
    const own = `${sequence}-${set.fingerprint}`;
    const nonce = lastNonce === own ? `${own}-again` : own;
    change(type, {
      inFlight: { nonce, sequence, set },
      lastNonce: nonce,
      owed: owed.size === 0 ? owed : new Set([...owed].filter((name) => !set.resources.has(name))),
    });
    return { type, version: String(sequence), nonce, set };
  }

  function remember(): NodeMemory {
    return {
      cluster: paused(types.cluster),
      endpoints: paused(types.endpoints),
      listener: paused(types.listener),
      route: paused(types.route),
    };
  }

  return { update, receive, remember };
}

/** The first request for a type on a stream: what of that which is remembered does the node still hold? */
function meet({ unanswered, ...state }: TypeState, version: string, asked: Subscription): TypeState {
  if (version === '') return state.promised ? { ...blank, promised: state.promised } : blank;
  if (state.version === version) return state;
  if (unanswered && String(unanswered.sequence) === version) return accepted(state, unanswered, asked);
  if (state.knowledge !== 'known') return state;
  const doubted = [...state.doubted, state.accepted];
  return { ...state, accepted: emptySet, former: state.accepted, doubted, knowledge: 'unknown', certain: false };
}

/** Clusters and listeners: no names at first, or `*`, is everything. Endpoints and routes are always asked for by name. */
function subscription(type: EnvoyResourceType, before: Subscription | undefined, names: readonly string[]): Subscription {
  if (type === 'cluster' || type === 'listener') {
    const everything = names.length === 0 && (before === undefined || before === 'all');
    if (everything || names.includes('*')) return 'all';
  }
  if (before !== undefined && before !== 'all' && before.size === names.length && names.every((name) => before.has(name))) return before;
  return new Set(names);
}

function accepted(state: TypeState, { set, sequence }: { set: ResourceSet; sequence: number }, asked: Subscription): TypeState {
  // A response may lack named resources that have not changed; the node keeps those.
  const missing = asked === 'all' ? [] : [...asked].filter((name) => !set.resources.has(name) && state.accepted.resources.has(name));
  const kept = [...state.accepted.resources].filter(([name]) => missing.includes(name));
  return {
    ...state,
    accepted: trimmed(kept.length === 0 ? set : resourceSet(new Map([...kept, ...set.resources])), asked),
    doubted: [],
    former: emptySet,
    knowledge: 'known',
    limit: state.limit * 2,
    version: String(sequence),
    certain: true,
    rejectedSets: none,
  };
}

/**
 * Which of the changed pieces is to blame? Envoy names bad clusters and listeners in its message (and applies the others);
 * where it does not, fewer are tried until it is one.
 */
function rejected(type: EnvoyResourceType, state: TypeState, set: ResourceSet, message: string): [TypeState, readonly string[]] {
  const changed = [...set.resources.values()].flatMap((resource) => {
    const has = new Set(state.accepted.resources.get(resource.name)?.pieces.map(({ id }) => id));
    return resource.pieces.filter(({ id }) => !has.has(id)).map(({ id }) => ({ resource, id }));
  });
  const blamed = type === 'cluster' || type === 'listener' ? changed.filter(({ resource }) => mentions(message, resource.name)) : [];
  const guilty = blamed.length > 0 ? blamed : changed.length === 1 ? changed : [];
  const bad = new Set(guilty.map(({ resource }) => resource.name));
  // What a node held before this server knew it would be cut short by trying fewer; it waits for the next snapshot.
  const indivisible = state.knowledge === 'unknown' && type !== 'endpoints';
  const partly = state.knowledge === 'unknown' && bad.size > 0;
  const next: TypeState = {
    ...state,
    accepted: partly ? resourceSet(new Map([...set.resources].filter(([name]) => !bad.has(name)))) : state.accepted,
    doubted: [...state.doubted, set],
    certain: false,
    rejected: new Set([...state.rejected, ...guilty.map(({ id }) => id)]),
    limit: bad.size > 0 || indivisible ? state.limit : Math.max(1, Math.floor(changed.length / 2)),
    rejectedSets: new Set([...state.rejectedSets, set.fingerprint]),
  };
  return [next, [...bad]];
}

function mentions(message: string, name: string): boolean {
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`(?<![\\w.|/-])${escaped}(?![\\w|/-]|\\.\\w)`).test(message);
}

/** What a node no longer asks for, it no longer holds. */
function restricted(state: TypeState, asked: Subscription): TypeState {
  if (asked === 'all' || asked === state.asked) return { ...state, asked };
  const owed = new Set([...state.owed].filter((name) => asked.has(name)));
  const doubted = state.doubted.map((set) => trimmed(set, asked)).filter((set) => set.resources.size > 0);
  return { ...state, asked, accepted: trimmed(state.accepted, asked), doubted, owed };
}

function trimmed(set: ResourceSet, asked: Subscription): ResourceSet {
  if (asked === 'all') return set;
  const kept = [...set.resources].filter(([name]) => asked.has(name));
  return kept.length === set.resources.size ? set : resourceSet(new Map(kept));
}

/** What the clusters (listeners) of `set` refer to that may be new or changed for the node: it waits for that before it uses them. */
function renewed(
  type: EnvoyResourceType,
  { accepted, doubted }: Held,
  set: ResourceSet,
): readonly (readonly ['endpoints' | 'route', string])[] {
  if (type !== 'cluster' && type !== 'listener') return [];
  const same = (before: ResourceSet, { name, hash }: Resource) => before.resources.get(name)?.hash === hash;
  const changed = [...set.resources.values()].filter(
    (one) => !same(accepted, one) || doubted.some((before) => before.resources.has(one.name) && !same(before, one)),
  );
  if (type === 'listener') return changed.flatMap(({ references }) => [...references.routes].map((route) => ['route', route] as const));
  return changed.flatMap(({ assignment }) => (assignment === undefined ? [] : [['endpoints', assignment] as const]));
}

function held(types: Readonly<Record<EnvoyResourceType, TypeState>>): HeldByType {
  return { cluster: doubting(types.cluster), endpoints: types.endpoints, listener: doubting(types.listener), route: doubting(types.route) };
}

function doubting(state: TypeState): TypeState {
  return state.inFlight ? { ...state, doubted: [...state.doubted, state.inFlight.set] } : state;
}

/** A state whose stream has ended: what was not answered may or may not have arrived. */
function paused(state: TypeState): TypeState {
  const { inFlight, asked, unanswered, ...rest } = doubting(state);
  const open = inFlight ?? (asked === undefined ? unanswered : undefined);
  return { ...rest, lastNonce: '', certain: rest.certain && !inFlight, ...(open ? { unanswered: open } : {}) };
}

function differs(set: ResourceSet, from: ResourceSet, named: boolean): boolean {
  if (set === from) return false;
  if (!named && set.resources.size !== from.resources.size) return true;
  return !includes(from, set.resources.values());
}

function includes(set: ResourceSet, resources: Iterable<Resource | undefined>): boolean {
  for (const resource of resources) if (!resource || set.resources.get(resource.name)?.hash !== resource.hash) return false;
  return true;
}

function intersects(names: ReadonlySet<string>, set: ResourceSet): boolean {
  for (const name of names) if (set.resources.has(name)) return true;
  return false;
}

function stillThere(ids: ReadonlySet<string>, set: ResourceSet): ReadonlySet<string> {
  return new Set([...set.resources.values()].flatMap(({ pieces }) => pieces.map(({ id }) => id)).filter((id) => ids.has(id)));
}

function holdsAll(types: Readonly<Record<EnvoyResourceType, TypeState>>, { sets }: Snapshot): boolean {
  const { cluster, endpoints, listener, route } = types;
  if ([cluster, listener].some(({ asked, knowledge }) => asked === undefined || knowledge !== 'known')) return false;
  if (resourceTypes.some((type) => types[type].doubted.length > 0)) return false;
  if (cluster.accepted !== sets.cluster && !includes(cluster.accepted, sets.cluster.resources.values())) return false;
  if (listener.accepted !== sets.listener && !includes(listener.accepted, sets.listener.resources.values())) return false;
  if (endpoints.accepted !== sets.endpoints) {
    const assigned = [...sets.cluster.resources.values()].flatMap(({ assignment }) =>
      assignment === undefined ? [] : [sets.endpoints.resources.get(assignment)],
    );
    if (!includes(endpoints.accepted, assigned)) return false;
  }
  const asked = [...sets.listener.resources.values()].flatMap(({ references }) =>
    [...references.routes].map((name) => sets.route.resources.get(name)),
  );
  return includes(route.accepted, asked);
}
