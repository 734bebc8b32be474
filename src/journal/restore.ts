/**
 * Putting an archived stream into an empty store: commits as they were, in their chain; then a head folded from them, by
 * which the stream is there. Each step may be given again, as after an answer that was lost, and changes nothing the second time.
 */
import { type ArchivedStream, GENESIS, type Link, linkAfter } from './archive.ts';
import type { Documents, JsonObject, StoredDocument } from './documents.ts';
import { documentIdOf, hashJson } from './hash.ts';
import { foldCommits, headOperation } from './journal.ts';
import { commitBodySchema, HEAD_ID, type PendingEffect, pendingKey, type StreamKind } from './stream.ts';

export type Restored =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: 'NotEmpty' | 'ChainBroken' | 'NewerEvents'; readonly message: string };

const done: Restored = { ok: true };

/** At most 100 commits, which follow what is stored of the stream already. */
export async function restoreCommits(documents: Documents, stream: string, commits: readonly JsonObject[]): Promise<Restored> {
  let link: Link | undefined;
  const operations = [];
  for (const body of commits) {
    const { version, deliveryId } = commitBodySchema.parse(body);
    link ??= await storedLink(documents, stream, version - 1);
    if (link === undefined) return { ok: false, reason: 'ChainBroken', message: `Commit ${version - 1} of ${stream} is not there yet.` };
    const next = linkAfter(link, stream, body);
    if (typeof next === 'string') return { ok: false, reason: 'ChainBroken', message: next };
    const document: StoredDocument = { partition: stream, id: documentIdOf(deliveryId), kind: 'commit', ordinal: version, body };
    operations.push({ op: 'create', document } as const);
    link = next;
  }
  const outcome = await documents.batch(stream, operations);
  if (outcome.outcome === 'written') return done;
  return (await allThere(documents, operations)) ? done : notEmpty(stream);
}

/** `owed`: beside what was owed when it was exported. @throws when the commits of the stream could not be read. */
export async function restoreHead<State, Event>(
  documents: Documents,
  kind: StreamKind<State, Event>,
  archived: ArchivedStream,
  now: number,
  owedFor: (state: State) => readonly { readonly kind: string; readonly target: string }[],
): Promise<Restored> {
  const { stream, version, hash } = archived;
  const folded = await foldCommits(documents, kind, stream).catch((error: unknown) => ({ error }));
  if ('error' in folded) {
    const message = `${stream} has events that this version of meshwright does not know; restore it with the version that wrote them.`;
    return { ok: false, reason: 'NewerEvents', message };
  }
  if (folded.version !== version || folded.hash !== hash) {
    return {
      ok: false,
      reason: 'ChainBroken',
      message: `The commits of ${stream} end at ${folded.version}, and its head is at ${version}.`,
    };
  }
  const effects = [
    ...Object.values(archived.pending).map((effect): PendingEffect => ({ ...effect, notBefore: now })),
    ...owedFor(folded.state).map((owed): PendingEffect => ({ ...owed, revision: version, since: now, attempts: 0, notBefore: now })),
  ];
  const pending = Object.fromEntries(effects.map((effect) => [pendingKey(effect.kind, effect.target), effect]));
  const outcome = await documents.batch(stream, [headOperation(kind, { stream, version, hash, state: folded.state, pending }, undefined)]);
  if (outcome.outcome === 'written') return done;
  const there = await documents.read(stream, HEAD_ID);
  return there?.document.body.hash === hash ? done : notEmpty(stream);
}

async function storedLink(documents: Documents, stream: string, version: number): Promise<Link | undefined> {
  if (version === 0) return GENESIS;
  const [found] = await documents.list({ partition: stream, kind: 'commit', after: version - 1, limit: 1 });
  const { hash } = found?.document.body ?? {};
  return found?.document.ordinal === version && typeof hash === 'string' ? { version, hash } : undefined;
}

async function allThere(documents: Documents, operations: readonly { readonly document: StoredDocument }[]): Promise<boolean> {
  const stored = await Promise.all(operations.map(({ document }) => documents.read(document.partition, document.id)));
  return operations.every(({ document }, index) => {
    const found = stored[index];
    return found !== undefined && hashJson(found.document.body) === hashJson(document.body);
  });
}

const notEmpty = (stream: string): Restored => ({
  ok: false,
  reason: 'NotEmpty',
  message: `${stream} is there with another content; a journal is restored into an empty store only.`,
});
