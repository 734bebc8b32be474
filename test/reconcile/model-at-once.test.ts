/** Many fragments of one mesh written at once: all of them move the one pointer. */
import { describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import type { Documents } from '../../src/journal/documents.ts';
import { fragmentsSince, readPointer, writeFragment } from '../../src/reconcile/model.ts';

/** Memory, with a turn of the event loop before each answer, and its batches counted. */
function countedDocuments(): { readonly documents: Documents; readonly batches: () => number } {
  const memory = new MemoryDocuments();
  const later = () => new Promise<void>((resolve) => setImmediate(resolve));
  let batches = 0;
  const documents: Documents = {
    async read(partition, id) {
      await later();
      return memory.read(partition, id);
    },
    async batch(partition, operations) {
      batches += 1;
      await later();
      return memory.batch(partition, operations);
    },
    list: (query) => memory.list(query),
    due: (now, limit) => memory.due(now, limit),
    removeExpired: (now, limit) => memory.removeExpired(now, limit),
  };
  return { documents, batches: () => batches };
}

const named = (service: string, revision: number) => ({ mesh: 'shop', service, revision, plan: null });
const services = Array.from({ length: 120 }, (_, index) => `service-${index}`);

describe('many fragments at once', () => {
  it('get a sequence each, which the pointer has reached', async () => {
    const { documents } = countedDocuments();
    const written = await Promise.all(services.map((service) => writeFragment(documents, named(service, 3))));
    expect(new Set(written.map(({ sequence }) => sequence)).size).toBe(services.length);
    expect(await readPointer(documents, 'shop')).toBe(services.length);
    const kept = await fragmentsSince(documents, 'shop', 0);
    expect(kept.map(({ service, sequence }) => [service, sequence]).toSorted()).toEqual(
      services.map((service, index) => [service, written[index]?.sequence]).toSorted(),
    );
  });

  it('go to the store together: those who came too late are taken along by the next', async () => {
    const { documents, batches } = countedDocuments();
    await Promise.all(services.map((service) => writeFragment(documents, named(service, 1))));
    // Each tries once at the same time; alone in its turn, each but one would have to try again.
    expect(batches()).toBeLessThan(services.length + 10);
  });

  it('of one service leave the newest revision, and tell the older of it', async () => {
    const { documents } = countedDocuments();
    const revisions = [4, 2, 9, 7];
    const written = await Promise.all(revisions.map((revision) => writeFragment(documents, named('catalog', revision))));
    const [kept] = await fragmentsSince(documents, 'shop', 0);
    expect(kept?.revision).toBe(9);
    written.forEach((one, index) => {
      expect(one.revision).toBeGreaterThanOrEqual(revisions[index] ?? 0);
    });
  });
});
