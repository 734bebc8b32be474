/**
 * The journal streamed into an audit log: every commit of every stream at least once, in the order of its stream. How far it has come is kept beside
 * the journal and moves only after rows were taken, so that nothing is passed over; who reads tells rows that came twice by stream, version and hash.
 */
import { z } from 'zod';
import type { Archive } from './archive.ts';
import { type AuditLog, type AuditRow, auditRow, MOST_BYTES } from './journal/audit-rows.ts';
import type { Documents } from './journal/documents.ts';
import { documentIdOf } from './journal/hash.ts';

const PARTITION = 'audit';
const PAGE = 100;
/** Of one turn; what is left is for the next. */
const MOST_REQUESTS = 20;

const bookmarkSchema = z.object({ stream: z.string() });

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
  const bookmarks = new Map<string, number>();
  for (const { document } of await documents.list({ partition: PARTITION, kind: 'bookmark' }))
    bookmarks.set(bookmarkSchema.parse(document.body).stream, document.ordinal);
  for (const { stream, version } of await archive.streams()) {
    for (let after = bookmarks.get(stream) ?? 0; after < version; ) {
      const commits = await archive.commits(stream, after, PAGE);
      if (commits.length === 0) throw new Error(`The commits of ${stream} end at ${after}, and its head is at ${version}.`);
      for (const commit of commits) yield auditRow(stream, commit);
      after += commits.length;
    }
  }
}

async function keepBookmarks(documents: Documents, rows: readonly AuditRow[]): Promise<void> {
  const reached = new Map(rows.map(({ Stream, Version }) => [Stream, Version]));
  const operations = [...reached].map(([stream, version]) => {
    const document = { partition: PARTITION, id: documentIdOf(stream), kind: 'bookmark', ordinal: version, body: { stream } };
    return { op: 'upsert', document } as const;
  });
  for (let index = 0; index < operations.length; index += PAGE) await documents.batch(PARTITION, operations.slice(index, index + PAGE));
}
