/** Reading a stream back: replay, what it was at a time, older and newer schemas, and a chain that shows what was changed. */
import { describe, expect, it } from 'vitest';
import type { Documents, JsonObject, StoredDocument } from '../../src/journal/documents.ts';
import { documentIdOf, hashJson } from '../../src/journal/hash.ts';
import { commitsOf, verifyChain } from '../../src/journal/history.ts';
import { append, claimDue, foldCommits, loadHead, NewerHeadError, settle } from '../../src/journal/journal.ts';
import type { DocumentsUnderTest } from './documents.samples.ts';
import { add, clock, delivery, francs, ledger, newerLedger, SERVE, STREAM, T0 } from './ledger.ts';
import { forwarding } from './unreliable-documents.ts';

const MINUTE = 60_000;

/** Three commits: 1, then 10, then 100, a minute apart. */
async function three(documents: Documents): Promise<void> {
  for (const [index, amount] of [1, 10, 100].entries()) {
    await add(documents, `d${index + 1}`, amount, { now: T0 + index * MINUTE, effects: index === 2 ? [SERVE] : [] });
  }
}

export function describeReading(under: () => DocumentsUnderTest): void {
  describeReplay(under);
  describeSchemas(under);
  describeChain(under);
}

function describeReplay(under: () => DocumentsUnderTest): void {
  describe('replay', () => {
    it('reaches the state, version and hash of the head', async () => {
      const { documents } = under();
      await three(documents);
      const { head } = await loadHead(documents, ledger, STREAM);
      expect(await foldCommits(documents, ledger, STREAM)).toEqual({ state: head.state, version: head.version, hash: head.hash });
    });

    it('answers what was so at a time, and at a version', async () => {
      const { documents } = under();
      await three(documents);
      const at = async (time: number) => (await foldCommits(documents, ledger, STREAM, undefined, time)).state.sum;
      expect(await Promise.all([T0 - 1, T0, T0 + MINUTE - 1, T0 + MINUTE, T0 + 2 * MINUTE].map(at))).toEqual([0, 1, 1, 11, 111]);
      expect(await foldCommits(documents, ledger, STREAM, 2)).toMatchObject({ version: 2, state: { sum: 11 } });
    });

    it('takes versions for the order where the clock of one writer was behind that of another', async () => {
      const { documents } = under();
      for (const [index, seconds] of [10, 20, 15, 30].entries())
        await add(documents, `d${index}`, 10 ** index, { now: T0 + seconds * 1000 });
      const at = async (seconds: number) => (await foldCommits(documents, ledger, STREAM, undefined, T0 + seconds * 1000)).state.sum;
      // What was made third rests on the second: no moment had the one and not the other.
      expect(await Promise.all([9, 10, 15, 20, 29, 30].map(at))).toEqual([0, 1, 111, 111, 111, 1111]);
    });

    it('lists commits page by page, oldest first', async () => {
      const { documents } = under();
      await three(documents);
      const versions = async (after: number, limit?: number) =>
        (await commitsOf(documents, STREAM, after, limit)).map(({ version }) => version);
      expect(await versions(0, 2)).toEqual([1, 2]);
      expect(await versions(2, 2)).toEqual([3]);
      expect(await versions(0)).toEqual([1, 2, 3]);
    });
  });
}

