/**
 * What is known of one type of a node's resources: how its requests, acceptances and rejections, and the end of a stream,
 * change that. Plain values and pure transitions; `stream-state.ts` decides by them what is sent.
 */
import type { EnvoyResourceType } from '../dataplanes/envoy/resources.ts';
import { type Held, type Subscription, underWay } from './node-content.ts';
import { emptySet, type ResourceSet, resourceSet } from './snapshot.ts';

export interface TypeState extends Held {
  /** The version that the node last accepted. */
  readonly version: string;
  /** false: what the node holds must be confirmed by a response, even if it should be the same. */
  readonly certain: boolean;
  /** What was in flight when the stream ended. */
  readonly unanswered?: { readonly sequence: number; readonly set: ResourceSet };
  readonly lastNonce: string;
  /** Fingerprints of rejected sets: never sent again before something else was accepted. */
  readonly rejectedSets: ReadonlySet<string>;
  /** Names to send even if unchanged: Envoy waits for what a changed cluster or listener refers to, before it answers for that. */
  readonly owed: ReadonlySet<string>;
}

const none: ReadonlySet<string> = new Set();
export const blank: TypeState = {
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

/** The first request for a type on a stream: what of that which is remembered does the node still hold? */
export function meet(type: EnvoyResourceType, { unanswered, ...state }: TypeState, version: string, asked: Subscription): TypeState {
  const isWaitedFor = type === 'endpoints' || type === 'secret';
  if (version === '') return state.promised ? { ...blank, promised: state.promised } : blank;
  if (state.version === version) return isWaitedFor ? withoutOwed(state) : state;
  if (unanswered && String(unanswered.sequence) === version) {
    if (!isWaitedFor) return accepted(state, unanswered, asked);
    // It has read the response, but may have asked for something else just then, and taken nothing of it.
    return { ...withoutOwed(state), version, certain: false };
  }
  if (state.knowledge !== 'known') return { ...state, knowledge: 'unknown' };
  const doubted = [...state.doubted, state.accepted];
  return { ...state, accepted: emptySet, former: state.accepted, doubted, knowledge: 'unknown', certain: false };
}

/** What the node waits for it may have let go on the way, and asked for again since: neither may have been heard. */
function withoutOwed(state: TypeState): TypeState {
  const kept = [...state.accepted.resources].filter(([name]) => !state.owed.has(name));
  return kept.length === state.accepted.resources.size ? state : { ...state, accepted: resourceSet(new Map(kept)), certain: false };
}

export type SetOfNames = (names: readonly string[]) => ReadonlySet<string>;

/** Clusters and listeners: no names at first, or `*`, is everything. Endpoints and routes are always asked for by name. */
export function subscription(
  type: EnvoyResourceType,
  before: Subscription | undefined,
  names: readonly string[],
  setOf: SetOfNames,
): Subscription {
  if (type === 'cluster' || type === 'listener') {
    const everything = names.length === 0 && (before === undefined || before === 'all');
    if (everything || names.includes('*')) return 'all';
  }
  if (before !== undefined && before !== 'all' && before.size === names.length && names.every((name) => before.has(name))) return before;
  return setOf(names);
}

export function accepted(state: TypeState, { set, sequence }: { set: ResourceSet; sequence: number }, asked: Subscription): TypeState {
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
export function rejected(type: EnvoyResourceType, state: TypeState, set: ResourceSet, message: string): [TypeState, readonly string[]] {
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
export function restricted(state: TypeState, asked: Subscription): TypeState {
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

/** Names that the node asks for and does not hold: it waits for an answer, be it to refuse that again. */
export function askedAnew(state: TypeState): TypeState {
  if (state.asked === undefined || state.asked === 'all') return state;
  const missing = [...state.asked].filter((name) => !state.accepted.resources.has(name));
  return missing.length === 0 ? state : { ...state, owed: new Set([...state.owed, ...missing]) };
}

/** What is owed, was refused and cannot be stood in for by what the node has is sent once more: the node answers for nothing before. */
export function withoutAlternative(state: TypeState): TypeState {
  const isStuck = state.rejected.size > 0 && [...state.owed].some((name) => !state.accepted.resources.has(name));
  return isStuck && !state.inFlight ? { ...state, rejected: none, rejectedSets: none } : state;
}

/** A state whose stream has ended: what was not answered may or may not have arrived. */
export function paused(state: TypeState): TypeState {
  const { inFlight, asked, unanswered, ...rest } = state;
  const open = inFlight ?? (asked === undefined ? unanswered : undefined);
  return { ...rest, doubted: underWay(state), lastNonce: '', certain: rest.certain && !inFlight, ...(open ? { unanswered: open } : {}) };
}
