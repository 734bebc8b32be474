/**
 * The state machine of one ADS stream (state of the world): discovery requests and new snapshots in, responses and facts
 * out. One response a type is unanswered at a time, so a slow node skips to the newest by itself. What names a cluster
 * waits until the node has accepted it (Envoy answers for clusters once they are warm), and what names another no more is
 * accepted before that other goes: make before break. Follows Envoy's xds_protocol (ACK/NACK, nonces, warming).
 */
import type { EnvoyResourceType } from '../dataplanes/envoy/resources.ts';
import { goesWithout, includes } from './completeness.ts';
import type { ContentFor, Held } from './node-content.ts';
import { resourceTypes } from './protobuf.ts';
import { emptySet, type Resource, type ResourceSet, type Snapshot } from './snapshot.ts';
import {
  accepted,
  askedAnew,
  blank,
  meet,
  paused,
  rejected,
  restricted,
  type SetOfNames,
  subscription,
  type TypeState,
  withoutAlternative,
} from './type-state.ts';

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
  /** The node has accepted this set of secrets, or not. */
  | { readonly fact: 'trusts'; readonly fingerprint: string }
  | { readonly fact: 'distrusts'; readonly fingerprint: string; readonly message: string }
  /** `resources`: those that are held back from this node from now on; empty while it is being found out which they are. */
  | {
      readonly fact: 'rejected';
      readonly type: EnvoyResourceType;
      readonly sequence: number;
      readonly message: string;
      readonly resources: readonly string[];
    }
  /** The node has accepted everything of this sequence but what it refuses: `without` names these virtual hosts. */
  | { readonly fact: 'served'; readonly sequence: number; readonly without: readonly string[] };

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

/** `setOf`: makes a set of names; nodes that ask for the same may share one. */
export function createAdsStream(contentFor: ContentFor, setOf: SetOfNames, memory?: NodeMemory): AdsStream {
  const types: Record<EnvoyResourceType, TypeState> = memory
    ? { ...memory }
    : { cluster: blank, endpoints: blank, listener: blank, route: blank, secret: blank };
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
    const names = subscription(type, asked, request.names, setOf);
    if (asked === undefined) types[type] = meet(type, types[type], request.version, names);
    // What answers an older response says nothing of the newest; its answer will come.
    else if (request.nonce !== '' && request.nonce !== lastNonce) return { responses: [], facts: [] };

    const facts: StreamFact[] = [];
    if (inFlight && request.nonce === inFlight.nonce) {
      const { sequence } = inFlight;
      const { inFlight: _answered, ...state } = types[type];
      if (request.rejection === undefined) {
        types[type] = accepted(state, inFlight, names);
        facts.push({ fact: 'acked', type, sequence });
        if (type === 'secret') facts.push({ fact: 'trusts', fingerprint: inFlight.set.fingerprint });
      } else {
        const [rejecting, resources] = rejected(type, state, inFlight.set, request.rejection);
        types[type] = rejecting;
        facts.push({ fact: 'rejected', type, sequence, message: request.rejection, resources });
        if (type === 'secret') facts.push({ fact: 'distrusts', fingerprint: inFlight.set.fingerprint, message: request.rejection });
      }
    }
    types[type] = restricted(types[type], names);
    if (type === 'secret' && names !== asked) types.secret = askedAnew(types.secret);
    return advance(facts);
  }

  /** A node that comes with a version holds something of every type, known here or not. */
  function begin({ version }: StreamRequest): void {
    begun = true;
    for (const type of resourceTypes) if (version !== '' && types[type].knowledge === 'nothing') change(type, { knowledge: 'unknown' });
  }

  function update(next: Snapshot): Step {
    if (snapshot && next.sequence <= snapshot.sequence) return { responses: [], facts: [] };
    snapshot = next;
    for (const type of resourceTypes) {
      if (types[type].rejected.size > 0) change(type, { rejected: stillThere(types[type].rejected, next.sets[type]) });
    }
    // A secret is refused alone: its set says no more than its piece, and another's acceptance may have been lost.
    if (types.secret.rejected.size === 0 && types.secret.rejectedSets.size > 0) change('secret', { rejectedSets: new Set() });
    return advance([]);
  }

  function advance(facts: StreamFact[]): Step {
    if (!snapshot) return { responses: [], facts };
    const responses: StreamResponse[] = [];
    for (const type of resourceTypes) {
      const set = due(type, snapshot);
      if (!set) continue;
      if (type === 'cluster') change('endpoints', { promised: promised(set, snapshot, types) });
      responses.push(send(type, set, snapshot.sequence));
    }
    const without = served < snapshot.sequence ? goesWithout(types, snapshot) : undefined;
    if (without) {
      served = snapshot.sequence;
      facts.push({ fact: 'served', sequence: served, without });
    }
    return { responses, facts };
  }

  function due(type: EnvoyResourceType, current: Snapshot): ResourceSet | undefined {
    if (type === 'secret') types.secret = withoutAlternative(types.secret);
    const { asked, certain, owed, rejectedSets, limit, inFlight } = types[type];
    if (asked === undefined || inFlight) return undefined;
    const set = contentFor(type, current, types, asked);
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
    for (const [child, names] of renewed(type, types[type], set)) {
      if (names.length > 0) change(child, { owed: new Set([...types[child].owed, ...names]) });
    }
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
      secret: paused(types.secret),
    };
  }

  return { update, receive, remember };
}

