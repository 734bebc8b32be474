/** Reading a stream back: its commits, what it was at a time, and whether its chain of hashes holds. */
import type { Documents } from './documents.ts';
import { hashJson } from './hash.ts';
import { foldCommit, toJson } from './journal.ts';
import { type Commit, commitBodySchema, GENESIS_HASH, HEAD_ID, headBodySchema, type StreamKind } from './stream.ts';

/** Commits with `version > after`, oldest first. */
export async function commitsOf(documents: Documents, stream: string, after = 0, limit?: number): Promise<readonly Commit[]> {
  const found = await documents.list({ partition: stream, kind: 'commit', after, ...(limit === undefined ? {} : { limit }) });
  return found.map(({ document }) => commitBodySchema.parse(document.body));
}

export type ChainReading =
  | { readonly holds: true; readonly commits: number }
  | { readonly holds: false; readonly version: number; readonly message: string };

/**
 * Recomputes every hash and every state from what is stored, and checks that the head is what the commits lead to. Reads
 * the head before and after its commits, so that a commit in between is not taken for a forgery.
 */
export async function verifyChain<State, Event>(
  documents: Documents,
  kind: StreamKind<State, Event>,
  stream: string,
): Promise<ChainReading> {
  const before = await storedHead(documents, stream);
  const found = await documents.list({ partition: stream, kind: 'commit' });
  const after = await storedHead(documents, stream);
  // What other code folded is not for this code to judge.
  const foldable = before.schema === kind.schema;
  let chain = { version: 0, hash: GENESIS_HASH, state: kind.initial };
  for (const { document } of found) {
    const broken = (message: string) => ({ holds: false, version: chain.version + 1, message }) as const;
    const { hash, ...unsigned } = document.body;
    const parsed = commitBodySchema.safeParse(document.body);
    if (!parsed.success) return broken(`Commit ${chain.version + 1} of ${stream} is no commit any more.`);
    const commit = parsed.data;
    if (commit.version !== chain.version + 1) return broken(`Commit ${chain.version + 1} of ${stream} is missing.`);
    if (commit.prevHash !== chain.hash) return broken(`Commit ${commit.version} of ${stream} does not follow the one before it.`);
    if (hashJson(unsigned) !== hash) return broken(`Commit ${commit.version} of ${stream} was changed after it was written.`);
    const state = foldable ? foldCommit(kind, chain.state, commit) : chain.state;
    chain = { version: commit.version, hash: commit.hash, state };
    if (chain.version !== before.version) continue;
    const sameState = !foldable || hashJson(toJson({ state })) === before.state;
    if (chain.hash !== before.hash || !sameState) return wrongHead(stream, before.version);
  }
  if (chain.version < before.version || chain.version > after.version) return wrongHead(stream, after.version);
  return { holds: true, commits: chain.version };
}

const wrongHead = (stream: string, version: number) =>
  ({ holds: false, version, message: `The head of ${stream} does not match its commits.` }) as const;

/** As it is stored; a head that cannot be read follows from no commits. */
async function storedHead(documents: Documents, stream: string) {
  const found = await documents.read(stream, HEAD_ID);
  if (!found) return { schema: 0, version: 0, hash: GENESIS_HASH, state: '' };
  const parsed = headBodySchema.safeParse(found.document.body);
  if (!parsed.success) return { schema: 0, version: found.document.ordinal, hash: '', state: '' };
  const { schema, version, hash } = parsed.data;
  return { schema, version, hash, state: hashJson({ state: found.document.body.state }) };
}
