/**
 * Whom the workloads of a mesh trust, as those read it who serve it to proxies: one document in the mesh's read model, which moves
 * the same pointer as its services do. The fence: material of a lower revision never goes over that of a higher one.
 */
import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import type { Documents, JsonObject, StoredDocument } from '../journal/documents.ts';
import { race } from '../journal/races.ts';
import { fingerprintSchema } from '../trust/certificates.ts';
import type { TrustMaterial } from '../trust/data-plane-trust.ts';
import { movedPointer, POINTER_ID, partitionOf } from './model.ts';

const TRUST_ID = 'trust';
/** Of roots that were trusted before: what a proxy may have been heard to say honestly. */
const FORMER = 16;

const certificateSchema = z.string().refine((pem) => isCertificate(pem), { error: 'no certificate in PEM' });
const bodySchema = z.object({
  trustDomain: z.string(),
  revision: z.number(),
  roots: z.array(certificateSchema).min(1),
  signer: z.object({ fingerprint: fingerprintSchema, certificate: certificateSchema }),
  renewWithinMs: z.number(),
  // An older build writes none; it comes with the first write of the next rotation.
  lives: z.object({ leafLifeMs: z.number().positive(), skewMs: z.number().nonnegative() }).exactOptional(),
  formerRoots: z.array(fingerprintSchema),
});
const stampSchema = z.object({ revision: z.number() });

export interface ModelledTrust extends Omit<TrustMaterial, 'lives'>, Partial<Pick<TrustMaterial, 'lives'>> {
  /** Place in the order of the mesh's changes. */
  readonly sequence: number;
  /** Fingerprints of `roots`, in their order. */
  readonly fingerprints: readonly string[];
  /** Fingerprints of roots that were in earlier material and are not in this one, newest first. */
  readonly formerRoots: readonly string[];
}

/** SHA-256 of the certificate's DER, lower-case hex. Throws if there is no certificate in the PEM. */
export function fingerprintOf(pem: string): string {
  return new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase();
}

function isCertificate(pem: string): boolean {
  try {
    return fingerprintOf(pem) !== '';
  } catch {
    return false;
  }
}

/** Answers with what the model holds afterwards: this revision, or the newer one that was there. Throws a ZodError on what is no PEM. */
export async function writeTrust(
  documents: Documents,
  material: TrustMaterial,
): Promise<{ readonly revision: number; readonly sequence: number }> {
  const { mesh, trustDomain, revision, roots, signer, renewWithinMs, lives } = material;
  const partition = partitionOf(mesh);
  const otherwise = `The model of ${mesh} is being written by others without pause; its roots will be tried again.`;
  return race(documents, partition, otherwise, async () => {
    // The pointer first: whoever writes after this read moves it, and the batch below fails.
    const pointer = await documents.read(partition, POINTER_ID);
    const found = await documents.read(partition, TRUST_ID);
    // What a newer build has written is not understood here, but its revision counts.
    const stored = found ? stampSchema.parse(found.document.body).revision : 0;
    if (found && stored >= revision) return { revision: stored, sequence: found.document.ordinal };
    const before = bodySchema.safeParse(found?.document.body);
    const fingerprints = roots.map(fingerprintOf);
    const earlier = before.success ? [...before.data.roots.map(fingerprintOf), ...before.data.formerRoots] : [];
    const formerRoots = [...new Set(earlier)].filter((each) => !fingerprints.includes(each)).slice(0, FORMER);
    const checked = bodySchema.parse({ trustDomain, revision, roots, signer, renewWithinMs, lives, formerRoots });
    const body: JsonObject = JSON.parse(JSON.stringify(checked));
    const sequence = (pointer?.document.ordinal ?? 0) + 1;
    const document: StoredDocument = { partition, id: TRUST_ID, kind: 'trust', ordinal: sequence, body };
    const outcome = await documents.batch(partition, [movedPointer(partition, pointer, sequence), { op: 'upsert', document }]);
    return outcome.outcome === 'written' ? { revision, sequence } : undefined;
  });
}

/**
 * `undefined`: the mesh has no root yet. What this build does not understand (newer functions may have written it) goes to
 * `unreadable`; without that it throws a ZodError. One point read.
 */
export async function readTrust(
  documents: Documents,
  mesh: string,
  unreadable?: (message: string) => void,
): Promise<ModelledTrust | undefined> {
  const found = await documents.read(partitionOf(mesh), TRUST_ID);
  if (!found) return undefined;
  const body = bodySchema.safeParse(found.document.body);
  if (body.success) return { mesh, ...body.data, sequence: found.document.ordinal, fingerprints: body.data.roots.map(fingerprintOf) };
  if (!unreadable) throw body.error;
  unreadable(z.prettifyError(body.error));
  return undefined;
}
