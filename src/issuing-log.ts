/**
 * Who was given which leaf, and who was refused one: a document each, beside the journal, since they are many and none of them changes the
 * mesh. A leaf's is kept until 30 days after it ended, a refusal's for 30 days. No token and no key is in any of them.
 */
import { z } from 'zod';
import type { Documents, JsonObject } from './journal/documents.ts';

const KEPT_MS = 30 * 86_400_000;
/** Refusals that are written in a minute, of one mesh by one process: a stranger who asks without pause fills no store. */
const REFUSALS_A_MINUTE = 30;
const MINUTE_MS = 60_000;
const LONGEST_TEXT = 300;

const partitionOf = (mesh: string): string => `issued/${mesh}`;

const leafSchema = z.object({
  /** Hex. */
  serial: z.string(),
  /** SHA-256 of its DER. */
  fingerprint: z.string(),
  identity: z.string(),
  /** Fingerprint of the issuer that signed it. */
  issuer: z.string(),
  /** Epoch ms. */
  notAfter: z.number(),
  node: z.string(),
  /** How it was attested, and as whom. */
  attested: z.string(),
  at: z.number(),
});
export type IssuedLeaf = Readonly<z.infer<typeof leafSchema>>;

const refusalSchema = z.object({
  reason: z.string(),
  message: z.string(),
  node: z.string(),
  /** The kind of token that was shown. */
  token: z.string(),
  at: z.number(),
  /** Others since the one before, of which there is no document. */
  unrecorded: z.number(),
});
export type RefusedRequest = Readonly<z.infer<typeof refusalSchema>>;

export async function logLeaf(documents: Documents, mesh: string, leaf: IssuedLeaf): Promise<void> {
  const body: JsonObject = { ...leaf };
  const document = {
    partition: partitionOf(mesh),
    id: leaf.serial,
    kind: 'leaf',
    ordinal: leaf.at,
    expiresAt: leaf.notAfter + KEPT_MS,
    body,
  };
  const written = await documents.batch(partitionOf(mesh), [{ op: 'create', document }]);
  if (written.outcome !== 'written') throw new Error(`A leaf with the serial number ${leaf.serial} was issued before.`);
}

/** Leafs issued after `after` (epoch ms), oldest first. */
export async function leafsIssued(documents: Documents, mesh: string, after = 0, limit = 1_000): Promise<readonly IssuedLeaf[]> {
  const found = await documents.list({ partition: partitionOf(mesh), kind: 'leaf', after, limit });
  return found.map(({ document }) => leafSchema.parse(document.body));
}

export async function refusalsOf(documents: Documents, mesh: string, after = 0, limit = 1_000): Promise<readonly RefusedRequest[]> {
  const found = await documents.list({ partition: partitionOf(mesh), kind: 'refusal', after, limit });
  return found.map(({ document }) => refusalSchema.parse(document.body));
}

/** One for the life of the process. What is written is the request's own words, cut. `id`: unlike any other. */
export function refusalLog(documents: Documents): (mesh: string, refusal: Omit<RefusedRequest, 'unrecorded'>, id: string) => Promise<void> {
  const minutes = new Map<string, { minute: number; written: number; unrecorded: number }>();
  return async (mesh, refusal, id) => {
    const minute = Math.floor(refusal.at / MINUTE_MS);
    const before = minutes.get(mesh);
    const count = before?.minute === minute ? before : { minute, written: 0, unrecorded: before?.unrecorded ?? 0 };
    minutes.set(mesh, count);
    if (count.written >= REFUSALS_A_MINUTE) {
      count.unrecorded += 1;
      return;
    }
    count.written += 1;
    const { unrecorded } = count;
    count.unrecorded = 0;
    const cut = (text: string): string => text.slice(0, LONGEST_TEXT).toWellFormed();
    const body: JsonObject = { ...refusal, message: cut(refusal.message), node: cut(refusal.node), unrecorded };
    const document = { partition: partitionOf(mesh), id, kind: 'refusal', ordinal: refusal.at, expiresAt: refusal.at + KEPT_MS, body };
    await documents.batch(partitionOf(mesh), [{ op: 'create', document }]);
  };
}
