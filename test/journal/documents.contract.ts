/**
 * The contract of the storage port, as one suite that every store has to pass: memory, SQLite and Cosmos. What is not said
 * here (ties in order, what a removed document's etag was) no caller may rely on.
 */

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Documents, Operation } from '../../src/journal/documents.ts';
import { create, type DocumentsUnderTest, document, etagOf, ids, P, write } from './documents.samples.ts';
import { describeDue, describeList } from './documents-queries.contract.ts';

/** Registers the suite for one store; `open` is called for each test and what it opened is closed after it. */
export function describeDocuments(store: string, open: () => Promise<DocumentsUnderTest>): void {
  describe(`documents in ${store}`, () => {
    let under: DocumentsUnderTest;
    let documents: Documents;
    beforeEach(async () => {
      under = await open();
      documents = under.documents;
    });
    afterEach(() => under.close());
    const current = () => under;

    describeDocument(current);
    describeBatch(current);
    describeRaces(current);
    describeList(current);
    describeDue(current);

    it('refuses what Cosmos would refuse: 101 operations, a foreign partition, an id with / \\ ? or #, a fraction for an order', async () => {
      const many = Array.from({ length: 101 }, (_, index) => create(`d${index}`));
      await expect(documents.batch(P, many)).rejects.toThrow(RangeError);
      await expect(documents.batch('elsewhere', [create('a')])).rejects.toThrow(RangeError);
      for (const id of ['', 'a/b', 'a\\b', 'a?b', 'a#b', 'é'.repeat(512)]) {
        await expect(documents.batch(P, [create(id)])).rejects.toThrow(RangeError);
        await expect(documents.batch(P, [{ op: 'delete', id }])).rejects.toThrow(RangeError);
      }
      await expect(documents.batch(P, [create('a', { ordinal: 0.5 })])).rejects.toThrow(RangeError);
      await expect(documents.batch(P, [create('a', { wakeAt: Number.NaN })])).rejects.toThrow(RangeError);
      expect(await documents.list({ partition: P, kind: 'commit' })).toEqual([]);
    });
  });
}

function describeDocument(current: () => DocumentsUnderTest): void {
  it('gives back what was written, and nothing for what was not', async () => {
    const { documents, other } = current();
    const written = document('head', {
      kind: 'head',
      ordinal: 7,
      wakeAt: 1000,
      expiresAt: 4_102_444_800_000,
      body: { a: [1, null, { b: true }] },
    });
    const [etag] = await write(documents, [{ op: 'create', document: written }]);
    expect(await documents.read(P, 'head')).toEqual({ document: written, etag });
    expect(await other.read(P, 'head')).toEqual({ document: written, etag });
    expect(await documents.read(P, 'nothing')).toBeUndefined();
    expect(await documents.read('service/shop/other', 'head')).toBeUndefined();
  });

  it('keeps text of every script, awkward keys and numbers, and drops what is undefined', async () => {
    const { documents } = current();
    const body = {
      text: 'Größe 尺寸 🧭 \u0000 \u2028 "\\',
      'ключ / 鍵 .$#': 1,
      constructor: 'x',
      numbers: [0.1, -1e-7, 2 ** 53 - 1],
      empty: {},
      list: [[], ''],
    };
    await write(documents, [create('übung-尺寸 🧭', { body: { ...body, gone: undefined } })]);
    expect((await documents.read(P, 'übung-尺寸 🧭'))?.document.body).toStrictEqual(body);
  });

  it('keeps a body of 500 KB', async () => {
    const { documents } = current();
    const body = { lines: Array.from({ length: 5000 }, (_, index) => `${index}`.padEnd(100, 'ä')) };
    expect(Buffer.byteLength(JSON.stringify(body))).toBeGreaterThan(500_000);
    await write(documents, [create('large', { body })]);
    expect((await documents.read(P, 'large'))?.document.body).toEqual(body);
  });

  it('shares nothing with its callers: changing what was given changes nothing stored', async () => {
    const { documents } = current();
    const body = { list: ['stored'] };
    const operations = [create('a', { body })];
    const writing = documents.batch(P, operations);
    body.list.push('changed later');
    operations.push(create('b'));
    await writing;
    expect((await documents.read(P, 'a'))?.document.body).toEqual({ list: ['stored'] });
    expect(await documents.read(P, 'b')).toBeUndefined();
  });

  it('changes the etag with every write, whoever writes, also when the document is the same or was gone in between', async () => {
    const { documents, other } = current();
    const seen: (string | undefined)[] = [];
    seen.push(...(await write(documents, [create('a')])));
    seen.push(...(await write(other, [{ op: 'upsert', document: document('a') }])));
    seen.push(...(await write(documents, [{ op: 'delete', id: 'a' }, create('a')])).slice(1));
    await write(other, [{ op: 'delete', id: 'a' }]);
    seen.push(...(await write(other, [create('a')])));
    expect(new Set(seen).size).toBe(4);
    expect(await etagOf(documents, 'a')).toBe(seen[3]);
  });

  it('keeps equal ids in different partitions apart', async () => {
    const { documents } = current();
    const elsewhere = 'service/shop/cart';
    await write(documents, [create('head', { body: { at: 'catalog' } })]);
    await write(documents, [create('head', { partition: elsewhere, body: { at: 'cart' } })], elsewhere);
    await write(documents, [{ op: 'delete', id: 'head' }], elsewhere);
    expect((await documents.read(P, 'head'))?.document.body).toEqual({ at: 'catalog' });
    expect(ids(await documents.list({ partition: elsewhere, kind: 'commit' }))).toEqual([]);
  });

  it('keeps a document until it expires', async () => {
    const { documents } = current();
    await write(documents, [create('keep'), create('later', { expiresAt: 4_102_444_800_000 })]);
    expect(await documents.removeExpired(Date.now(), 10)).toBe(0);
    expect((await documents.read(P, 'later'))?.document.expiresAt).toBe(4_102_444_800_000);
    expect(await documents.read(P, 'keep')).toBeDefined();
  });
}

