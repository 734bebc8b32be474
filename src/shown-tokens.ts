/**
 * Which node came with which token of an issuer: the first one, for as long as the token counts. Whoever has taken a token out of a workload
 * gets no leaf as another node by it. Of the token only a digest is kept, until it ends.
 */
import { z } from 'zod';
import type { Documents } from './journal/documents.ts';
import { sha256 } from './journal/hash.ts';
import { race } from './journal/races.ts';
import { type AttestationRefusal, type OidcAttested, refusedToken } from './trust/attestation.ts';
import type { Identity } from './trust/identity.ts';

const KIND = 'shown-token';
const partitionOf = (mesh: string): string => `tokens/${mesh}`;

const shownSchema = z.object({
  node: z.string(),
  /** Epoch ms. */
  endsAt: z.number(),
});

/**
 * The token is this node's from now on, for this identity: a principal with several may have a node for each.
 * @throws ContentionError when others came with the same token without pause.
 */
export async function holdToken(
  documents: Documents,
  mesh: string,
  { token, identity, node }: { readonly token: OidcAttested['token']; readonly identity: Identity; readonly node: string },
  now: number,
): Promise<AttestationRefusal | undefined> {
  const partition = partitionOf(mesh);
  const id = `${KIND}~${sha256(JSON.stringify([token.id, identity.namespace, identity.serviceAccount]))}`;
  const otherwise = `Others come to ${mesh} with the token of ${node} without pause; the request can be sent again.`;
  const held = await race(documents, `${partition}/${id}`, otherwise, async () => {
    const found = await documents.read(partition, id);
    const before = found && shownSchema.parse(found.document.body);
    const counts = before !== undefined && before.endsAt > now;
    if (counts && before.node !== node) return notTheSame(node, before.endsAt);
    if (counts && before.endsAt >= token.endsAt) return 'held';
    const body = { node, endsAt: token.endsAt };
    const document = { partition, id, kind: KIND, ordinal: now, expiresAt: token.endsAt, body };
    const written = await documents.batch(partition, [found ? { op: 'replace', document, etag: found.etag } : { op: 'create', document }]);
    return written.outcome === 'written' ? 'held' : undefined;
  });
  return held === 'held' ? undefined : held;
}

const notTheSame = (node: string, endsAt: number): AttestationRefusal =>
  refusedToken(
    'NodeNotTheSame',
    `The token, or one of the same pod, was shown by another node than ${node}, whose it is until ${new Date(endsAt).toISOString()}; give each node a token of its own.`,
  );
