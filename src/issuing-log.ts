/**
 * Who was given which leaf, and who was refused one: a document each, beside the journal, since they are many and none of them changes the
 * mesh. A leaf's is kept until 30 days after it ended, a refusal's for 30 days. No token and no key is in any of them.
 * Each day (UTC) of a mesh has a partition for either: one for all of them would be full some day (20 GB in Cosmos DB).
 */
import { z } from 'zod';
import type { Documents, JsonObject } from './journal/documents.ts';

const DAY_MS = 86_400_000;
const KEPT_MS = 30 * DAY_MS;
/** Refusals that are written in a minute, of one mesh by one process: a stranger who asks without pause fills no store. */
const REFUSALS_A_MINUTE = 30;
const MINUTE_MS = 60_000;
const LONGEST_TEXT = 300;

type Log = 'issued' | 'refused';
/** `at`: epoch ms. */
const partitionOf = (log: Log, mesh: string, at: number): string => `${log}/${mesh}/${new Date(at).toISOString().slice(0, 10)}`;

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
  const partition = partitionOf('issued', mesh, leaf.at);
  const document = {
    partition,
    id: leaf.serial,
    kind: KINDS.issued,
    ordinal: leaf.at,
    expiresAt: leaf.notAfter + KEPT_MS,
    body,
  };
  const written = await documents.batch(partition, [{ op: 'create', document }]);
  if (written.outcome !== 'written') throw new Error(`A leaf with the serial number ${leaf.serial} was issued before.`);
}

/** What is asked of a log; times are epoch ms. */
export interface LogQuery {
  readonly now: number;
  /** Today (UTC) and those before it; 1 is today alone. */
  readonly days: number;
  /** So many at most, the oldest first. */
  readonly limit?: number;
}

/** Leafs issued in the last days, oldest first. */
export async function leafsIssued(documents: Documents, mesh: string, query: LogQuery): Promise<readonly IssuedLeaf[]> {
  return (await logged(documents, 'issued', mesh, query)).map((body) => leafSchema.parse(body));
}

/** Requests refused in the last days, oldest first. */
export async function refusalsOf(documents: Documents, mesh: string, query: LogQuery): Promise<readonly RefusedRequest[]> {
  return (await logged(documents, 'refused', mesh, query)).map((body) => refusalSchema.parse(body));
}

const KINDS: Readonly<Record<Log, string>> = { issued: 'leaf', refused: 'refusal' };

async function logged(
  documents: Documents,
  log: Log,
  mesh: string,
  { now, days, limit = 1_000 }: LogQuery,
): Promise<readonly JsonObject[]> {
  const bodies: JsonObject[] = [];
  for (let ago = days - 1; ago >= 0 && bodies.length < limit; ago -= 1) {
    const partition = partitionOf(log, mesh, now - ago * DAY_MS);
    const found = await documents.list({ partition, kind: KINDS[log], limit: limit - bodies.length });
    bodies.push(...found.map(({ document }) => document.body));
  }
  return bodies;
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
    const partition = partitionOf('refused', mesh, refusal.at);
    const document = { partition, id, kind: KINDS.refused, ordinal: refusal.at, expiresAt: refusal.at + KEPT_MS, body };
    await documents.batch(partition, [{ op: 'create', document }]);
  };
}
