/** The SQLite store passes the contract, keeps every acknowledged batch whatever happens to its process, and shares one file. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SqliteDocuments } from '../../src/adapters/sqlite-documents.ts';
import type { Operation } from '../../src/journal/documents.ts';
import { describeDocuments } from '../journal/documents.contract.ts';
import { create, document, ids, P, write } from '../journal/documents.samples.ts';

describeDocuments('SQLite', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'meshwright-sqlite-'));
  const documents = new SqliteDocuments(join(directory, 'state.db'));
  const other = new SqliteDocuments(join(directory, 'state.db'));
  const close = async () => {
    documents.close();
    other.close();
    rmSync(directory, { recursive: true });
  };
  return { documents, other, close };
});

describe('the SQLite store', () => {
  let directory: string;
  let path: string;
  const children: ChildProcess[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'meshwright-sqlite-'));
    path = join(directory, 'state.db');
  });
  afterEach(() => {
    for (const child of children.splice(0)) {
      child.kill('SIGKILL');
    }
    rmSync(directory, { recursive: true });
  });

  function startWriter(file: string, ...args: string[]) {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'sqlite-writer.ts'), file, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    return child;
  }

  it('has everything after it was closed and opened again, and leaves one file that only its owner may read', async () => {
    const first = new SqliteDocuments(path);
    const [etag] = await write(first, [create('a', { ordinal: 1, wakeAt: 5 })]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600);
    first.close();
    expect(readdirSync(directory)).toEqual(['state.db']);

    const second = new SqliteDocuments(path);
    expect(await second.read(P, 'a')).toEqual({ document: document('a', { ordinal: 1, wakeAt: 5 }), etag });
    expect(await second.batch(P, [create('a')])).toEqual({ outcome: 'exists', index: 0 });
    const replaced = await second.batch(P, [{ op: 'replace', document: document('a'), etag: etag ?? '' }]);
    expect(replaced).toMatchObject({ outcome: 'written' });
    second.close();
  });

  it('commits what was handed in before it closes', async () => {
    const first = new SqliteDocuments(path);
    const writing = first.batch(P, [create('a')]);
    first.close();
    expect(await writing).toMatchObject({ outcome: 'written' });
    const second = new SqliteDocuments(path);
    expect(await second.read(P, 'a')).toBeDefined();
    second.close();
  });

  it('puts the batches of one turn into one commit, and a conflict in one undoes nothing of the others', async () => {
    const documents = new SqliteDocuments(path);
    await write(documents, [create('taken')]);
    const before = walCommits(path);
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        documents.batch(P, [create(`d${index}`), create(index % 10 === 0 ? 'taken' : `e${index}`)]),
      ),
    );
    expect(walCommits(path) - before).toBe(1);
    expect(outcomes.filter((outcome) => outcome.outcome === 'exists')).toHaveLength(20);
    const stored = new Set(ids(await documents.list({ partition: P, kind: 'commit' })));
    expect(stored.size).toBe(1 + 2 * 180);
    expect([stored.has('d0'), stored.has('d1'), stored.has('e1')]).toEqual([false, true, true]);
    documents.close();
  });

  it('answers none of a turn when the commit fails, keeps none of it, and works again afterwards', async () => {
    const documents = new SqliteDocuments(path, { busyTimeoutMs: 20 });
    const blocker = new DatabaseSync(path);
    blocker.exec('BEGIN IMMEDIATE');
    const writing = [documents.batch(P, [create('a')]), documents.batch(P, [create('b')])];
    for (const result of await Promise.allSettled(writing)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { message: expect.stringContaining('locked') } });
    }
    expect(await documents.read(P, 'a')).toBeUndefined();
    blocker.exec('ROLLBACK');
    blocker.close();
    await write(documents, [create('a')]);
    documents.close();
  });

  it('keeps every acknowledged batch, and only whole ones, when its process is killed in mid-write', { timeout: 60_000 }, async () => {
    for (let round = 0; round < 3; round += 1) {
      const file = join(directory, `round-${round}.db`);
      const reader = new SqliteDocuments(file);
      const writer = startWriter(file, 'stream');
      let output = '';
      for await (const chunk of writer.stdout) {
        output += chunk;
        if (output.split('\n').length > 200) {
          writer.kill('SIGKILL');
        } else {
          // A reader beside the writer sees both halves of a batch or none.
          expect((await reader.list({ partition: 'pairs', kind: 'half' })).length % 2).toBe(0);
        }
      }
      const acknowledged = output.split('\n').flatMap((line) => (line.endsWith(' written') ? [Number.parseInt(line, 10)] : []));
      expect(acknowledged.length).toBeGreaterThan(100);
      reader.close();

      const after = new SqliteDocuments(file);
      const halves = new Map<number, number>();
      for (const { document: half } of await after.list({ partition: 'pairs', kind: 'half' })) {
        halves.set(half.ordinal, (halves.get(half.ordinal) ?? 0) + 1);
      }
      after.close();
      expect(acknowledged.filter((batch) => halves.get(batch) !== 2)).toEqual([]);
      expect([...halves.values()].every((count) => count === 2)).toBe(true);
    }
  });

  it('loses no update between two processes that race to make the file and then for one document', { timeout: 60_000 }, async () => {
    const writers = [startWriter(path, 'count', '60'), startWriter(path, 'count', '60')];
    const exits = await Promise.all(writers.map(async (writer) => (await once(writer, 'exit'))[0]));
    expect(exits).toEqual([0, 0]);
    expect(readdirSync(directory)).toEqual(['state.db']);
    const documents = new SqliteDocuments(path);
    expect((await documents.read('counts', 'head'))?.document.ordinal).toBe(120);
    const steps = await documents.list({ partition: 'counts', kind: 'step' });
    expect(steps.map((step) => step.document.ordinal)).toEqual(Array.from({ length: 120 }, (_, index) => index + 1));
    expect(new Set(steps.map((step) => step.document.body.by)).size).toBe(2);
    documents.close();
  });

  it('undoes a whole turn when one of its batches breaks in the middle, and works again afterwards', async () => {
    const documents = new SqliteDocuments(path);
    const saboteur = new DatabaseSync(path);
    saboteur.exec(`CREATE TRIGGER broken BEFORE INSERT ON documents WHEN new.id = 'b' BEGIN SELECT RAISE(ABORT, 'broken disk'); END`);
    const writing = [documents.batch(P, [create('a')]), documents.batch(P, [create('b')])];
    for (const result of await Promise.allSettled(writing)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { message: 'broken disk' } });
    }
    expect(await documents.read(P, 'a')).toBeUndefined();
    saboteur.exec('DROP TRIGGER broken');
    saboteur.close();
    await write(documents, [create('a'), create('b')]);
    documents.close();
  });

  it('removes what has expired, up to a limit', async () => {
    const documents = new SqliteDocuments(path);
    await write(documents, [
      create('c', { expiresAt: 30 }),
      create('a', { expiresAt: 10 }),
      create('b', { expiresAt: 20 }),
      create('keep'),
    ]);
    expect(await documents.removeExpired(9, 10)).toBe(0);
    expect(await documents.removeExpired(20, 10)).toBe(2);
    expect(ids(await documents.list({ partition: P, kind: 'commit' }))).toEqual(['c', 'keep']);
    await write(documents, [create('d', { expiresAt: 30 })]);
    expect(await documents.removeExpired(30, 1)).toBe(1);
    expect(await documents.removeExpired(30, 1)).toBe(1);
    expect(ids(await documents.list({ partition: P, kind: 'commit' }))).toEqual(['keep']);
    documents.close();
  });

  it('refuses a batch over 2 MB', async () => {
    const documents = new SqliteDocuments(path);
    const half = (id: string): Operation => create(id, { body: { text: 'x'.repeat(1024 * 1024) } });
    await expect(documents.batch(P, [half('a'), half('b')])).rejects.toThrow(RangeError);
    expect(await documents.read(P, 'a')).toBeUndefined();
    documents.close();
  });
});

/** Commits in the write-ahead log: frames that give a database size (https://sqlite.org/fileformat2.html#the_write_ahead_log). */
function walCommits(path: string): number {
  const wal = readFileSync(`${path}-wal`);
  const frameBytes = 24 + wal.readUInt32BE(8);
  const salt = wal.subarray(16, 24);
  let commits = 0;
  for (let at = 32; at + frameBytes <= wal.length && wal.subarray(at + 8, at + 16).equals(salt); at += frameBytes) {
    commits += wal.readUInt32BE(at + 4) > 0 ? 1 : 0;
  }
  return commits;
}
