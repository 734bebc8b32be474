/**
 * Deliveries nobody could act on, kept where they can be looked at and sent again: 30 days, the first 64 KB and a hash of
 * the whole.
 */
import { z } from 'zod';
import type { Documents } from './documents.ts';
import { documentIdOf, sha256 } from './hash.ts';

const KEPT_MS = 30 * 24 * 3_600_000;
const KEPT_BYTES = 64 * 1024;
const PARTITION = 'parked';

const parkedSchema = z.object({
  at: z.number(),
  /** Which door it came in by. */
  door: z.string(),
  reason: z.string(),
  message: z.string(),
  bytes: z.number(),
  sha256: z.string(),
  text: z.string(),
});
export type Parked = z.infer<typeof parkedSchema>;

/** The same content parked twice is one document, dated anew. `deliveryId` where it could be read. */
export async function park(
  documents: Documents,
  parcel: {
    readonly door: string;
    readonly reason: string;
    readonly message: string;
    readonly content: unknown;
    readonly deliveryId?: string;
  },
  now: number,
): Promise<string> {
  const { door, reason, message, content } = parcel;
  const whole = typeof content === 'string' ? content : (JSON.stringify(content) ?? '');
  const id = documentIdOf(`${door}/${parcel.deliveryId ?? sha256(whole)}`);
  // `stream`: a character cut in two is left out, not replaced.
  const text = new TextDecoder().decode(Buffer.from(whole).subarray(0, KEPT_BYTES), { stream: true });
  const body = { at: now, door, reason, message, bytes: Buffer.byteLength(whole), sha256: sha256(whole), text };
  await documents.batch(PARTITION, [
    { op: 'upsert', document: { partition: PARTITION, id, kind: 'parked', ordinal: now, expiresAt: now + KEPT_MS, body } },
  ]);
  return id;
}

/** Newest last. */
export async function listParked(documents: Documents, now: number): Promise<readonly (Parked & { readonly id: string })[]> {
  const found = await documents.list({ partition: PARTITION, kind: 'parked', after: now - KEPT_MS });
  return found.map(({ document }) => ({ id: document.id, ...parkedSchema.parse(document.body) }));
}
