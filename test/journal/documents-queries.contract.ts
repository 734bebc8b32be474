/**
 * The part of the storage port's contract that is about finding documents: the ordered read of a partition and what is due.
 * Registered by `documents.contract.ts`.
 */

import { expect, it } from 'vitest';
import type { Due } from '../../src/journal/documents.ts';
import { create, type DocumentsUnderTest, document, etagOf, ids, P, write } from './documents.samples.ts';

const dueIds = (due: readonly Due[]): string[] => due.map((entry) => `${entry.partition}:${entry.id}@${entry.wakeAt}`);

export function describeList(current: () => DocumentsUnderTest): void {
  it('lists one kind by rising ordinal, as numbers and not as text', async () => {
    const { documents } = current();
    const ordinals = [10, 9, 100, -1, 0, 2 ** 41];
    await write(documents, [
      ...ordinals.map((ordinal) => create(`o${ordinal}`, { ordinal })),
      create('head', { kind: 'head', ordinal: 5 }),
    ]);
    const listed = await documents.list({ partition: P, kind: 'commit' });
    expect(listed.map((entry) => entry.document.ordinal)).toEqual([-1, 0, 9, 10, 100, 2 ** 41]);
    expect(ids(await documents.list({ partition: P, kind: 'head' }))).toEqual(['head']);
    expect(listed[2]).toEqual(await documents.read(P, 'o9'));
  });

  it('lists after an ordinal and up to a limit', async () => {
    const { documents } = current();
    await write(
      documents,
      [5, 1, 4, 2, 3].map((ordinal) => create(`o${ordinal}`, { ordinal })),
    );
    expect(ids(await documents.list({ partition: P, kind: 'commit', after: 2 }))).toEqual(['o3', 'o4', 'o5']);
    expect(ids(await documents.list({ partition: P, kind: 'commit', after: 1, limit: 2 }))).toEqual(['o2', 'o3']);
    expect(ids(await documents.list({ partition: P, kind: 'commit', limit: 1 }))).toEqual(['o1']);
    expect(await documents.list({ partition: P, kind: 'commit', after: 5 })).toEqual([]);
  });

  it('lists all of a long partition in order, and all of those with equal ordinals', async () => {
    const { documents } = current();
    for (let start = 0; start < 300; start += 100) {
      await write(
        documents,
        Array.from({ length: 100 }, (_, index) => create(`d${start + index}`, { ordinal: 299 - start - index })),
      );
    }
    await write(
      documents,
      Array.from({ length: 30 }, (_, index) => create(`same${index}`, { kind: 'same' })),
    );
    const listed = await documents.list({ partition: P, kind: 'commit' });
    expect(listed.map((entry) => entry.document.ordinal)).toEqual(Array.from({ length: 300 }, (_, index) => index));
    expect(new Set(ids(await documents.list({ partition: P, kind: 'same' }))).size).toBe(30);
  });
}

export function describeDue(current: () => DocumentsUnderTest): void {
  it('finds what is due in every partition, earliest first, up to a limit', async () => {
    const { documents } = current();
    for (const [index, wakeAt] of [500, 100, 400, 300, 200].entries()) {
      const partition = `service/shop/s${index}`;
      await write(documents, [create('head', { partition, wakeAt }), create('asleep', { partition })], partition);
    }
    await write(documents, [create('also', { wakeAt: 150 })]);
    const all = [
      'service/shop/s1:head@100',
      `${P}:also@150`,
      'service/shop/s4:head@200',
      'service/shop/s3:head@300',
      'service/shop/s2:head@400',
    ];
    expect(dueIds(await documents.due(400, 10))).toEqual(all);
    expect(dueIds(await documents.due(400, 2))).toEqual(all.slice(0, 2));
    expect(await documents.due(99, 10)).toEqual([]);
  });

  it('forgets what no longer has a wakeAt or is gone, and follows one that moved', async () => {
    const { documents } = current();
    await write(
      documents,
      ['cleared', 'deleted', 'moved'].map((id) => create(id, { wakeAt: 100 })),
    );
    await write(documents, [
      { op: 'upsert', document: document('cleared') },
      { op: 'delete', id: 'deleted' },
      { op: 'replace', document: document('moved', { wakeAt: 700 }), etag: await etagOf(documents, 'moved') },
    ]);
    expect(await documents.due(600, 10)).toEqual([]);
    expect(dueIds(await documents.due(700, 10))).toEqual([`${P}:moved@700`]);
  });
}
