/**
 * What agents beside proxies said that those have loaded: one document a node, last write wins, kept for a day longer than its leaf
 * counts. Whether it is believed, and fresh enough, is for whoever reads it: `seenAt` is when the agent spoke, whoever wrote it down.
 */
import { z } from 'zod';
import type { Documents } from '../journal/documents.ts';
import { race } from '../journal/races.ts';
import { fingerprintSchema } from '../trust/certificates.ts';
import { idOf, inBatches, OBSERVED_MS, type Place, partitionOf, upsert } from './observations.ts';

const BATCH = 100;
/** No leaf of a mesh's spec lives longer. Whatever a report says, no document is kept for longer than a store can promise. */
const LONGEST_LEAF_MS = 20 * 366 * 86_400_000;

/** Fingerprints of the roots it verifies with, and the leaf it presents: who signed it, until when it counts (epoch ms). */
export const loadedSchema = z.object({
  roots: z.array(fingerprintSchema),
  leaf: z.object({ fingerprint: fingerprintSchema, issuer: fingerprintSchema, notAfter: z.number() }).exactOptional(),
});

const identitySchema = z.object({
  node: z.string(),
  /** SPIFFE id. */
  identity: z.string().exactOptional(),
  /** Epoch ms. */
  seenAt: z.number(),
  loaded: loadedSchema,
  /** What it refused or could not do. */
  trouble: z.string().exactOptional(),
});
export type IdentityObservation = Readonly<z.infer<typeof identitySchema>>;

/** Any number of nodes, many in one batch. */
export async function putIdentities(
  documents: Documents,
  { mesh, dataPlane }: Place,
  observed: readonly IdentityObservation[],
): Promise<void> {
  const partition = partitionOf(mesh, dataPlane);
  const operations = observed.map((each) => {
    const ends = Math.min(each.loaded.leaf?.notAfter ?? 0, each.seenAt + LONGEST_LEAF_MS);
    const until = Math.max(each.seenAt, ends) + OBSERVED_MS;
    return upsert(partition, 'identity', each.node, each.seenAt, each, until);
  });
  await inBatches(documents, partition, operations, BATCH);
}

/** Those that fell silent included, for as long as they are kept. */
export async function identitiesOf(documents: Documents, { mesh, dataPlane }: Place, now: number): Promise<readonly IdentityObservation[]> {
  const found = await documents.list({ partition: partitionOf(mesh, dataPlane), kind: 'identity' });
  const lasting = found.filter(({ document }) => (document.expiresAt ?? 0) > now);
  return lasting.map(({ document }) => identitySchema.parse(document.body));
}

/** Of one node, the newest: it presents one of the last that it was given. */
const REMEMBERED_LEAFS = 32;

const givenSchema = z.object({
  node: z.string(),
  identity: z.string(),
  /** Epoch ms: the last of the leafs that it was given ends then. */
  until: z.number(),
  // An older build writes neither.
  /** Those that had not ended when the last was given, newest first. */
  leafs: z.array(z.object({ fingerprint: fingerprintSchema, notAfter: z.number() })).exactOptional(),
  /** Epoch ms: until then one may count that an older build gave, without its fingerprint. */
  untoldUntil: z.number().exactOptional(),
});
export type GivenLeafs = Readonly<z.infer<typeof givenSchema>>;

/** A leaf that is being given to a node. */
export interface LeafForNode {
  readonly node: string;
  readonly identity: string;
  readonly fingerprint: string;
  /** Epoch ms. */
  readonly notAfter: number;
}

function withLeaf(before: GivenLeafs | undefined, { node, identity, fingerprint, notAfter }: LeafForNode, now: number): GivenLeafs {
  const others = (before?.leafs ?? []).filter((each) => each.notAfter > now && each.fingerprint !== fingerprint);
  const untoldUntil = before && !before.leafs ? before.until : before?.untoldUntil;
  return {
    node,
    identity,
    until: Math.max(notAfter, before?.until ?? 0),
    leafs: [{ fingerprint, notAfter }, ...others].slice(0, REMEMBERED_LEAFS),
    ...(untoldUntil !== undefined && untoldUntil > now ? { untoldUntil } : {}),
  };
}

/** Whether a leaf that a node is said to present was given to it; what an older build gave it cannot be told from others. */
export function wasGiven(given: GivenLeafs | undefined, leaf: { readonly fingerprint: string; readonly notAfter: number }): boolean {
  if (!given?.leafs) return given !== undefined;
  return leaf.notAfter <= (given.untoldUntil ?? 0) || given.leafs.some(({ fingerprint }) => fingerprint === leaf.fingerprint);
}

/**
 * A leaf was given out: whether or not its proxy is ever heard of, it may present it until it ends. Of those who give at once none goes unsaid.
 * @throws ContentionError when others were faster again and again.
 */
export async function putGiven(documents: Documents, { mesh, dataPlane }: Place, leaf: LeafForNode, now: number): Promise<void> {
  const partition = partitionOf(mesh, dataPlane);
  const id = idOf('given', leaf.node);
  const otherwise = `Leafs are given to ${leaf.node} of ${mesh} without pause; the request can be sent again.`;
  await race(documents, `${partition}/${id}`, otherwise, async () => {
    const before = await documents.read(partition, id);
    const given = withLeaf(before && givenSchema.parse(before.document.body), leaf, now);
    const { document } = upsert(partition, 'given', leaf.node, now, given, given.until + OBSERVED_MS);
    const written = await documents.batch(partition, [
      before ? { op: 'replace', document, etag: before.etag } : { op: 'create', document },
    ]);
    return written.outcome === 'written' ? true : undefined;
  });
}

/** Who may present a leaf still, or could until a while ago. */
export async function givenTo(documents: Documents, { mesh, dataPlane }: Place): Promise<readonly GivenLeafs[]> {
  const found = await documents.list({ partition: partitionOf(mesh, dataPlane), kind: 'given' });
  return found.map(({ document }) => givenSchema.parse(document.body));
}
