/** The read model: one fragment a service, one pointer a mesh, and a fence that nothing older gets over. */
import { describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import type { Documents } from '../../src/journal/documents.ts';
import { planService } from '../../src/plan/plan-service.ts';
import { fragmentsSince, readFragment, readPointer, type UnreadableFragment, writeFragment } from '../../src/reconcile/model.ts';
import { Crash, forwarding, UnreliableDocuments } from '../journal/unreliable-documents.ts';
import { serviceSpec } from '../rollouts/story.ts';

const plan = planService('shop', serviceSpec(), { split: [{ version: 'v1', weight: 100 }] });
const write = (documents: Documents, service: string, revision: number, made: typeof plan | null = plan) =>
  writeFragment(documents, { mesh: 'shop', service, revision, plan: made });

describe('the sequence of a mesh', () => {
  it('rises by one with every write, over all its services', async () => {
    const documents = new MemoryDocuments();
    expect(await readPointer(documents, 'shop')).toBe(0);
    expect(await write(documents, 'catalog', 3)).toEqual({ revision: 3, sequence: 1 });
    expect(await write(documents, 'cart', 1)).toEqual({ revision: 1, sequence: 2 });
    expect(await write(documents, 'catalog', 4)).toEqual({ revision: 4, sequence: 3 });
    expect(await readPointer(documents, 'shop')).toBe(3);
    expect(await readPointer(documents, 'office')).toBe(0);
  });

  it('is what readers ask by: only what changed since', async () => {
    const documents = new MemoryDocuments();
    for (const service of ['catalog', 'cart', 'login']) await write(documents, service, 1);
    await write(documents, 'catalog', 2);
    const since = async (sequence: number) => (await fragmentsSince(documents, 'shop', sequence)).map(({ service }) => service);
    expect(await since(0)).toEqual(['cart', 'login', 'catalog']);
    expect(await since(3)).toEqual(['catalog']);
    expect(await since(4)).toEqual([]);
  });

  it('has no gap and no double among racing writers', async () => {
    const documents = new MemoryDocuments();
    const written = await Promise.all(Array.from({ length: 30 }, (_, index) => write(documents, `s${index}`, 1)));
    expect(written.map(({ sequence }) => sequence).sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
    expect(await readPointer(documents, 'shop')).toBe(30);
  });
});

describe('a fragment that newer functions wrote', () => {
  it('is told apart from the others, which are read; nobody who does not ask for that passes over it', async () => {
    const documents = new MemoryDocuments();
    await write(documents, 'cart', 1);
    await write(documents, 'catalog', 1);
    const found = await documents.read('model/shop', 'fragment~catalog');
    const body = { ...found?.document.body, plan: { ...plan, protocol: 'tcp' } };
    const document = {
      partition: 'model/shop',
      id: 'fragment~catalog',
      kind: 'fragment',
      ordinal: 3,
      body: JSON.parse(JSON.stringify(body)),
    };
    await documents.batch('model/shop', [{ op: 'upsert', document }]);

    const unreadable: UnreadableFragment[] = [];
    const read = await fragmentsSince(documents, 'shop', 0, (each) => unreadable.push(each));
    expect(read.map(({ service }) => service)).toEqual(['cart']);
    const { namespace, dataPlanes } = plan;
    expect(unreadable).toEqual([{ service: 'catalog', sequence: 3, namespace, dataPlanes, message: expect.stringContaining('protocol') }]);
    await expect(fragmentsSince(documents, 'shop', 0)).rejects.toThrow('protocol');
  });
});

describe('a fragment', () => {
  it('is read as it was written, and says when its service is gone', async () => {
    const documents = new MemoryDocuments();
    await write(documents, 'catalog', 1);
    expect(await readFragment(documents, 'shop', 'catalog')).toEqual({ mesh: 'shop', service: 'catalog', revision: 1, sequence: 1, plan });
    await write(documents, 'catalog', 2, null);
    expect(await readFragment(documents, 'shop', 'catalog')).toMatchObject({ revision: 2, sequence: 2, plan: null });
    expect(await readFragment(documents, 'shop', 'cart')).toBeUndefined();
  });

  it.each([1, 2, 3])('of revision 3 is not overwritten by one of revision %i, which is told so', async (revision) => {
    const documents = new MemoryDocuments();
    await write(documents, 'catalog', 3);
    await write(documents, 'cart', 1);
    expect(await write(documents, 'catalog', revision, null)).toEqual({ revision: 3, sequence: 1 });
    expect(await readFragment(documents, 'shop', 'catalog')).toMatchObject({ revision: 3, plan });
    expect(await readPointer(documents, 'shop')).toBe(2);
  });

  it('is not overwritten by an older writer that had read before the newer one wrote, at whichever call that was', async () => {
    for (let overtaken = 0; overtaken < 3; overtaken += 1) {
      const documents = new MemoryDocuments();
      await write(documents, 'catalog', 1);
      let calls = 0;
      const overtake = async <Result>(call: () => Promise<Result>): Promise<Result> => {
        if (calls++ === overtaken) await write(documents, 'catalog', 9);
        return call();
      };
      const slow: Documents = {
        ...forwarding(documents),
        read: (partition, id) => overtake(() => documents.read(partition, id)),
        batch: (partition, operations) => overtake(() => documents.batch(partition, operations)),
      };
      expect(await write(slow, 'catalog', 5, null)).toEqual({ revision: 9, sequence: 2 });
      expect(await readFragment(documents, 'shop', 'catalog')).toMatchObject({ revision: 9, plan });
      expect(calls).toBeGreaterThan(overtaken);
    }
  });

  it('moves with the pointer or not at all, whatever call its writer dies at', async () => {
    for (let call = 0; call < 3; call += 1) {
      for (const when of ['before', 'after'] as const) {
        const documents = new MemoryDocuments();
        await expect(write(new UnreliableDocuments(documents, { call, when }), 'catalog', 2)).rejects.toThrow(Crash);
        const fragment = await readFragment(documents, 'shop', 'catalog');
        expect(await readPointer(documents, 'shop')).toBe(fragment?.sequence ?? 0);
        expect(await write(documents, 'catalog', 2)).toEqual({ revision: 2, sequence: 1 });
      }
    }
  });
});
