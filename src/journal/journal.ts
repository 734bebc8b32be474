/**
 * The journal: appends a decision as ONE atomic batch (the commit document and the head under If-Match), answers a
 * redelivery with what was answered before, and keeps the effects a decision called for in the head until they are done.
 * Interface of its store: `documents.ts`. It holds no clock: times, or what tells them, are given.
 */
import type { Decision, Effect } from '../decision.ts';
import type { Documents, Etag, Found, JsonObject, StoredDocument } from './documents.ts';
import { documentIdOf, hashJson } from './hash.ts';
import { race } from './races.ts';
import {
  type Answer,
  type Commit,
  commitBodySchema,
  type Delivery,
  GENESIS_HASH,
  HEAD_ID,
  type Head,
  headBodySchema,
  type PendingEffect,
  pendingKey,
  refusalBodySchema,
  type StreamKind,
} from './stream.ts';

/** How long an effect belongs to whoever took it up; longer than any single attempt may last. */
export const CLAIM_MS = 15_000;
/** Longer than anything redelivers (Event Grid gives up after a day, queues after seven). */
const REFUSAL_KEPT_MS = 30 * 24 * 3_600_000;

/** The head was written by newer code: this code may read it but never write it. Transient: newer code will take the delivery. */
export class NewerHeadError extends Error {
  override name = 'NewerHeadError';
}

export interface Loaded<State> {
  readonly head: Head<State>;
  /** Absent while the stream has no head. */
  readonly etag: Etag | undefined;
  /** True: written by newer code. */
  readonly newer: boolean;
}

export interface Appended<State> {
  readonly answer: Answer;
  /** The head after the commit; absent when nothing was written by this call. */
  readonly head?: Head<State>;
  /** The effects this commit called for, claimed by this call. */
  readonly claimed: readonly PendingEffect[];
}

export async function loadHead<State, Event>(documents: Documents, kind: StreamKind<State, Event>, stream: string): Promise<Loaded<State>> {
  const found = await documents.read(stream, HEAD_ID);
  if (!found) return { head: { stream, version: 0, hash: GENESIS_HASH, state: kind.initial, pending: {} }, etag: undefined, newer: false };
  const body = headBodySchema.parse(found.document.body);
  const { version, hash, pending } = body;
  const newer = body.schema > kind.schema;
  const state = body.schema === kind.schema ? kind.parseState(body.state) : await refolded(documents, kind, stream, version, newer);
  return { head: { stream, version, hash, pending, state }, etag: found.etag, newer };
}

/** @throws NewerHeadError when newer code wrote events that this code cannot read at all. */
async function refolded<State, Event>(
  documents: Documents,
  kind: StreamKind<State, Event>,
  stream: string,
  version: number,
  newer: boolean,
): Promise<State> {
  const found = await documents.list({ partition: stream, kind: 'commit' });
  try {
    return foldFound(kind, found, version, Number.MAX_SAFE_INTEGER).state;
  } catch (error) {
    if (!newer) throw error;
    throw new NewerHeadError(`${stream} has events of a newer version of meshwright, which this one cannot read.`, { cause: error });
  }
}

/**
 * Folds a stream from its commits, up to a version, or to the last one made by a time (epoch ms): clocks of two writers may
 * differ, versions tell the order. Also how an older head comes up to today's schema.
 */
export async function foldCommits<State, Event>(
  documents: Documents,
  kind: StreamKind<State, Event>,
  stream: string,
  untilVersion = Number.MAX_SAFE_INTEGER,
  untilTime = Number.MAX_SAFE_INTEGER,
): Promise<{ state: State; version: number; hash: string }> {
  return foldFound(kind, await documents.list({ partition: stream, kind: 'commit' }), untilVersion, untilTime);
}

function foldFound<State, Event>(kind: StreamKind<State, Event>, found: readonly Found[], untilVersion: number, untilTime: number) {
  const commits = found
    .filter(({ document }) => document.ordinal <= untilVersion)
    .map(({ document }) => commitBodySchema.parse(document.body));
  let folded = { state: kind.initial, version: 0, hash: GENESIS_HASH };
  for (const commit of commits.slice(0, commits.findLastIndex(({ at }) => at <= untilTime) + 1)) {
    folded = { state: foldCommit(kind, folded.state, commit), version: commit.version, hash: commit.hash };
  }
  return folded;
}