function describeSchemas(under: () => DocumentsUnderTest): void {
  const headBody = async () => (await under().documents.read(STREAM, 'head'))?.document.body;

  describe('a head of an older schema', () => {
    it('is folded again from its events in their new words; what is stored stays as it is', async () => {
      const { documents } = under();
      await three(documents);
      const before = await documents.list({ partition: STREAM, kind: 'commit' });
      const { head, newer } = await loadHead(documents, newerLedger, STREAM);
      expect(head).toMatchObject({ version: 3, state: { sums: { EUR: 111 } } });
      expect(newer).toBe(false);
      expect(Object.keys(head.pending)).toEqual(['serve/edge']);
      expect(await documents.list({ partition: STREAM, kind: 'commit' })).toEqual(before);
      expect(await headBody()).toMatchObject({ schema: 1, state: { sum: 111 } });
    });

    it('is brought up by the next commit, whose chain goes on', async () => {
      const { documents } = under();
      await three(documents);
      const old = await documents.list({ partition: STREAM, kind: 'commit' });
      await append(documents, newerLedger, STREAM, delivery('d4'), clock, () => francs(5));
      expect(await headBody()).toMatchObject({ schema: 2, version: 4, state: { sums: { EUR: 111, CHF: 5 } } });
      expect((await documents.list({ partition: STREAM, kind: 'commit' })).slice(0, 3)).toEqual(old);
      expect(await verifyChain(documents, newerLedger, STREAM)).toEqual({ holds: true, commits: 4 });
      expect((await foldCommits(documents, newerLedger, STREAM)).state).toEqual({ sums: { EUR: 111, CHF: 5 } });
    });
  });

  describe('a head of a newer schema', () => {
    const newer = async () => {
      const { documents } = under();
      await append(documents, newerLedger, STREAM, delivery('d1'), clock, () => francs(5));
      return { documents, before: await documents.read(STREAM, 'head') };
    };

    it('is read, from the events that this code understands', async () => {
      const { documents } = await newer();
      expect(await loadHead(documents, ledger, STREAM)).toMatchObject({ newer: true, head: { version: 1, state: { sum: 5 } } });
    });

    it('is never written: a decision is left to newer code, under the same delivery id', async () => {
      const { documents, before } = await newer();
      await expect(add(documents, 'd2', 1)).rejects.toThrow(NewerHeadError);
      expect(await documents.read(STREAM, 'head')).toEqual(before);
      expect(await commitsOf(documents, STREAM)).toHaveLength(1);
    });

    it('stays as it is where older code would take up or settle its effects', async () => {
      const { documents, before } = await newer();
      expect(await claimDue(documents, ledger, STREAM, T0 + MINUTE)).toEqual([]);
      const [effect] = Object.values((await loadHead(documents, ledger, STREAM)).head.pending);
      if (!effect) throw new Error('no effect');
      await settle(documents, ledger, STREAM, [{ effect, outcome: 'done' }]);
      expect(await documents.read(STREAM, 'head')).toEqual(before);
    });

    it('lets older code refuse: a refusal is outside the chain', async () => {
      const { documents, before } = await newer();
      const refusal = { kind: 'refused', reason: 'TooMuch', message: 'That is too much.' } as const;
      const { answer } = await append(documents, ledger, STREAM, delivery('d2'), clock, () => refusal);
      expect(answer).toMatchObject({ outcome: 'refused', repeated: false });
      expect(await documents.read(STREAM, 'head')).toEqual(before);
    });
  });
}