function describeBatch(current: () => DocumentsUnderTest): void {
  it('writes a batch of every operation at once and answers an etag for each', async () => {
    const { documents } = current();
    const [first] = await write(documents, [create('replaced'), create('deleted')]);
    const etags = await write(documents, [
      create('created'),
      { op: 'replace', document: document('replaced', { body: { version: 2 } }), etag: first ?? '' },
      { op: 'upsert', document: document('upserted') },
      { op: 'delete', id: 'deleted' },
    ]);
    expect(etags).toHaveLength(4);
    expect(etags[0]).toBe(await etagOf(documents, 'created'));
    expect(etags[1]).toBe(await etagOf(documents, 'replaced'));
    expect(etags[2]).toBe(await etagOf(documents, 'upserted'));
    expect((await documents.read(P, 'replaced'))?.document.body).toEqual({ version: 2 });
    expect(await documents.read(P, 'deleted')).toBeUndefined();
  });

  it('writes 100 operations, and nothing of 100 whose last cannot be done', async () => {
    const { documents } = current();
    const hundred = Array.from({ length: 100 }, (_, index) => create(`d${index}`, { ordinal: index }));
    await write(documents, [create('taken', { kind: 'other' })]);
    expect(await documents.batch(P, [...hundred.slice(0, 99), create('taken')])).toEqual({ outcome: 'exists', index: 99 });
    expect(await documents.list({ partition: P, kind: 'commit' })).toEqual([]);
    await write(documents, hundred);
    expect(await documents.list({ partition: P, kind: 'commit' })).toHaveLength(100);
  });

  it('writes an empty batch: there was nothing to do', async () => {
    expect(await current().documents.batch(P, [])).toEqual({ outcome: 'written', etags: [] });
  });

  it('answers exists when a created id is there, and undoes the rest', async () => {
    const { documents } = current();
    await write(documents, [create('a', { body: { first: true } })]);
    const etag = await etagOf(documents, 'a');
    const outcome = await documents.batch(P, [
      create('b'),
      { op: 'upsert', document: document('c') },
      create('a', { body: { first: false } }),
      create('d'),
    ]);
    expect(outcome).toEqual({ outcome: 'exists', index: 2 });
    expect(ids(await documents.list({ partition: P, kind: 'commit' }))).toEqual(['a']);
    expect(await documents.read(P, 'a')).toEqual({ document: document('a', { body: { first: true } }), etag });
  });

  it('answers stale when the etag is old or the document gone, and undoes the rest, a delete too', async () => {
    const { documents } = current();
    const [old] = await write(documents, [create('a')]);
    await write(documents, [{ op: 'upsert', document: document('a', { body: { version: 2 } }) }, create('kept')]);
    const stale: Operation = { op: 'replace', document: document('a', { body: { version: 3 } }), etag: old ?? '' };
    expect(await documents.batch(P, [{ op: 'delete', id: 'kept' }, stale])).toEqual({ outcome: 'stale', index: 1 });
    expect((await documents.read(P, 'a'))?.document.body).toEqual({ version: 2 });
    expect(await documents.read(P, 'kept')).toBeDefined();
    const gone: Operation = { op: 'replace', document: document('never'), etag: old ?? '' };
    expect(await documents.batch(P, [gone])).toEqual({ outcome: 'stale', index: 0 });
    expect(await documents.read(P, 'never')).toBeUndefined();
  });

  it('names the first operation that cannot be done, in the order given', async () => {
    const { documents } = current();
    const [old] = await write(documents, [create('a')]);
    await write(documents, [{ op: 'upsert', document: document('a') }]);
    const stale: Operation = { op: 'replace', document: document('a'), etag: old ?? '' };
    expect(await documents.batch(P, [create('new'), create('a'), stale])).toEqual({ outcome: 'exists', index: 1 });
    expect(await documents.batch(P, [create('new'), stale, create('a')])).toEqual({ outcome: 'stale', index: 1 });
  });

  it('does its operations in order: a later one sees what an earlier one did', async () => {
    const { documents } = current();
    const [etag = ''] = await write(documents, [create('a')]);
    await write(documents, [{ op: 'delete', id: 'a' }, create('a', { body: { again: true } })]);
    expect((await documents.read(P, 'a'))?.document.body).toEqual({ again: true });
    expect(await documents.batch(P, [create('b'), create('b')])).toEqual({ outcome: 'exists', index: 1 });
    expect(await documents.batch(P, [{ op: 'replace', document: document('a'), etag }])).toEqual({ outcome: 'stale', index: 0 });
    const now = await etagOf(documents, 'a');
    const replace: Operation = { op: 'replace', document: document('a'), etag: now };
    expect(await documents.batch(P, [replace, replace])).toEqual({ outcome: 'stale', index: 1 });
    await write(documents, [create('c'), { op: 'delete', id: 'c' }]);
    expect(await documents.read(P, 'c')).toBeUndefined();
  });

  it('takes deleting what is not there for done, and counts it when naming an operation', async () => {
    const { documents } = current();
    const missing = (id: string): Operation => ({ op: 'delete', id });
    expect(await documents.batch(P, [missing('x'), create('a'), missing('y'), missing('x')])).toMatchObject({ outcome: 'written' });
    expect(await documents.read(P, 'a')).toBeDefined();
    expect(await documents.batch(P, [missing('x'), missing('y'), create('b'), create('a')])).toEqual({ outcome: 'exists', index: 3 });
    expect(await documents.read(P, 'b')).toBeUndefined();
    const etags = await write(documents, [missing('x'), create('c'), missing('y')]);
    expect(etags).toHaveLength(3);
    expect(etags[1]).toBe(await etagOf(documents, 'c'));
  });

  it('creates and replaces with upsert', async () => {
    const { documents } = current();
    await write(documents, [{ op: 'upsert', document: document('a', { kind: 'old', wakeAt: 5, body: { version: 1, old: true } }) }]);
    await write(documents, [{ op: 'upsert', document: document('a', { ordinal: 3, body: { version: 2 } }) }]);
    expect((await documents.read(P, 'a'))?.document).toEqual(document('a', { ordinal: 3, body: { version: 2 } }));
    expect(await documents.list({ partition: P, kind: 'old' })).toEqual([]);
    expect(await documents.due(10, 10)).toEqual([]);
  });
}

