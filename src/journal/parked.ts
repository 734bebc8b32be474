/**
 * Deliveries nobody could act on, kept where they can be looked at and sent again: 30 days, the first 64 KB and a hash of
 * the whole. What came is a document of its own, so that a list of them reads only what is wrong with each.
 */
import { z } from 'zod';
import type { Documents, StoredDocument } from './documents.ts';
import { documentIdOf, sha256 } from './hash.ts';

const KEPT_MS = 30 * 24 * 3_600_000;
const KEPT_BYTES = 64 * 1024;
const PARTITION = 'parked';

const textIdOf = (id: string): string => `${id}.text`;

const textSchema = z.object({ text: z.string() });
const parkedSchema = z.object({
  at: z.number(),
  /** Which door it came in by. */
  door: z.string(),
  reason: z.string(),
  message: z.string(),
  bytes: z.number(),
  sha256: z.string(),
});
export type Parked = Readonly<z.infer<typeof parkedSchema>> & { readonly id: string };

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
  const body = { at: now, door, reason, message, bytes: Buffer.byteLength(whole), sha256: sha256(whole) };
  const kept = { partition: PARTITION, ordinal: now, expiresAt: now + KEPT_MS };
  await documents.batch(PARTITION, [
    { op: 'upsert', document: { ...kept, id, kind: 'parked', body } },
    { op: 'upsert', document: { ...kept, id: textIdOf(id), kind: 'parked-text', body: { text } } },
  ]);
  return id;
}

/**
 * Those parked after `after` (epoch ms), newest last. At most `limit`, more only where that many came in one millisecond:
 * a page ends between two, so that the next one goes on after the `at` of its last. An empty page is the end.
 */
export async function listParked(documents: Documents, now: number, after = 0, limit = 100): Promise<readonly Parked[]> {
  const query = { partition: PARTITION, kind: 'parked', after: Math.max(after, now - KEPT_MS) };
  for (let most = limit; ; most *= 2) {
    const found = await documents.list({ ...query, limit: most });
    const last = found.at(-1)?.document.ordinal ?? 0;
    const whole = found.length < most ? found : found.filter(({ document }) => document.ordinal < last);
    if (found.length < most || whole.length > 0) return whole.map(({ document }) => toParked(document));
  }
}

/** The newest of them, newest first. */
export async function newestParked(documents: Documents, now: number, limit: number): Promise<readonly Parked[]> {
  const found = await documents.list({ partition: PARTITION, kind: 'parked', after: now - KEPT_MS });
  return found
    .toReversed()
    .slice(0, limit)
    .map(({ document }) => toParked(document));
}

/** It has been acted on since. */
export async function forgetParked(documents: Documents, id: string): Promise<void> {
  await documents.batch(PARTITION, [
    { op: 'delete', id },
    { op: 'delete', id: textIdOf(id) },
  ]);
}

/** One, with the first 64 KB of what came; `undefined` when it is gone or never was. */
export async function readParked(documents: Documents, now: number, id: string): Promise<(Parked & { readonly text: string }) | undefined> {
  const [found, came] = await Promise.all([documents.read(PARTITION, id), documents.read(PARTITION, textIdOf(id))]);
  if (found?.document.kind !== 'parked' || !came || (found.document.expiresAt ?? 0) <= now) return undefined;
  return { ...toParked(found.document), ...textSchema.parse(came.document.body) };
}

const toParked = ({ id, body }: StoredDocument): Parked => ({ id, ...parkedSchema.parse(body) });
