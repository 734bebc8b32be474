/** What agents said and what was given out: kept for as long as a store can promise, and lost to nobody who writes at the same time. */
import { describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import type { Documents } from '../../src/journal/documents.ts';
import { givenTo, putGiven, putIdentities, wasGiven } from '../../src/reconcile/identity-observations.ts';
import { upsert } from '../../src/reconcile/observations.ts';
import { forwarding } from '../journal/unreliable-documents.ts';

const T0 = Date.parse('2026-11-22T14:00:00Z');
const YEAR_MS = 366 * 86_400_000;
const place = { mesh: 'shop', dataPlane: 'vms' };
const fingerprint = (digit: string): string => digit.repeat(64);
const web = { node: 'web', identity: 'spiffe://mesh.example/ns/shop/sa/web' };
const leafUntil = (notAfter: number, print = fingerprint('d')) => ({ ...web, fingerprint: print, notAfter });

describe('what an agent said', () => {
  it('is written with an end that every store can keep, whatever it says of its leaf, and takes nobody else’s word with it', async () => {
    const documents = new MemoryDocuments();
    const leaf = (notAfter: number) => ({ fingerprint: fingerprint('b'), issuer: fingerprint('c'), notAfter });
    await putIdentities(documents, place, [
      { node: 'far', seenAt: T0, loaded: { roots: [], leaf: leaf(Number.MAX_SAFE_INTEGER) } },
      { node: 'near', seenAt: T0, loaded: { roots: [], leaf: leaf(T0 + YEAR_MS) } },
    ]);
    const found = await documents.list({ partition: 'observations/shop/vms', kind: 'identity' });
    const keptMs = found.map(({ document }) => (document.expiresAt ?? 0) - T0);
    expect(keptMs).toHaveLength(2);
    // Cosmos takes a time to live of so many seconds, and refuses the whole batch for more.
    for (const kept of keptMs) expect(kept / 1_000).toBeLessThan(2 ** 31);
    expect(Math.min(...keptMs)).toBeGreaterThan(YEAR_MS);
  });
});

describe('what was given to a node by many at once', () => {
  /** Nobody writes before all have read. */
  function readTogether(stored: Documents, readers: number): Documents {
    const all = Promise.withResolvers<void>();
    let reads = 0;
    return {
      ...forwarding(stored),
      async read(partition, id) {
        const found = await stored.read(partition, id);
        reads += 1;
        if (reads === readers) all.resolve();
        await all.promise;
        return found;
      },
    };
  }

  it.each([
    ['the first of it', []],
    ['more of it', [T0 + 1_000]],
  ])('ends with the last that any of them gave: %s', async (_, before) => {
    const stored = new MemoryDocuments();
    for (const until of before) await putGiven(stored, place, leafUntil(until), T0);
    const documents = readTogether(stored, 4);
    const ends = [T0 + 90_000, T0 + 30_000, T0 + 60_000, T0 + 20_000];
    await Promise.all(ends.map((until, index) => putGiven(documents, place, leafUntil(until, fingerprint(`${index}`)), T0)));
    const [given] = await givenTo(stored, place);
    expect(given).toMatchObject({ node: 'web', until: T0 + 90_000 });
    for (const index of ends.keys()) expect(wasGiven(given, { fingerprint: fingerprint(`${index}`), notAfter: T0 + 90_000 })).toBe(true);
  });
});

describe('which leafs were given to a node', () => {
  it('is known of those that have not ended, the newest first, and of no more than 32', async () => {
    const documents = new MemoryDocuments();
    await putGiven(documents, place, leafUntil(T0 + 1_000, fingerprint('e')), T0);
    await putGiven(documents, place, leafUntil(T0 + 90_000, fingerprint('f')), T0 + 1_000);
    expect((await givenTo(documents, place))[0]?.leafs).toEqual([{ fingerprint: fingerprint('f'), notAfter: T0 + 90_000 }]);
    const many = Array.from({ length: 40 }, (_, index) => index.toString(16).padStart(64, '0'));
    for (const each of many) await putGiven(documents, place, leafUntil(T0 + 90_000, each), T0 + 2_000);
    expect((await givenTo(documents, place))[0]?.leafs?.map((leaf) => leaf.fingerprint)).toEqual(many.slice(8).reverse());
  });

  it('is not known of what an older build gave, which counts until that has ended', async () => {
    const documents = new MemoryDocuments();
    const partition = 'observations/shop/vms';
    const older = upsert(partition, 'given', 'web', T0, { ...web, until: T0 + 60_000 });
    await documents.batch(partition, [older]);
    const unknown = (notAfter: number) => ({ fingerprint: fingerprint('a'), notAfter });
    expect(wasGiven((await givenTo(documents, place))[0], unknown(T0 + 60_000))).toBe(true);

    await putGiven(documents, place, leafUntil(T0 + 90_000), T0 + 1_000);
    const [given] = await givenTo(documents, place);
    expect([wasGiven(given, unknown(T0 + 60_000)), wasGiven(given, unknown(T0 + 90_000))]).toEqual([true, false]);

    await putGiven(documents, place, leafUntil(T0 + 150_000), T0 + 61_000);
    expect(wasGiven((await givenTo(documents, place))[0], unknown(T0 + 60_000))).toBe(false);
  });
});