function describeRaces(current: () => DocumentsUnderTest): void {
  it('lets exactly one of many writers with the same etag win', async () => {
    const { documents, other } = current();
    for (let round = 0; round < 5; round += 1) {
      await write(documents, [{ op: 'upsert', document: document('head') }]);
      const etag = await etagOf(documents, 'head');
      const outcomes = await Promise.all(
        Array.from({ length: 10 }, (_, writer) => {
          const replace: Operation = { op: 'replace', document: document('head', { body: { round, writer } }), etag };
          return (writer % 2 === 0 ? documents : other).batch(P, [create(`commit-${round}-${writer}`, { kind: 'race' }), replace]);
        }),
      );
      const winners = outcomes.flatMap((outcome, writer) => (outcome.outcome === 'written' ? [writer] : []));
      expect(winners).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome.outcome === 'stale')).toHaveLength(9);
      expect((await documents.read(P, 'head'))?.document.body).toEqual({ round, writer: winners[0] });
    }
    expect(await documents.list({ partition: P, kind: 'race' })).toHaveLength(5);
  });

  it('lets exactly one of two creators of the same id win', async () => {
    const { documents, other } = current();
    const outcomes = await Promise.all([
      documents.batch(P, [create('a')]),
      other.batch(P, [create('a')]),
      documents.batch(P, [create('a')]),
    ]);
    expect(outcomes.map((outcome) => outcome.outcome).sort()).toEqual(['exists', 'exists', 'written']);
  });
}