/** What the clusters (listeners) of `set` refer to that may be new or changed for the node: it waits for that before it uses them. */
function renewed(
  type: EnvoyResourceType,
  { accepted, doubted }: Held,
  set: ResourceSet,
): readonly (readonly [EnvoyResourceType, readonly string[]])[] {
  if (type !== 'cluster' && type !== 'listener') return [];
  const same = (before: ResourceSet, { name, hash }: Resource) => before.resources.get(name)?.hash === hash;
  const changed = [...set.resources.values()].filter(
    (one) => !same(accepted, one) || doubted.some((before) => before.resources.has(one.name) && !same(before, one)),
  );
  const secrets = ['secret', changed.flatMap(({ references }) => [...references.secrets])] as const;
  if (type === 'listener') return [secrets, ['route', changed.flatMap(({ references }) => [...references.routes])]];
  return [secrets, ['endpoints', changed.flatMap(({ assignment }) => (assignment === undefined ? [] : [assignment]))]];
}

/** The endpoints that the node will wait for once it has `set`: the newest known, for what it holds by now too. */
function promised(set: ResourceSet, { sets }: Snapshot, { cluster, endpoints }: Readonly<Record<EnvoyResourceType, TypeState>>) {
  const known = [sets.endpoints.resources, endpoints.accepted.resources, endpoints.promised];
  if (set === sets.cluster && [cluster.accepted, cluster.former].every((one) => one === set || one === emptySet))
    return sets.endpoints.resources;
  const promises = new Map<string, Resource>();
  for (const { assignment } of [set, cluster.accepted, cluster.former].flatMap(({ resources }) => [...resources.values()])) {
    const newest = assignment === undefined ? undefined : known.find((one) => one?.has(assignment))?.get(assignment);
    if (newest) promises.set(newest.name, newest);
  }
  return promises;
}

function differs(set: ResourceSet, from: ResourceSet, named: boolean): boolean {
  if (set === from) return false;
  if (!named && set.resources.size !== from.resources.size) return true;
  return !includes(from, set.resources.values());
}

function intersects(names: ReadonlySet<string>, set: ResourceSet): boolean {
  for (const name of names) if (set.resources.has(name)) return true;
  return false;
}

function stillThere(ids: ReadonlySet<string>, set: ResourceSet): ReadonlySet<string> {
  return new Set([...set.resources.values()].flatMap(({ pieces }) => pieces.map(({ id }) => id)).filter((id) => ids.has(id)));
}
