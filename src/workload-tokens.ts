/**
 * The tokens that meshwright itself believes: join tokens, which an operator makes for one identity and which work once, and the renewal
 * tokens by which a workload that has joined comes again. Both are 256 random bits of which only the SHA-256 is stored, so that no reader of the
 * store can be anybody. Neither hangs on a root of the mesh: who was away for a whole rotation comes back by itself.
 */
import { z } from 'zod';
import type { Documents, Found, JsonObject, StoredDocument } from './journal/documents.ts';
import { sha256 } from './journal/hash.ts';
import { race } from './journal/races.ts';
import { type AttestationRefusal, type Attested, refusedToken } from './trust/attestation.ts';
import type { Identity } from './trust/identity.ts';

const DAY_MS = 86_400_000;
/** Known this long after it has ended, so that who shows it is told why it does not count. */
const REMEMBERED_MS = 30 * DAY_MS;
/** A workload that comes within this time keeps its place; each time that it comes begins it anew. */
export const RENEWAL_LIFE_MS = 30 * DAY_MS;
/** One that comes often is not written each time. */
const SLIDE_MS = DAY_MS;

const partitionOf = (mesh: string): string => `tokens/${mesh}`;

const tokenSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('join'),
    namespace: z.string(),
    serviceAccount: z.string(),
    /** Epoch ms. */
    endsAt: z.number(),
    madeBy: z.string(),
    madeAt: z.number(),
    used: z.object({ at: z.number(), node: z.string() }).exactOptional(),
  }),
  z.object({
    kind: z.literal('renewal'),
    namespace: z.string(),
    serviceAccount: z.string(),
    endsAt: z.number(),
    node: z.string(),
    /** SHA-256 of the join token that it came with. */
    joinedBy: z.string(),
  }),
]);
type StoredToken = z.infer<typeof tokenSchema>;

export interface JoinTokenOrder {
  readonly identity: Identity;
  readonly lifeMs: number;
  readonly madeBy: string;
  /** 32 random bytes. */
  readonly secret: Uint8Array;
}

/** The token, which is nowhere else; its beginning tells scanners for secrets what it is. */
export async function makeJoinToken(
  documents: Documents,
  mesh: string,
  { identity, lifeMs, madeBy, secret }: JoinTokenOrder,
  now: number,
): Promise<{ readonly token: string; readonly endsAt: number }> {
  if (secret.byteLength !== 32) throw new RangeError('A join token is made of 32 random bytes.');
  const token = `mwj_${Buffer.from(secret).toString('base64url')}`;
  const endsAt = now + lifeMs;
  const body = { kind: 'join', ...identity, endsAt, madeBy, madeAt: now } as const;
  const written = await documents.batch(partitionOf(mesh), [{ op: 'create', document: documentOf(mesh, sha256(token), body, now) }]);
  if (written.outcome !== 'written') throw new Error('The random bytes of a join token came twice.');
  return { token, endsAt };
}

/** What a workload shows; `renewal` of a join token: SHA-256 (hex) of the secret by which it will come again. It made that itself. */
export type OwnToken =
  | { readonly kind: 'join'; readonly value: string; readonly renewal: string }
  | { readonly kind: 'renewal'; readonly value: string };

