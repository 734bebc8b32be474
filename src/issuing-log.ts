/**
 * Who was given which leaf, and who was refused one: a document each, beside the journal, since they are many and none of them changes the
 * mesh. A leaf's is kept until 30 days after it ended, a refusal's for 30 days. No token and no key is in any of them.
 * Each day (UTC) of a mesh has a partition for either: one for all of them would be full some day (20 GB in Cosmos DB).
 */
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

export interface IssuedLeaf {
  /** Hex. */
  readonly serial: string;
  /** SHA-256 of its DER. */
  readonly fingerprint: string;
  readonly identity: string;
  /** Fingerprint of the issuer that signed it. */
  readonly issuer: string;
  /** Epoch ms. */
  readonly notAfter: number;
  readonly node: string;
  /** How it was attested, and as whom. */
  readonly attested: string;
  readonly at: number;
}

export interface RefusedRequest {
  readonly reason: string;
  readonly message: string;
  readonly node: string;
  /** The kind of token that was shown. */
  readonly token: string;
  readonly at: number;
  /** Others since the one before, of which there is no document. */
  readonly unrecorded: number;
}

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

const KINDS: Readonly<Record<Log, string>> = { issued: 'leaf', refused: 'refusal' };

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