export function foldCommit<State, Event>(kind: StreamKind<State, Event>, state: State, commit: Commit): State {
  const context = { version: commit.version, at: commit.at };
  return commit.events.reduce((folded, event) => kind.evolve(folded, kind.parseEvent(event), context), state);
}

/**
 * Decides and appends. `decide` is called again after a conflict, on the newer state and at the later time. Throws only for transient faults;
 * the same delivery may then be given again: its id is part of the batch, so nothing happens twice.
 */
export async function append<State, Event extends { readonly type: string }>(
  documents: Documents,
  kind: StreamKind<State, Event>,
  stream: string,
  delivery: Delivery,
  now: () => number,
  decide: (state: State, version: number, at: number) => Decision<Event> | Promise<Decision<Event>>,
): Promise<Appended<State>> {
  const otherwise = `${stream} is being written by others without pause; the delivery can be given again.`;
  const attempt = async (): Promise<Appended<State> | undefined> => {
    const loaded = await loadHead(documents, kind, stream);
    const at = now();
    const decision = await decide(loaded.head.state, loaded.head.version, at);
    if (decision.kind !== 'accepted') return { answer: await refuse(documents, stream, delivery, at, decision), claimed: [] };
    if (loaded.newer) throw new NewerHeadError(`${stream} was written by a newer version of meshwright; this one only reads it.`);

    const commit = commitDocument(stream, kind.schema, loaded.head, delivery, at, decision);
    const head = advance(kind, loaded.head, commit.body.hash, decision, at);
    const outcome = await documents.batch(stream, [{ op: 'create', document: commit.document }, headOperation(kind, head, loaded.etag)]);
    if (outcome.outcome === 'written') {
      const claimed = Object.values(head.pending).filter((effect) => effect.revision === head.version);
      const answer = { outcome: 'accepted', stream, version: head.version, message: decision.message, repeated: false } as const;
      return { answer, head, claimed };
    }
    if (outcome.outcome === 'exists' && outcome.index === 0)
      return { answer: await recordedAnswer(documents, stream, delivery), claimed: [] };
    return undefined;
  };
  return race(documents, stream, otherwise, attempt, !delivery.wayBack);
}

/**
 * Takes up effects that are due: pushes their `notBefore` ahead so that nobody else takes them for `CLAIM_MS`.
 * Answers with what was claimed; nothing when somebody else was faster.
 */
export async function claimDue<State, Event>(
  documents: Documents,
  kind: StreamKind<State, Event>,
  stream: string,
  now: number,
): Promise<readonly PendingEffect[]> {
  const loaded = await loadHead(documents, kind, stream);
  const due = Object.values(loaded.head.pending).filter((effect) => effect.notBefore <= now);
  if (due.length === 0 || loaded.etag === undefined || loaded.newer) return [];
  const claimed = due.map((effect) => ({ ...effect, attempts: effect.attempts + 1, notBefore: now + CLAIM_MS }));
  const pending = { ...loaded.head.pending };
  for (const effect of claimed) pending[pendingKey(effect.kind, effect.target)] = effect;
  const outcome = await documents.batch(stream, [headOperation(kind, { ...loaded.head, pending }, loaded.etag)]);
  return outcome.outcome === 'written' ? claimed : [];
}

export type Settlement = { readonly effect: PendingEffect } & (
  | { readonly outcome: 'done' }
  | { readonly outcome: 'retry'; readonly at: number; readonly error?: string }
);

/** Clears effects that are done and dates the others anew. An entry that a later commit renewed is left as it is. */
export async function settle<State, Event>(
  documents: Documents,
  kind: StreamKind<State, Event>,
  stream: string,
  settlements: readonly Settlement[],
): Promise<void> {
  const otherwise = `${stream} is being written by others without pause; its effects will be taken up again.`;
  await race(documents, stream, otherwise, async () => {
    const loaded = await loadHead(documents, kind, stream);
    if (loaded.newer || loaded.etag === undefined) return 'nothing to settle';
    const pending = { ...loaded.head.pending };
    let changed = false;
    for (const settlement of settlements) {
      const { effect } = settlement;
      const key = pendingKey(effect.kind, effect.target);
      const current = pending[key];
      if (!current || current.revision !== effect.revision) continue;
      changed = true;
      if (settlement.outcome === 'done') delete pending[key];
      else pending[key] = { ...current, notBefore: settlement.at, ...(settlement.error === undefined ? {} : { error: settlement.error }) };
    }
    if (!changed) return 'nothing to settle';
    const outcome = await documents.batch(stream, [headOperation(kind, { ...loaded.head, pending }, loaded.etag)]);
    return outcome.outcome === 'written' ? 'settled' : undefined;
  });
}