/** Whether it is believed, with nothing changed by the asking; `use` then uses it up, or says that somebody else was faster. */
export async function attestByOwnToken(
  documents: Documents,
  mesh: string,
  shown: OwnToken,
  node: string,
  now: number,
): Promise<AttestationRefusal | { readonly attested: Attested; use(): Promise<AttestationRefusal | undefined> }> {
  const found = await documents.read(partitionOf(mesh), sha256(shown.value));
  const token = found && tokenSchema.parse(found.document.body);
  if (!found || token?.kind !== shown.kind) {
    return refusedToken('TokenUnknown', `No such ${shown.kind} token was made for this mesh; ask an operator for a join token.`);
  }
  const { namespace, serviceAccount } = token;
  if (token.kind === 'join' && token.used) {
    const when = new Date(token.used.at).toISOString();
    return refusedToken('JoinTokenUsed', `The join token was used at ${when} and works once; ask an operator for another one.`);
  }
  if (token.endsAt <= now) {
    return refusedToken(
      'TokenExpired',
      `The ${token.kind} token ended at ${new Date(token.endsAt).toISOString()}; ask an operator for a join token.`,
    );
  }
  if (token.kind === 'renewal' && token.node !== node) {
    return refusedToken(
      'NodeNotTheSame',
      `The renewal token was given to another node than ${node}; each node, and one that is renamed, joins with a token of its own.`,
    );
  }
  const use = async (): Promise<AttestationRefusal | undefined> => {
    if (token.kind === 'renewal') return slide(documents, mesh, { found, token }, now);
    return shown.kind === 'join' ? join(documents, mesh, { found, token }, { renewal: shown.renewal, node }, now) : undefined;
  };
  return { attested: { kind: token.kind, namespace, serviceAccount }, use };
}

interface FoundToken<Kind extends StoredToken['kind']> {
  readonly found: Found;
  readonly token: Extract<StoredToken, { kind: Kind }>;
}

/**
 * In one batch: the join token is used up, and the renewal token counts. Of two who show it at once, one joins. A workload that was away for too
 * long, or whose node has another name now, joins again with the secret that it has.
 */
async function join(
  documents: Documents,
  mesh: string,
  { found, token }: FoundToken<'join'>,
  { renewal, node }: { readonly renewal: string; readonly node: string },
  now: number,
): Promise<AttestationRefusal | undefined> {
  const partition = partitionOf(mesh);
  const { id } = found.document;
  const { namespace, serviceAccount } = token;
  const used = documentOf(mesh, id, { ...token, used: { at: now, node } }, now);
  const endsAt = now + RENEWAL_LIFE_MS;
  const document = documentOf(mesh, renewal, { kind: 'renewal', namespace, serviceAccount, endsAt, node, joinedBy: id }, now);
  const otherwise = `The secret of ${node} is used by others without pause; the request can be sent again.`;
  const ended = await race(documents, `${partition}/${renewal}`, otherwise, async () => {
    const before = await documents.read(partition, renewal);
    if (before && !mayReplace(before, token, now)) return taken;
    const outcome = await documents.batch(partition, [
      { op: 'replace', document: used, etag: found.etag },
      before ? { op: 'replace', document, etag: before.etag } : { op: 'create', document },
    ]);
    if (outcome.outcome === 'written') return 'joined';
    return outcome.index === 0 ? usedJustNow : undefined;
  });
  return ended === 'joined' ? undefined : ended;
}

const usedJustNow = refusedToken('JoinTokenUsed', 'The join token was used just now and works once; ask an operator for another one.');
const taken = refusedToken('TokenMalformed', 'The secret to come again by is taken already; make another 32 random bytes.');

/** What the same workload has left behind, under whatever name of its node, or somebody long ago. */
function mayReplace({ document }: Found, { namespace, serviceAccount }: Identity, now: number): boolean {
  const token = tokenSchema.parse(document.body);
  if (token.kind !== 'renewal') return false;
  return token.endsAt <= now || (token.namespace === namespace && token.serviceAccount === serviceAccount);
}

async function slide(documents: Documents, mesh: string, { found, token }: FoundToken<'renewal'>, now: number): Promise<undefined> {
  if (token.endsAt > now + RENEWAL_LIFE_MS - SLIDE_MS) return;
  const document = documentOf(mesh, found.document.id, { ...token, endsAt: now + RENEWAL_LIFE_MS }, now);
  // Somebody else who moved it at the same time moved it as far.
  await documents.batch(partitionOf(mesh), [{ op: 'replace', document, etag: found.etag }]);
}

function documentOf(mesh: string, id: string, token: StoredToken, now: number): StoredDocument {
  const body: JsonObject = JSON.parse(JSON.stringify(token));
  return { partition: partitionOf(mesh), id, kind: token.kind, ordinal: now, expiresAt: token.endsAt + REMEMBERED_MS, body };
}
