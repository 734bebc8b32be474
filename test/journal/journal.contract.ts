/**
 * The contract of the journal over a store: what appending, answering again, owing effects, reading back and recovering
 * mean. Run over every store, because it rests on what each of them promises.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Documents, Operation } from '../../src/journal/documents.ts';
import { commitsOf } from '../../src/journal/history.ts';
import { append, loadHead } from '../../src/journal/journal.ts';
import { GENESIS_HASH } from '../../src/journal/stream.ts';
import type { DocumentsUnderTest } from './documents.samples.ts';
import { describeCrashes } from './journal-crashes.contract.ts';
import { describeEffects } from './journal-effects.contract.ts';
import { describeReading } from './journal-reading.contract.ts';
import { add, added, clock, delivery, ledger, SERVE, STREAM, T0 } from './ledger.ts';
import { describeParked } from './parked.contract.ts';
import { forwarding } from './unreliable-documents.ts';

/** Registers the suite for one store; `open` is called for each test and what it opened is closed after it. */
export function describeJournal(store: string, open: () => Promise<DocumentsUnderTest>): void {
  describe(`the journal in ${store}`, () => {
    let under: DocumentsUnderTest;
    beforeEach(async () => {
      under = await open();
    });
    afterEach(() => under.close());
    const current = () => under;

    describeAppend(current);
    describeConflicts(current);
    describeAnswers(current);
    describeEffects(current);
    describeReading(current);
    describeCrashes(current);
    describeParked(current);
  });
}

const refusal = { kind: 'refused', reason: 'TooMuch', message: 'That is too much.' } as const;

function describeAppend(under: () => DocumentsUnderTest): void {
  describe('appending', () => {
    it('writes the commit and the head, and answers with the version', async () => {
      const { documents } = under();
      const { answer, head } = await add(documents, 'd1', 5, { effects: [SERVE] });
      expect(answer).toEqual({ outcome: 'accepted', stream: STREAM, version: 1, message: 'Added 5.', repeated: false });
      expect(head?.state).toEqual({ sum: 5, entries: 1 });
      const [commit] = await commitsOf(documents, STREAM);
      expect(commit).toMatchObject({
        version: 1,
        at: T0,
        deliveryId: 'd1',
        actor: 'test',
        evidence: { because: 'd1' },
        prevHash: GENESIS_HASH,
      });
      expect((await loadHead(documents, ledger, STREAM)).head).toEqual(head);
    });

    it('writes both or neither: while the head cannot be written, no commit is there', async () => {
      const { documents } = under();
      await add(documents, 'd1', 5);
      const headless: Documents = {
        ...forwarding(documents),
        batch: (partition, operations) => documents.batch(partition, operations.map(withStaleEtag)),
      };
      await expect(add(headless, 'd2', 1)).rejects.toThrow('without pause');
      expect(await commitsOf(documents, STREAM)).toHaveLength(1);
      expect((await loadHead(documents, ledger, STREAM)).head.version).toBe(1);
    });

    it('numbers commits without gaps and tells decide the version it decides on', async () => {
      const { documents } = under();
      const seen: number[] = [];
      for (const id of ['d1', 'd2', 'd3']) {
        await append(documents, ledger, STREAM, delivery(id), clock, (_state, version) => {
          seen.push(version);
          return added(1);
        });
      }
      expect(seen).toEqual([0, 1, 2]);
      expect((await commitsOf(documents, STREAM)).map(({ version }) => version)).toEqual([1, 2, 3]);
    });

    it('leaves the head untouched by a refusal, and the chain without it', async () => {
      const { documents } = under();
      await add(documents, 'd1', 5);
      const before = await documents.read(STREAM, 'head');
      const { answer } = await append(documents, ledger, STREAM, delivery('d2'), clock, () => refusal);
      expect(answer).toEqual({ outcome: 'refused', stream: STREAM, reason: 'TooMuch', message: 'That is too much.', repeated: false });
      expect(await documents.read(STREAM, 'head')).toEqual(before);
      expect(await commitsOf(documents, STREAM)).toHaveLength(1);
    });
  });
}

