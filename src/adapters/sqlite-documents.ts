/**
 * The embedded store: the storage port over one SQLite file (WAL, synchronous FULL) that two processes may have open at once.
 * Batches handed in during one turn of the event loop share one transaction, and so one fsync; each has a savepoint of its
 * own, so that a conflict in one undoes nothing of another. A batch is answered only after the commit.
 */

import { randomUUID } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { z } from 'zod';
import type { BatchOutcome, Documents, Due, Found, Operation } from '../journal/documents.ts';
import { checkBatch, checkBatchBytes } from './batch-limits.ts';
import { openStateFile } from './state-file.ts';
import { jsonObject, storedDocument } from './stored-document.ts';

/** An operation with its body as text: what is written is what was handed in, whatever the caller changes meanwhile. */
interface Step {
  readonly operation: Operation;
  readonly body: string;
}

interface QueuedBatch {
  readonly partition: string;
  readonly steps: readonly Step[];
  readonly resolve: (outcome: BatchOutcome) => void;
  readonly reject: (error: unknown) => void;
}

const etagRow = z.object({ etag: z.string() });
const dueRow = z.object({ partition: z.string(), id: z.string(), wake_at: z.number() });
const documentRow = z.object({
  partition: z.string(),
  id: z.string(),
  kind: z.string(),
  ordinal: z.number(),
  wake_at: z.number().nullable(),
  expires_at: z.number().nullable(),
  body: z.string(),
  etag: z.string(),
});

export class SqliteDocuments implements Documents {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  /** Etags are unique over all processes and starts: a random part for this one, and a count. */
  readonly #etagPrefix = randomUUID();
  #writes = 0;
  #queue: QueuedBatch[] = [];

  /**
   * Opens the state file, or makes it; its directory must exist.
   * @throws StateFileError when it is damaged, not ours, of a version unknown here, or locked for longer than `busyTimeoutMs`.
   */
  constructor(path: string, { busyTimeoutMs = 5000 }: { busyTimeoutMs?: number } = {}) {
    this.#database = openStateFile(path, busyTimeoutMs);
    this.#statements = prepare(this.#database);
  }

  async read(partition: string, id: string): Promise<Found | undefined> {
    const row = this.#statements.read.get(partition, id);
    return row === undefined ? undefined : foundOf(row);
  }

