/** A state file that cannot be used is refused in one sentence and left byte for byte as it was. */

import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SqliteDocuments } from '../../src/adapters/sqlite-documents.ts';
import { StateFileError } from '../../src/adapters/state-file.ts';
import { create, P, write } from '../journal/documents.samples.ts';

describe('a state file', () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'meshwright-state-'));
    path = join(directory, 'state.db');
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  /** Every file of the directory with its content, mode and time of change. */
  const asFound = () =>
    readdirSync(directory).map((name) => {
      const { mode, mtimeMs } = statSync(join(directory, name));
      return {
        name,
        mode,
        mtimeMs,
        sha256: createHash('sha256')
          .update(readFileSync(join(directory, name)))
          .digest('hex'),
      };
    });

  function expectRefused(reason: string, sentence: RegExp): void {
    const before = asFound();
    let thrown: unknown;
    try {
      new SqliteDocuments(path, { busyTimeoutMs: 20 }).close();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(StateFileError);
    expect(thrown).toMatchObject({ reason, message: expect.stringMatching(sentence) });
    expect(thrown).toMatchObject({ message: expect.stringMatching(/^[^\n]*\.$/) });
    expect(asFound()).toEqual(before);
  }

  /** A closed state file with 200 documents in it. */
  async function fill(): Promise<void> {
    const documents = new SqliteDocuments(path);
    await write(
      documents,
      Array.from({ length: 100 }, (_, index) => create(`d${index}`, { ordinal: index, body: { text: 'x'.repeat(900) } })),
    );
    documents.close();
  }

  it('is refused when it is not a database', () => {
    writeFileSync(path, 'apiVersion: meshwright.dev/v1\n'.repeat(100));
    expectRefused('NotAStateFile', /state\.db is not a Meshwright state file; move it away/);
  });

  it('is refused when it is empty', () => {
    writeFileSync(path, '');
    expectRefused('NotAStateFile', /not a Meshwright state file/);
  });

  it('is refused when it is the database of another program', () => {
    const database = new DatabaseSync(path);
    database.exec('PRAGMA journal_mode = WAL; CREATE TABLE photos (id); INSERT INTO photos VALUES (1)');
    database.close();
    expectRefused('NotAStateFile', /not a Meshwright state file/);
  });

  it('is refused when pages of it are overwritten', async () => {
    await fill();
    const bytes = readFileSync(path);
    bytes.fill(0x5a, 4096 * 3, 4096 * 6);
    writeFileSync(path, bytes);
    expectRefused('Damaged', /state\.db is damaged \(.+\); restore a copy/);
  });

  it('is refused when it was cut short', async () => {
    await fill();
    truncateSync(path, 4096 * 10);
    expectRefused('Damaged', /is damaged/);
  });

  it('is refused when it is damaged, with what a crash left in its write-ahead log left there', async () => {
    await fill();
    const documents = new SqliteDocuments(path);
    await write(documents, [create('in the log')]);
    // What a killed process leaves: a copy of the files while they are open.
    const crashed = mkdtempSync(join(tmpdir(), 'meshwright-state-'));
    cpSync(directory, crashed, { recursive: true });
    documents.close();
    rmSync(directory, { recursive: true });
    directory = crashed;
    path = join(directory, 'state.db');
    rmSync(`${path}-shm`);
    const sound = readFileSync(path);
    writeFileSync(path, Buffer.from(sound).fill(0x5a, 4096 * 10, 4096 * 13));
    const log = readFileSync(`${path}-wal`);
    const damaged = readFileSync(path);
    expect(() => new SqliteDocuments(path)).toThrow(/is damaged/);
    expect(readFileSync(path).equals(damaged)).toBe(true);
    expect(readFileSync(`${path}-wal`).equals(log)).toBe(true);

    writeFileSync(path, sound);
    const restored = new SqliteDocuments(path);
    expect(await restored.read(P, 'in the log')).toBeDefined();
    restored.close();
  });

  it('is refused when a newer version wrote it', async () => {
    await fill();
    const database = new DatabaseSync(path);
    database.exec('PRAGMA user_version = 2');
    database.close();
    expectRefused('UnknownVersion', /has state version 2 and this Meshwright knows version 1; run the Meshwright that wrote it/);
  });

  it('is refused when another program has it locked for longer than the time-out', async () => {
    await fill();
    const blocker = new DatabaseSync(path);
    blocker.exec('BEGIN IMMEDIATE');
    expectRefused('Busy', /still locked by another program after 0\.02 s; end that program/);
    blocker.exec('ROLLBACK; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    expectRefused('Busy', /still locked/);
    blocker.close();
    const documents = new SqliteDocuments(path);
    expect(await documents.read(P, 'd1')).toBeDefined();
    documents.close();
  });

  it('is refused when it is a directory or may not be read, or its directory is not there', () => {
    expect(() => new SqliteDocuments(join(directory, 'nowhere', 'state.db'))).toThrow(StateFileError);
    expect(() => new SqliteDocuments(directory)).toThrow(/cannot be opened/);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('is opened while another store has it open', async () => {
    const first = new SqliteDocuments(path);
    const second = new SqliteDocuments(path);
    await write(first, [create('a')]);
    expect(await second.read(P, 'a')).toBeDefined();
    first.close();
    await write(second, [create('b')]);
    second.close();
    expect(readdirSync(directory)).toEqual(['state.db']);
  });
});
