/**
 * The journal streamed into an audit log: every commit of every stream at least once, in the order of its stream. How far it has come is kept beside
 * the journal and moves only after rows were taken, so that nothing is passed over; who reads tells rows that came twice by stream, version and hash.
 * A stream that does not go on from the commit it had come to (a store that was brought back to an older state) is streamed anew.
 */
import { z } from 'zod';
import type { Archive } from './archive.ts';
import { GENESIS, type Link } from './journal/archive.ts';
import { type AuditLog, type AuditRow, auditRow, MOST_BYTES } from './journal/audit-rows.ts';
import type { Documents } from './journal/documents.ts';
import { documentIdOf } from './journal/hash.ts';

const PARTITION = 'audit';
const PAGE = 100;
/** Of one turn; what is left is for the next. */
const MOST_REQUESTS = 20;

const bookmarkSchema = z.object({ stream: z.string(), hash: z.string() });

/** `nowhere`: there is no audit log. `more`: some were left to the next turn. */
export type Streamed = { readonly outcome: 'streamed'; readonly rows: number; readonly more: boolean } | { readonly outcome: 'nowhere' };

export interface Auditing {
  readonly documents: Documents;
  readonly archive: Pick<Archive, 'streams' | 'commits'>;
  readonly log: AuditLog | undefined;
}

/** @throws what the log throws: then the next turn sends these rows again, and those after them. */
export async function streamJournal({ documents, archive, log }: Auditing): Promise<Streamed> {
  if (!log) return { outcome: 'nowhere' };
  let rows: AuditRow[] = [];
  let bytes = 0;
  let sent = 0;
  let requests = 0;
  const flush = async (): Promise<void> => {
    if (rows.length === 0) return;
    await log.send(rows);
    await keepBookmarks(documents, rows);
    sent += rows.length;
    requests += 1;
    rows = [];
    bytes = 0;
  };
  for await (const row of unsent(documents, archive)) {
    const length = Buffer.byteLength(JSON.stringify(row)) + 1;
    if (bytes + length > MOST_BYTES) await flush();
    if (requests === MOST_REQUESTS) return { outcome: 'streamed', rows: sent, more: true };
    rows.push(row);
    bytes += length;
  }
  await flush();
  return { outcome: 'streamed', rows: sent, more: false };
}

async function* unsent(documents: Documents, archive: Auditing['archive']): AsyncGenerator<AuditRow> {
  const bookmarks = new Map<string, Link>();
  for (const { document } of await documents.list({ partition: PARTITION, kind: 'bookmark' })) {
    const { stream, hash } = bookmarkSchema.parse(document.body);
    bookmarks.set(stream, { version: document.ordinal, hash });
  }
  for (const head of await archive.streams()) {
    const bookmark = bookmarks.get(head.stream) ?? GENESIS;
    const wentBack = head.version < bookmark.version || (head.version === bookmark.version && head.hash !== bookmark.hash);
    yield* rowsOf(archive, head, wentBack ? GENESIS : bookmark);
  }
}

async function* rowsOf(archive: Auditing['archive'], head: Link & { readonly stream: string }, from: Link): AsyncGenerator<AuditRow> {
  const { stream, version } = head;
  for (let reached = from; reached.version < version; ) {
    const commits = await archive.commits(stream, reached.version, PAGE);
    if (commits.length === 0) throw new Error(`The commits of ${stream} end at ${reached.version}, and its head is at ${version}.`);
    const rows = commits.map((commit) => auditRow(stream, commit));
    if (reached === from && from !== GENESIS && rows[0]?.PreviousHash !== from.hash) return yield* rowsOf(archive, head, GENESIS);
    yield* rows;
    reached = { version: reached.version + rows.length, hash: rows.at(-1)?.Hash ?? reached.hash };
  }
}

async function keepBookmarks(documents: Documents, rows: readonly AuditRow[]): Promise<void> {
  const reached = new Map(rows.map((row) => [row.Stream, row]));
  const operations = [...reached].map(([stream, { Version, Hash }]) => {
    const document = { partition: PARTITION, id: documentIdOf(stream), kind: 'bookmark', ordinal: Version, body: { stream, hash: Hash } };
    return { op: 'upsert', document } as const;
  });
  for (let index = 0; index < operations.length; index += PAGE) await documents.batch(PARTITION, operations.slice(index, index + PAGE));
}
