/**
 * The file of the embedded store: made whole or not at all, and opened only when it is ours, sound, of a version we know and
 * not held by another program. Anything else is a `StateFileError`, with the file left as it was found. File format facts
 * (header offsets, WAL clean-up on close): https://sqlite.org/fileformat2.html and https://sqlite.org/wal.html.
 */

import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, linkSync, openSync, readSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';

export type StateFileReason = 'NotAStateFile' | 'Damaged' | 'UnknownVersion' | 'Busy' | 'Unreadable';

/** The state file cannot be used; it was left as it was. `message` is one sentence that says what to do. */
export class StateFileError extends Error {
  override readonly name = 'StateFileError';
  readonly reason: StateFileReason;

  constructor(reason: StateFileReason, message: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}

/** "mesh" in ASCII, in the header of every file of ours. */
const applicationId = 0x6d657368;
const schemaVersion = 1;

/** Switching to WAL comes after the schema so that the main file alone always says whose it is. */
const schema = `
  BEGIN;
  CREATE TABLE documents (
    partition TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, ordinal INTEGER NOT NULL,
    wake_at INTEGER, expires_at INTEGER, body TEXT NOT NULL, etag TEXT NOT NULL,
    UNIQUE (partition, id)
  ) STRICT;
  CREATE INDEX by_kind ON documents (partition, kind, ordinal, id);
  CREATE INDEX by_wake_at ON documents (wake_at, partition, id) WHERE wake_at IS NOT NULL;
  CREATE INDEX by_expires_at ON documents (expires_at) WHERE expires_at IS NOT NULL;
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${schemaVersion};
  COMMIT;
  PRAGMA journal_mode = WAL;`;

/**
 * Opens the state file, after making it (mode 0600) if nothing is there; its directory must exist.
 * @throws StateFileError when it cannot be used.
 */
export function openStateFile(path: string, busyTimeoutMs: number): DatabaseSync {
  try {
    if (!existsSync(path)) {
      createStateFile(path);
    }
    if (!isOurs(path)) {
      throw new StateFileError('NotAStateFile', `${path} is not a Meshwright state file; move it away or name another path.`);
    }
    checkSound(path, busyTimeoutMs);
    return openForWriting(path, busyTimeoutMs);
  } catch (error) {
    throw asStateFileError(path, busyTimeoutMs, error);
  }
}

/** Under another name first: a process killed here leaves no half-made state, and of two that start at once one wins. */
function createStateFile(path: string): void {
  const draft = `${path}.${randomUUID()}.new`;
  try {
    closeSync(openSync(draft, 'wx', 0o600));
    const database = new DatabaseSync(draft);
    try {
      database.exec(schema);
    } finally {
      database.close();
    }
    linkSync(draft, path);
  } catch (error) {
    if (!existsSync(path)) {
      throw error;
    }
  } finally {
    rmSync(draft, { force: true });
  }
  const directory = openSync(dirname(path), 'r');
  fsyncSync(directory);
  closeSync(directory);
}

/** Read without SQLite, which would take an empty file for a new database and touch the lock files of someone else's. */
function isOurs(path: string): boolean {
  const header = Buffer.alloc(100);
  const file = openSync(path, 'r');
  try {
    const length = readSync(file, header, 0, header.length, 0);
    return (
      length === header.length && header.toString('latin1', 0, 16) === 'SQLite format 3\0' && header.readUInt32BE(68) === applicationId
    );
  } finally {
    closeSync(file);
  }
}

function checkSound(path: string, busyTimeoutMs: number): void {
  // Closing a writing connection would move what a crash left in the WAL into a file we may be about to refuse; closing a
  // reading one would leave an empty WAL behind where there was none.
  const database = new DatabaseSync(path, { readOnly: existsSync(`${path}-wal`) });
  try {
    database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    const { user_version: version } = z.object({ user_version: z.number() }).parse(database.prepare('PRAGMA user_version').get());
    if (version !== schemaVersion) {
      throw new StateFileError(
        'UnknownVersion',
        `${path} has state version ${version} and this Meshwright knows version ${schemaVersion}; run the Meshwright that wrote it or a newer one.`,
      );
    }
    const { quick_check: finding } = z.object({ quick_check: z.string() }).parse(database.prepare('PRAGMA quick_check(1)').get());
    if (finding !== 'ok') {
      throw damaged(path, finding);
    }
  } finally {
    database.close();
  }
}

function openForWriting(path: string, busyTimeoutMs: number): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}; PRAGMA synchronous = FULL; BEGIN IMMEDIATE; ROLLBACK`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

const sqliteBusy = 5;
const sqliteCorrupt = 11;
const sqliteNotADatabase = 26;
const sqliteError = z.object({ errcode: z.number(), message: z.string() });

function asStateFileError(path: string, busyTimeoutMs: number, error: unknown): StateFileError {
  if (error instanceof StateFileError) {
    return error;
  }
  const { data: known } = sqliteError.safeParse(error);
  // The low byte is the primary result code: https://sqlite.org/rescode.html.
  const code = known === undefined ? undefined : known.errcode & 0xff;
  if (known !== undefined && code === sqliteBusy) {
    const message = `${path} is still locked by another program after ${busyTimeoutMs / 1000} s; end that program and start again.`;
    return new StateFileError('Busy', message, error);
  }
  if (known !== undefined && (code === sqliteCorrupt || code === sqliteNotADatabase)) {
    return damaged(path, known.message, error);
  }
  const detail = error instanceof Error ? error.message : String(error);
  return new StateFileError('Unreadable', `${path} cannot be opened (${detail}); see that it is a file you may read and write.`, error);
}

function damaged(path: string, detail: string, cause?: unknown): StateFileError {
  const firstLine = detail.split('\n')[0];
  return new StateFileError('Damaged', `${path} is damaged (${firstLine}); restore a copy of it, or move it away to start empty.`, cause);
}