function describeConflicts(under: () => DocumentsUnderTest): void {
  describe('a conflict', () => {
    it('has the decision made again, on the state that was there first', async () => {
      const { documents, other } = under();
      await add(documents, 'd1', 5);
      const seen: number[] = [];
      const { answer } = await append(documents, ledger, STREAM, delivery('d2'), clock, async (state) => {
        seen.push(state.sum);
        if (seen.length === 1) await add(other, 'd3', 10);
        return added(1);
      });
      expect(seen).toEqual([5, 15]);
      expect(answer).toMatchObject({ outcome: 'accepted', version: 3 });
      expect((await loadHead(other, ledger, STREAM)).head.state.sum).toBe(16);
    });

    it('has the commit dated by the try that made it: it is never dated before the one it follows', async () => {
      const { documents, other } = under();
      let now = T0;
      const decidedAt: number[] = [];
      await append(
        documents,
        ledger,
        STREAM,
        delivery('d1'),
        () => now,
        async (_state, _version, at) => {
          decidedAt.push(at);
          now += 60_000;
          if (decidedAt.length === 1) await add(other, 'd2', 10, { now });
          return added(1);
        },
      );
      expect(decidedAt).toEqual([T0, T0 + 60_000]);
      expect((await commitsOf(documents, STREAM)).map(({ at }) => at)).toEqual([T0 + 60_000, T0 + 60_000]);
    });

    it('about the first commit of a stream is one too', async () => {
      const { documents, other } = under();
      const seen: number[] = [];
      await append(documents, ledger, STREAM, delivery('d1'), clock, async (state) => {
        seen.push(state.sum);
        if (seen.length === 1) await add(other, 'd2', 10);
        return added(1);
      });
      expect(seen).toEqual([0, 10]);
    });

    it('may end in a refusal, which then is the answer', async () => {
      const { documents, other } = under();
      let first = true;
      const { answer } = await append(documents, ledger, STREAM, delivery('d1'), clock, async (state) => {
        if (first) await add(other, 'd2', 10);
        first = false;
        return state.sum > 0 ? refusal : added(1);
      });
      expect(answer).toMatchObject({ outcome: 'refused', reason: 'TooMuch' });
      expect((await loadHead(documents, ledger, STREAM)).head.state.sum).toBe(10);
    });

    it('among twenty writers loses nobody', async () => {
      const { documents, other } = under();
      const ids = Array.from({ length: 20 }, (_, index) => `d${index}`);
      await Promise.all(ids.map((id, index) => add(index % 2 === 0 ? documents : other, id, 1)));
      expect((await loadHead(documents, ledger, STREAM)).head).toMatchObject({ version: 20, state: { sum: 20 } });
      expect(new Set((await commitsOf(other, STREAM)).map(({ deliveryId }) => deliveryId))).toEqual(new Set(ids));
    });
  });
}

function describeAnswers(under: () => DocumentsUnderTest): void {
  describe('a delivery given again', () => {
    it('gets the answer it got, and nothing happens', async () => {
      const { documents } = under();
      await add(documents, 'd1', 5, { effects: [SERVE] });
      const again = await add(documents, 'd1', 5, { effects: [SERVE], now: T0 + 1000 });
      expect(again).toEqual({
        answer: { outcome: 'accepted', stream: STREAM, version: 1, message: 'Added 5.', repeated: true },
        claimed: [],
      });
      expect((await loadHead(documents, ledger, STREAM)).head.state.sum).toBe(5);
    });

    it('gets it when the state has moved on, and even where it would be refused by now', async () => {
      const { documents } = under();
      await add(documents, 'd1', 5);
      await add(documents, 'd2', 7);
      const { answer } = await append(documents, ledger, STREAM, delivery('d1'), clock, () => refusal);
      expect(answer).toMatchObject({ outcome: 'accepted', version: 1, message: 'Added 5.', repeated: true });
    });

    it('gets its refusal, even where it would be accepted by now', async () => {
      const { documents } = under();
      await append(documents, ledger, STREAM, delivery('d1'), clock, () => refusal);
      await add(documents, 'd2', 7);
      const { answer } = await add(documents, 'd1', 1, { now: T0 + 600_000 });
      expect(answer).toEqual({ outcome: 'refused', stream: STREAM, reason: 'TooMuch', message: 'That is too much.', repeated: true });
      expect((await loadHead(documents, ledger, STREAM)).head.state.sum).toBe(7);
    });

    it('gets what it got when nothing was to be changed', async () => {
      const { documents } = under();
      const unchanged = { kind: 'unchanged', reason: 'SameSum', message: 'The sum is that already.' } as const;
      for (const repeated of [false, true]) {
        const { answer } = await append(documents, ledger, STREAM, delivery('d1'), clock, () => unchanged);
        expect(answer).toEqual({ outcome: 'unchanged', stream: STREAM, reason: 'SameSum', message: 'The sum is that already.', repeated });
      }
    });

    it('at the same time by two happens once', async () => {
      const { documents, other } = under();
      const answers = await Promise.all([documents, other, documents, other].map((store) => add(store, 'd1', 5)));
      expect(answers.map(({ answer }) => answer.outcome)).toEqual(Array(4).fill('accepted'));
      expect(answers.filter(({ answer }) => !answer.repeated)).toHaveLength(1);
      expect((await loadHead(documents, ledger, STREAM)).head).toMatchObject({ version: 1, state: { sum: 5 } });
    });

    it('is another delivery in another stream', async () => {
      const { documents } = under();
      await add(documents, 'd1', 5);
      const { answer } = await add(documents, 'd1', 5, { stream: 'service/shop/other' });
      expect(answer).toMatchObject({ version: 1, repeated: false });
    });

    it('is decided anew where refusals are not worth a document: our own prompts', async () => {
      const { documents } = under();
      await append(documents, ledger, STREAM, delivery('p1', false), clock, () => refusal);
      expect(await documents.list({ partition: STREAM, kind: 'refusal' })).toEqual([]);
      expect((await add(documents, 'p1', 1, { recordRefusal: false })).answer.outcome).toBe('accepted');
    });

    it('may have any id, however long and whatever it holds', async () => {
      const { documents } = under();
      const id = `["event","/subscriptions/x?#\\\\","${'é'.repeat(2000)}"]`;
      await add(documents, id, 1);
      expect((await add(documents, id, 1)).answer.repeated).toBe(true);
    });
  });
}

const withStaleEtag = (operation: Operation): Operation => (operation.op === 'replace' ? { ...operation, etag: '"stale"' } : operation);