function describeChain(under: () => DocumentsUnderTest): void {
  const commit = (id: string) => documentIdOf(id);
  const verify = () => verifyChain(under().documents, ledger, STREAM);

  async function rewrite(id: string, change: (document: StoredDocument) => StoredDocument): Promise<void> {
    const found = await under().documents.read(STREAM, id);
    if (!found) throw new Error(`${id} is not there`);
    const outcome = await under().documents.batch(STREAM, [{ op: 'upsert', document: change(found.document) }]);
    expect(outcome.outcome).toBe('written');
  }
  const withBody = (body: JsonObject) => (document: StoredDocument) => ({ ...document, body: { ...document.body, ...body } });

  describe('the chain of hashes', () => {
    it('holds for what was appended, and for a stream without commits', async () => {
      expect(await verify()).toEqual({ holds: true, commits: 0 });
      await three(under().documents);
      expect(await verify()).toEqual({ holds: true, commits: 3 });
    });

    it('holds while effects are claimed and settled, and beside refusals', async () => {
      const { documents } = under();
      await three(documents);
      await append(documents, ledger, STREAM, delivery('d4'), clock, () => ({ kind: 'refused', reason: 'No', message: 'No.' }));
      const claimed = await claimDue(documents, ledger, STREAM, T0 + 60 * MINUTE);
      await settle(
        documents,
        ledger,
        STREAM,
        claimed.map((effect) => ({ effect, outcome: 'done' })),
      );
      expect(await verify()).toEqual({ holds: true, commits: 3 });
    });

    const changes: readonly [string, string, (document: StoredDocument) => StoredDocument, number][] = [
      ['an event', 'd2', withBody({ events: [{ type: 'Added', amount: 11 }] }), 2],
      ['who did it', 'd2', withBody({ actor: 'somebody else' }), 2],
      ['when', 'd1', withBody({ at: T0 - 1 }), 1],
      ['the evidence', 'd3', withBody({ evidence: { because: 'nothing' } }), 3],
      ['a field that was not there', 'd3', withBody({ note: 'added later' }), 3],
      ['everything, so that it is no commit', 'd2', withBody({ events: 'none' }), 2],
      ['a commit, hashed again', 'd2', (document) => ({ ...document, body: rehashed({ ...document.body, actor: 'somebody else' }) }), 3],
      ['the newest commit, hashed again', 'd3', (document) => ({ ...document, body: rehashed({ ...document.body, actor: 'x' }) }), 3],
    ];
    it.each(changes)('shows that %s was changed', async (_what, id, change, version) => {
      await three(under().documents);
      await rewrite(commit(id), change);
      expect(await verify()).toMatchObject({ holds: false, version });
    });

    it.each(['d1', 'd2', 'd3'])('shows that the commit of %s is missing', async (id) => {
      const { documents } = under();
      await three(documents);
      await documents.batch(STREAM, [{ op: 'delete', id: commit(id) }]);
      expect(await verify()).toMatchObject({ holds: false, message: expect.stringMatching(/is missing|does not match/) });
    });

    it('shows that two commits have changed places', async () => {
      await three(under().documents);
      await rewrite(commit('d2'), (document) => ({ ...document, ordinal: 3 }));
      await rewrite(commit('d3'), (document) => ({ ...document, ordinal: 2 }));
      expect(await verify()).toMatchObject({ holds: false });
    });

    const forgeries: readonly [string, (document: StoredDocument) => StoredDocument][] = [
      ['with another hash', withBody({ hash: 'f'.repeat(64) })],
      ['with another state', withBody({ state: { sum: 112, entries: 3 } })],
      ['put forward', withBody({ version: 4 })],
      ['put back', withBody({ version: 2 })],
      ['that cannot be read', withBody({ pending: 'none' })],
    ];
    it.each(forgeries)('shows a head %s', async (_what, change) => {
      await three(under().documents);
      await rewrite('head', change);
      expect(await verify()).toMatchObject({ holds: false, message: `The head of ${STREAM} does not match its commits.` });
    });

    it('shows a head that was put back in full, state and hash, and one that is gone', async () => {
      const { documents } = under();
      await add(documents, 'd1', 1);
      const early = await documents.read(STREAM, 'head');
      await add(documents, 'd2', 10);
      await rewrite('head', (document) => early?.document ?? document);
      expect(await verify()).toMatchObject({ holds: false });
      await documents.batch(STREAM, [{ op: 'delete', id: 'head' }]);
      expect(await verify()).toMatchObject({ holds: false });
    });

    it('does not take a commit that is made while it reads for a forgery', async () => {
      const { documents, other } = under();
      await three(documents);
      let reads = 0;
      const racing: Documents = {
        ...forwarding(documents),
        read: async (partition, id) => {
          const found = await documents.read(partition, id);
          reads += 1;
          if (reads === 1) await add(other, 'd4', 1000);
          return found;
        },
      };
      expect(await verifyChain(racing, ledger, STREAM)).toEqual({ holds: true, commits: 4 });
    });
  });
}

function rehashed({ hash: _old, ...unsigned }: JsonObject): JsonObject {
  return { ...unsigned, hash: hashJson(unsigned) };
}
