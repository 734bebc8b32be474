/**
 * Looks for drift that are owed: at what has just come to be served, and at a data plane that an event tells of. They are kept, so that none is
 * lost with a process, and made by a timer of their own, so that neither a step nor a way back waits for one.
 */
import { z } from 'zod';
import type { Documents, Etag } from '../journal/documents.ts';
import { documentIdOf } from '../journal/hash.ts';

const KIND = 'owed-look';
/** By then the timer that looks at everything has been there long since. */
const KEPT_MS = 3_600_000;

const owedSchema = z.object({
  dataPlane: z.string(),
  /** Left out: every service that lives there. */
  service: z.string().exactOptional(),
});

export interface OwedLook extends z.infer<typeof owedSchema> {
  readonly mesh: string;
}

/** As it was read: what is owed anew meanwhile is another. */
export interface FoundLook {
  readonly look: OwedLook;
  readonly etag: Etag;
}

const partitionOf = (mesh: string): string => `drift/${mesh}`;
const idOf = ({ dataPlane, service }: OwedLook): string => documentIdOf(JSON.stringify([KIND, dataPlane, service ?? null]));
const documentOf = ({ mesh, ...body }: OwedLook, kind: string, expiresAt: number) => ({
  partition: partitionOf(mesh),
  id: idOf({ mesh, ...body }),
  kind,
  ordinal: 0,
  expiresAt,
  body,
});

/** `now`: epoch ms. */
export async function oweLook(documents: Documents, look: OwedLook, now: number): Promise<void> {
  await documents.batch(partitionOf(look.mesh), [{ op: 'upsert', document: documentOf(look, KIND, now + KEPT_MS) }]);
}

export async function owedLooks(documents: Documents, mesh: string, now: number): Promise<readonly FoundLook[]> {
  const found = await documents.list({ partition: partitionOf(mesh), kind: KIND });
  return found
    .filter(({ document }) => (document.expiresAt ?? 0) > now)
    .map(({ document, etag }) => ({ look: { mesh, ...owedSchema.parse(document.body) }, etag }));
}

/** Once it was made. One that is owed anew since it was read stays owed. */
export async function settleLook(documents: Documents, { look, etag }: FoundLook, now: number): Promise<void> {
  await documents.batch(partitionOf(look.mesh), [{ op: 'replace', document: documentOf(look, 'made-look', now), etag }]);
}
