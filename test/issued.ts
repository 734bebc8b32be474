/** The issuing log as it lies in the store: who was given a leaf and who was refused one, day by day. */
import { z } from 'zod';
import type { Documents } from '../src/journal/documents.ts';

const DAY_MS = 86_400_000;
const leafSchema = z.strictObject({
  serial: z.string(),
  fingerprint: z.string(),
  identity: z.string(),
  issuer: z.string(),
  notAfter: z.number(),
  node: z.string(),
  attested: z.string(),
  at: z.number(),
});
const refusalSchema = z.strictObject({
  reason: z.string(),
  message: z.string(),
  node: z.string(),
  token: z.string(),
  at: z.number(),
  unrecorded: z.number(),
});

/** `days`: today (UTC) and those before it; 1 is today alone. */
interface Lately {
  readonly now: number;
  readonly days: number;
}

/** Oldest first. */
export const leafsIssued = (documents: Documents, mesh: string, lately: Lately) => logged(documents, `issued/${mesh}`, leafSchema, lately);
export const refusalsOf = (documents: Documents, mesh: string, lately: Lately) =>
  logged(documents, `refused/${mesh}`, refusalSchema, lately);

async function logged<Entry>(
  documents: Documents,
  log: string,
  schema: z.ZodType<Entry>,
  { now, days }: Lately,
): Promise<readonly Entry[]> {
  const kind = log.startsWith('issued') ? 'leaf' : 'refusal';
  const partitions = Array.from({ length: days }, (_, ago) => `${log}/${new Date(now - ago * DAY_MS).toISOString().slice(0, 10)}`);
  const found = await Promise.all(partitions.reverse().map((partition) => documents.list({ partition, kind, limit: 1_000 })));
  return found.flat().map(({ document }) => schema.parse(document.body));
}
