/** Reading a stream back: its commits, what it was at a time, and whether its chain of hashes holds. */
import type { Documents } from './documents.ts';
import { hashJson } from './hash.ts';
import { loadHead } from './journal.ts';
import { type Commit, commitBodySchema, GENESIS_HASH, type StreamKind } from './stream.ts';

/** Commits with `version > after`, oldest first. */
export async function commitsOf(documents: Documents, stream: string, after = 0, limit?: number): Promise<readonly Commit[]> {
  const found = await documents.list({ partition: stream, kind: 'commit', after, ...(limit === undefined ? {} : { limit }) });
  return found.map(({ document }) => commitBodySchema.parse(document.body));
}

export type ChainReading =
  | { readonly holds: true; readonly commits: number }
  | { readonly holds: false; readonly version: number; readonly message: string };

/** Recomputes every hash from what is stored, and checks that versions and the head follow from it. */
export async function verifyChain<State, Event>(
  documents: Documents,
  kind: StreamKind<State, Event>,
  stream: string,
): Promise<ChainReading> {
  const { head } = await loadHead(documents, kind, stream);
  let expected = { version: 0, hash: GENESIS_HASH };
  for (const { document } of await documents.list({ partition: stream, kind: 'commit' })) {
    const { hash, ...unsigned } = document.body;
    const commit = commitBodySchema.parse(document.body);
    if (commit.version > head.version) break;
    const broken = (message: string) => ({ holds: false, version: commit.version, message }) as const;
    if (commit.version !== expected.version + 1) return broken(`Commit ${expected.version + 1} of ${stream} is missing.`);
    if (commit.prevHash !== expected.hash) return broken(`Commit ${commit.version} of ${stream} does not follow the one before it.`);
    if (hashJson(unsigned) !== hash) return broken(`Commit ${commit.version} of ${stream} was changed after it was written.`);
    expected = { version: commit.version, hash: commit.hash };
  }
  if (head.version !== expected.version || head.hash !== expected.hash) {
    return { holds: false, version: head.version, message: `The head of ${stream} does not match its commits.` };
  }
  return { holds: true, commits: expected.version };
}