function commitDocument<Event extends { readonly type: string }>(
  stream: string,
  schema: number,
  head: Head<unknown>,
  delivery: Delivery,
  at: number,
  decision: { readonly events: readonly Event[]; readonly message: string },
) {
  const version = head.version + 1;
  const unsigned = toJson({
    version,
    schema,
    at,
    deliveryId: delivery.id,
    actor: delivery.actor,
    evidence: delivery.evidence,
    events: decision.events,
    message: decision.message,
    prevHash: head.hash,
  });
  const body = { ...unsigned, hash: hashJson(unsigned) };
  const document: StoredDocument = { partition: stream, id: documentIdOf(delivery.id), kind: 'commit', ordinal: version, body };
  return { document, body };
}

function advance<State, Event>(
  kind: StreamKind<State, Event>,
  head: Head<State>,
  hash: string,
  decision: { readonly events: readonly Event[]; readonly effects: readonly Effect[] },
  now: number,
): Head<State> {
  const version = head.version + 1;
  const state = decision.events.reduce((state, event) => kind.evolve(state, event, { version, at: now }), head.state);
  const pending = { ...head.pending };
  decision.effects.forEach((effect, index) => {
    const target = effect.target ?? `${version}.${index}`;
    pending[pendingKey(effect.kind, target)] = {
      kind: effect.kind,
      target,
      revision: version,
      since: now,
      attempts: 1,
      notBefore: now + CLAIM_MS,
      ...(effect.data ? { data: { ...effect.data } } : {}),
    };
  });
  return { stream: head.stream, version, hash, state, pending };
}

export function headOperation<State, Event>(kind: StreamKind<State, Event>, head: Head<State>, etag: Etag | undefined) {
  const times = Object.values(head.pending).map((effect) => effect.notBefore);
  const deadline = kind.wakeAt(head.state);
  if (deadline !== undefined) times.push(deadline);
  const { version, hash, state, pending } = head;
  const document: StoredDocument = {
    partition: head.stream,
    id: HEAD_ID,
    kind: 'head',
    ordinal: version,
    body: toJson({ schema: kind.schema, version, hash, state, pending }),
    ...(times.length > 0 ? { wakeAt: Math.min(...times) } : {}),
  };
  return etag === undefined ? ({ op: 'create', document } as const) : ({ op: 'replace', document, etag } as const);
}

async function refuse(
  documents: Documents,
  stream: string,
  delivery: Delivery,
  at: number,
  refusal: { readonly kind: 'refused' | 'unchanged'; readonly reason: string; readonly message: string },
): Promise<Answer> {
  const { kind: outcome, reason, message } = refusal;
  if (!delivery.recordRefusal) return { outcome, stream, reason, message, repeated: false };
  const body = toJson({ at, deliveryId: delivery.id, actor: delivery.actor, evidence: delivery.evidence, outcome, reason, message });
  const document: StoredDocument = {
    partition: stream,
    id: documentIdOf(delivery.id),
    kind: 'refusal',
    ordinal: at,
    expiresAt: at + REFUSAL_KEPT_MS,
    body,
  };
  const written = await documents.batch(stream, [{ op: 'create', document }]);
  if (written.outcome === 'written') return { outcome, stream, reason, message, repeated: false };
  return recordedAnswer(documents, stream, delivery);
}

async function recordedAnswer(documents: Documents, stream: string, delivery: Delivery): Promise<Answer> {
  const found = await documents.read(stream, documentIdOf(delivery.id));
  if (!found) throw new Error(`The recorded answer to ${delivery.id} in ${stream} is gone.`);
  return answerOf(stream, found);
}

function answerOf(stream: string, found: Found): Answer {
  if (found.document.kind === 'commit') {
    const { version, message } = commitBodySchema.parse(found.document.body);
    return { outcome: 'accepted', stream, version, message, repeated: true };
  }
  const { outcome, reason, message } = refusalBodySchema.parse(found.document.body);
  return { outcome, stream, reason, message, repeated: true };
}

/** What is hashed and stored is exactly what JSON keeps: absent stays absent. */
export function toJson(value: object): JsonObject {
  const copy: JsonObject = JSON.parse(JSON.stringify(value));
  return copy;
}
