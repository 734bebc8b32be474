/** The memory store passes the contract, and is what the simulation needs: deterministic, and proof against callers. */

import { describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import { describeDocuments } from '../journal/documents.contract.ts';

describeDocuments('memory', async () => {
  const documents = new MemoryDocuments();
  return { documents, other: documents, close: async () => {} };
});

describe('the memory store', () => {
  const document = (partition: string, id: string) => ({
    partition,
    id,
    kind: 'head',
    ordinal: 0,
    wakeAt: 5,
    expiresAt: 10,
    body: { list: [{ a: 1 }] },
  });

  it('hands out what cannot be changed', async () => {
    const documents = new MemoryDocuments();
    await documents.batch('p', [{ op: 'create', document: document('p', 'a') }]);
    const found = await documents.read('p', 'a');
    expect(() => Object.assign(found?.document.body ?? {}, { list: [] })).toThrow(TypeError);
    expect(() => Object.assign(Object(found?.document.body.list), [1])).toThrow(TypeError);
    expect(() => Object.assign(found?.document ?? {}, { ordinal: 1 })).toThrow(TypeError);
  });

  it('orders ties by partition and id, whatever came first', async () => {
    const orders = await Promise.all(
      [
        ['b:2', 'a:1', 'a:2', 'b:1'],
        ['a:2', 'b:1', 'b:2', 'a:1'],
      ].map(async (arrivals) => {
        const documents = new MemoryDocuments();
        for (const [partition = '', id = ''] of arrivals.map((arrival) => arrival.split(':'))) {
          await documents.batch(partition, [{ op: 'create', document: document(partition, id) }]);
        }
        const due = await documents.due(5, 10);
        const listed = await documents.list({ partition: 'a', kind: 'head' });
        return [due.map((entry) => `${entry.partition}:${entry.id}`), listed.map((entry) => entry.document.id)];
      }),
    );
    expect(orders[0]).toEqual([
      ['a:1', 'a:2', 'b:1', 'b:2'],
      ['1', '2'],
    ]);
    expect(orders[1]).toEqual(orders[0]);
  });

  it('keeps numbers and keys as JSON would', async () => {
    const documents = new MemoryDocuments();
    const body: JsonObject = JSON.parse('{"__proto__": {"a": 1}, "b": 2}');
    await documents.batch('p', [{ op: 'create', document: { ...document('p', 'a'), body: { ...body, inf: Infinity, zero: -0 } } }]);
    const stored = (await documents.read('p', 'a'))?.document.body;
    expect(JSON.stringify(stored)).toBe('{"__proto__":{"a":1},"b":2,"inf":null,"zero":0}');
    expect(stored?.zero).toBe(0);
  });

  it('removes what has expired, up to a limit', async () => {
    const documents = new MemoryDocuments();
    for (const id of ['a', 'b', 'c']) {
      await documents.batch('p', [{ op: 'create', document: document('p', id) }]);
    }
    expect(await documents.removeExpired(9, 10)).toBe(0);
    expect(await documents.removeExpired(10, 2)).toBe(2);
    expect(await documents.list({ partition: 'p', kind: 'head' })).toHaveLength(1);
    expect(await documents.due(5, 10)).toHaveLength(1);
    expect(await documents.removeExpired(10, 2)).toBe(1);
  });
});