  async batch(partition: string, operations: readonly Operation[]): Promise<BatchOutcome> {
    checkBatch(partition, operations);
    const steps = operations.map((operation) => ({
      operation,
      body: operation.op === 'delete' ? '' : JSON.stringify(operation.document.body),
    }));
    checkBatchBytes(
      partition,
      steps.reduce((bytes, step) => bytes + Buffer.byteLength(step.body), 0),
    );
    return new Promise((resolve, reject) => {
      this.#queue.push({ partition, steps, resolve, reject });
      if (this.#queue.length === 1) {
        setImmediate(() => this.#commitQueue());
      }
    });
  }

  async list(query: { partition: string; kind: string; after?: number; limit?: number }): Promise<readonly Found[]> {
    const { partition, kind, after = Number.NEGATIVE_INFINITY, limit = -1 } = query;
    return this.#statements.list.all(partition, kind, after, limit).map(foundOf);
  }

  async due(now: number, limit: number): Promise<readonly Due[]> {
    return this.#statements.due.all(now, limit).map((row) => {
      const { partition, id, wake_at: wakeAt } = dueRow.parse(row);
      return { partition, id, wakeAt };
    });
  }

  async removeExpired(now: number, limit: number): Promise<number> {
    return Number(this.#statements.removeExpired.run(now, limit).changes);
  }

  /** Commits what was handed in and gives the file back; nothing may be asked of this store afterwards. */
  close(): void {
    this.#commitQueue();
    this.#database.close();
  }

  #commitQueue(): void {
    const group = this.#queue;
    this.#queue = [];
    if (group.length === 0) {
      return;
    }
    try {
      for (const { resolve, outcome } of this.#commit(group)) {
        resolve(outcome);
      }
    } catch (error) {
      for (const { reject } of group) {
        reject(error);
      }
    }
  }

  /** The outcomes are returned, not yet told: nobody may hear of a write that is not on the disk. */
  #commit(group: readonly QueuedBatch[]): { resolve: QueuedBatch['resolve']; outcome: BatchOutcome }[] {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const outcomes = group.map(({ partition, steps, resolve }) => ({ resolve, outcome: this.#applyBatch(partition, steps) }));
      this.#database.exec('COMMIT');
      return outcomes;
    } catch (error) {
      try {
        this.#database.exec('ROLLBACK');
      } catch {
        // Some errors, a full disk among them, have ended the transaction already; `error` says which.
      }
      throw error;
    }
  }

  #applyBatch(partition: string, steps: readonly Step[]): BatchOutcome {
    this.#statements.savepoint.run();
    const etags: string[] = [];
    for (const [index, step] of steps.entries()) {
      const done = this.#applyStep(partition, step);
      if ('refused' in done) {
        this.#statements.undo.run();
        this.#statements.release.run();
        return { outcome: done.refused, index };
      }
      etags.push(done.etag);
    }
    this.#statements.release.run();
    return { outcome: 'written', etags };
  }

  #applyStep(partition: string, { operation, body }: Step): { etag: string } | { refused: 'exists' | 'stale' } {
    if (operation.op === 'delete') {
      this.#statements.delete.run(partition, operation.id);
      return { etag: '' };
    }
    const { id, kind, ordinal, wakeAt, expiresAt } = operation.document;
    if (operation.op !== 'upsert') {
      const row = this.#statements.etag.get(partition, id);
      const current = row === undefined ? undefined : etagRow.parse(row).etag;
      if (operation.op === 'create' && current !== undefined) {
        return { refused: 'exists' };
      }
      if (operation.op === 'replace' && current !== operation.etag) {
        return { refused: 'stale' };
      }
    }
    this.#writes += 1;
    const etag = `${this.#etagPrefix}.${this.#writes}`;
    this.#statements.write.run(partition, id, kind, ordinal, wakeAt ?? null, expiresAt ?? null, body, etag);
    return { etag };
  }
}

type Statements = Readonly<
  Record<'read' | 'etag' | 'list' | 'due' | 'removeExpired' | 'write' | 'delete' | 'savepoint' | 'undo' | 'release', StatementSync>
>;

function prepare(database: DatabaseSync): Statements {
  return {
    read: database.prepare('SELECT * FROM documents WHERE partition = ? AND id = ?'),
    etag: database.prepare('SELECT etag FROM documents WHERE partition = ? AND id = ?'),
    list: database.prepare('SELECT * FROM documents WHERE partition = ? AND kind = ? AND ordinal > ? ORDER BY ordinal, id LIMIT ?'),
    due: database.prepare('SELECT partition, id, wake_at FROM documents WHERE wake_at <= ? ORDER BY wake_at, partition, id LIMIT ?'),
    removeExpired: database.prepare('DELETE FROM documents WHERE rowid IN (SELECT rowid FROM documents WHERE expires_at <= ? LIMIT ?)'),
    write: database.prepare(
      `INSERT INTO documents (partition, id, kind, ordinal, wake_at, expires_at, body, etag) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (partition, id) DO UPDATE SET kind = excluded.kind, ordinal = excluded.ordinal, wake_at = excluded.wake_at,
         expires_at = excluded.expires_at, body = excluded.body, etag = excluded.etag`,
    ),
    delete: database.prepare('DELETE FROM documents WHERE partition = ? AND id = ?'),
    savepoint: database.prepare('SAVEPOINT batch'),
    undo: database.prepare('ROLLBACK TO batch'),
    release: database.prepare('RELEASE batch'),
  };
}

function foundOf(row: unknown): Found {
  const { partition, id, kind, ordinal, wake_at: wakeAt, expires_at: expiresAt, body: text, etag } = documentRow.parse(row);
  const body = jsonObject.parse(JSON.parse(text));
  return { document: storedDocument({ partition, id, kind, ordinal, wakeAt, expiresAt, body }), etag };
}
