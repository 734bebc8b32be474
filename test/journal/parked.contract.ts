/** Deliveries that nobody could act on: kept for thirty days, cut where they are large, known by their whole content. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { listParked, park, readParked } from '../../src/journal/parked.ts';
import type { DocumentsUnderTest } from './documents.samples.ts';
import { T0 } from './ledger.ts';

const DAY = 24 * 3_600_000;
const KILOBYTES_64 = 64 * 1024;
const parcel = (content: unknown, more: { deliveryId?: string; door?: string } = {}) => ({
  door: 'events',
  reason: 'NotAnEvent',
  message: 'send one event as a JSON object',
  content,
  ...more,
});

export function describeParked(under: () => DocumentsUnderTest): void {
  describe('what is parked', () => {
    it('is kept with what was wrong with it, as it came', async () => {
      const { documents } = under();
      const id = await park(documents, parcel({ hello: 'wörld' }), T0);
      const text = '{"hello":"wörld"}';
      const sha256 = createHash('sha256').update(text).digest('hex');
      const { door, reason, message } = parcel('');
      expect(await readParked(documents, T0, id)).toEqual({
        id,
        at: T0,
        door,
        reason,
        message,
        bytes: Buffer.byteLength(text),
        sha256,
        text,
      });
    });

    it('is cut to 64 KB and hashed whole', async () => {
      const { documents } = under();
      const whole = 'x'.repeat(KILOBYTES_64) + 'y'.repeat(1_000_000);
      const parked = await readParked(documents, T0, await park(documents, parcel(whole), T0));
      expect(parked?.text).toBe('x'.repeat(KILOBYTES_64));
      expect(parked?.bytes).toBe(KILOBYTES_64 + 1_000_000);
      expect(parked?.sha256).toBe(createHash('sha256').update(whole).digest('hex'));
    });

    it('is never cut inside a character', async () => {
      const { documents } = under();
      const id = await park(documents, parcel(`x${'é'.repeat(KILOBYTES_64)}`), T0);
      const parked = await readParked(documents, T0, id);
      expect(parked?.text).toBe(`x${'é'.repeat(KILOBYTES_64 / 2 - 1)}`);
    });

    it('is one document when it comes again, dated anew', async () => {
      const { documents } = under();
      const first = await park(documents, parcel('again'), T0);
      const second = await park(documents, parcel('again'), T0 + DAY);
      expect(second).toBe(first);
      expect((await listParked(documents, T0 + DAY)).map(({ at }) => at)).toEqual([T0 + DAY]);
    });

    it('is another where the door or the delivery is another', async () => {
      const { documents } = under();
      await park(documents, parcel('same'), T0);
      await park(documents, parcel('same', { door: 'alerts' }), T0 + 1);
      await park(documents, parcel('same', { deliveryId: 'd1' }), T0 + 2);
      const last = await park(documents, parcel('other words, same delivery', { deliveryId: 'd1' }), T0 + 3);
      expect((await listParked(documents, T0 + 3)).map(({ at }) => at)).toEqual([T0, T0 + 1, T0 + 3]);
      expect((await readParked(documents, T0 + 3, last))?.text).toBe('other words, same delivery');
    });

    it('is listed without what came, which is not even read', async () => {
      const { documents } = under();
      const id = await park(documents, parcel('x'.repeat(KILOBYTES_64)), T0);
      const [found] = await documents.list({ partition: 'parked', kind: 'parked' });
      expect(JSON.stringify(found).length).toBeLessThan(1_000);
      const { door, reason, message } = parcel('');
      expect(await listParked(documents, T0)).toEqual([
        { id, at: T0, door, reason, message, bytes: KILOBYTES_64, sha256: expect.stringMatching(/^[\da-f]{64}$/) },
      ]);
    });

    it('is listed page by page, and none is passed over where several came in one millisecond', async () => {
      const { documents } = under();
      const times = [0, 1, 1, 1, 1, 1, 2, 2, 3].map((ms) => T0 + ms);
      for (const [index, at] of times.entries()) await park(documents, parcel(`number ${index}`), at);
      const pages: number[][] = [];
      for (let after = 0; ; ) {
        const page = await listParked(documents, T0 + 3, after, 2);
        if (page.length === 0) break;
        pages.push(page.map(({ at }) => at - T0));
        after = page.at(-1)?.at ?? 0;
      }
      expect(pages.flat()).toEqual([0, 1, 1, 1, 1, 1, 2, 2, 3]);
      expect(pages.length).toBeGreaterThan(2);
    });

    it('is gone after thirty days', async () => {
      const { documents } = under();
      const id = await park(documents, parcel('old'), T0);
      expect(await listParked(documents, T0 + 30 * DAY - 1)).toHaveLength(1);
      expect(await readParked(documents, T0 + 30 * DAY - 1, id)).toBeDefined();
      expect(await listParked(documents, T0 + 30 * DAY)).toEqual([]);
      expect(await readParked(documents, T0 + 30 * DAY, id)).toBeUndefined();
      for (const kind of ['parked', 'parked-text']) {
        const [found] = await documents.list({ partition: 'parked', kind });
        expect(found?.document.expiresAt).toBe(T0 + 30 * DAY);
      }
    });

    it('may be nothing at all', async () => {
      const { documents } = under();
      const id = await park(documents, parcel(undefined), T0);
      expect(await readParked(documents, T0, id)).toMatchObject({ text: '', bytes: 0 });
      expect(await readParked(documents, T0, 'nobody')).toBeUndefined();
    });
  });
}
