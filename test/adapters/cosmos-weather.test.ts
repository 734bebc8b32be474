/**
 * The Cosmos store under Azure's real weather: its contract and the journal's hold while every few requests are throttled,
 * refused for a moment, cut off, or done without an answer; nothing is lost and nothing happens twice. What an account
 * cannot be asked for is asked of the stand-in with a server in between (`test/emulators/cosmos/{faults,weather}.ts`).
 */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CosmosDocuments, ensureContainer, openCosmosDocuments } from '../../src/adapters/cosmos-documents.ts';
import type { CallLimits } from '../../src/adapters/cosmos-patience.ts';
import type { Documents, Operation } from '../../src/journal/documents.ts';
import { commitsOf, verifyChain } from '../../src/journal/history.ts';
import { loadHead } from '../../src/journal/journal.ts';
import { missingCosmosEmulator } from '../emulators/cosmos/build.ts';
import { type CosmosRequest, type Fault, type FaultyCosmos, startFaultyCosmos } from '../emulators/cosmos/faults.ts';
import { type CosmosEmulator, startCosmosEmulator } from '../emulators/cosmos/start.ts';
import { weatherOf } from '../emulators/cosmos/weather.ts';
import { isMissing } from '../emulators/missing.ts';
import { describeDocuments } from '../journal/documents.contract.ts';
import { create, document, etagOf, P, write } from '../journal/documents.samples.ts';
import { describeJournal } from '../journal/journal.contract.ts';
import { add, CARD, ledger, STREAM } from '../journal/ledger.ts';

const missing = isMissing(await missingCosmosEmulator());

/** Enough for any weather that comes on a slow machine; a store that has to give up within it is shown with limits of its own. */
const PATIENT: CallLimits = { budget: 120_000, answer: 60_000, firstPause: 2 };
const THROTTLED = { status: 429, headers: { 'x-ms-retry-after-ms': '1' }, body: { message: 'Slow down.' } };

describe.skipIf(missing)('with the Cosmos DB stand-in', () => {
  let emulator: CosmosEmulator;
  beforeAll(async () => {
    emulator = await startCosmosEmulator();
  }, 900_000);
  afterAll(() => emulator?.stop());

  async function behind(faulty: FaultyCosmos, limits: CallLimits, container: string = randomUUID()): Promise<CosmosDocuments> {
    const account = { credential: { key: 'bm8ga2V5' }, database: 'meshwright', container };
    await ensureContainer({ ...account, endpoint: emulator.endpoint });
    return openCosmosDocuments({ ...account, endpoint: faulty.endpoint }, Date.now, limits);
  }

  for (const [suite, contract, seed] of [
    ['documents', describeDocuments, 1],
    ['the journal', describeJournal, 2],
  ] as const) {
    describe(`${suite}, of seven requests one in trouble`, () => {
      const weather = weatherOf(seed, 1 / 7);

      contract('Cosmos DB', async () => {
        const faulty = await startFaultyCosmos(emulator);
        const container = randomUUID();
        const documents = await behind(faulty, PATIENT, container);
        const other = await behind(faulty, PATIENT, container);
        faulty.inject(weather.of);
        const close = async () => {
          documents.close();
          other.close();
          await faulty.stop();
        };
        return { documents, other, close };
      });

      it('met all of it', () => {
        expect([...weather.seen.keys()].sort()).toEqual(['207', '410', '429', '449', '503', '503 empty', 'cut', 'lost', 'reset']);
      });
    });
  }

  describe('the Cosmos store', () => {
    let faulty: FaultyCosmos;
    const opened: CosmosDocuments[] = [];
    async function open(limits: CallLimits, container?: string): Promise<CosmosDocuments> {
      const documents = await behind(faulty, limits, container);
      opened.push(documents);
      return documents;
    }
    beforeEach(async () => {
      faulty = await startFaultyCosmos(emulator);
    });
    afterEach(async () => {
      for (const documents of opened.splice(0)) documents.close();
      await faulty.stop();
    });
    /** The first so many batches come to that, and what comes after goes through. */
    const firstBatches = (fault: Fault, times = 1) => {
      let left = times;
      return faulty.inject(({ batch }) => (batch && left-- > 0 ? fault : undefined));
    };

    it.each([3, 4, 5])('appends each of many decisions exactly once, whatever its writers were told (weather %i)', async (seed) => {
      const container = randomUUID();
      const [one, other] = [await open(PATIENT, container), await open(PATIENT, container)];
      faulty.inject(weatherOf(seed, 0.3).of);
      const ids = Array.from({ length: 40 }, (_, index) => `d${index}`);
      // Each is given twice, as Event Grid gives what it was not thanked for.
      const give = (documents: Documents) => ids.map(async (id) => ({ id, ...(await add(documents, id, 1, { effects: [CARD] })) }));
      const appended = await Promise.all([...give(one), ...give(other)]);
      faulty.inject(() => undefined);

      const commits = await commitsOf(one, STREAM);
      expect(commits.map(({ deliveryId }) => deliveryId).sort()).toEqual([...ids].sort());
      expect(await verifyChain(one, ledger, STREAM)).toEqual({ holds: true, commits: ids.length });
      expect((await loadHead(one, ledger, STREAM)).head.state).toEqual({ sum: ids.length, entries: ids.length });
      const versions = new Map(commits.map(({ deliveryId, version }) => [deliveryId, version]));
      expect(appended.map(({ answer }) => answer)).toEqual(
        appended.map(({ id }) => expect.objectContaining({ outcome: 'accepted', version: versions.get(id) })),
      );
      // Its effect was claimed by one of the two, and only by one.
      const claims = appended.flatMap(({ claimed }) => claimed.map(({ target }) => target));
      expect(new Set(claims).size).toBe(ids.length);
      expect(claims).toHaveLength(ids.length);
    });

    it.each(['lost', 'cut'] as const)('knows its own batch again when the answer was %s, and answers as if it had come', async (fault) => {
      const documents = await open(PATIENT);
      const [etag = ''] = await write(documents, [create('head')]);
      const count = firstBatches(fault);
      const etags = await write(documents, [
        create('commit'),
        { op: 'replace', document: document('head', { body: { is: 'new' } }), etag },
      ]);
      expect(count.requests).toBe(1);
      expect(etags).toEqual([await etagOf(documents, 'commit'), await etagOf(documents, 'head')]);
      await expect(documents.batch(P, [create('commit')])).resolves.toEqual({ outcome: 'exists', index: 0 });
    });

    it('does not take a conflict with another for its own batch, though an answer was lost', async () => {
      const documents = await open(PATIENT);
      const [etag = ''] = await write(documents, [create('head')]);
      await write(documents, [{ op: 'replace', document: document('head', { body: { by: 'another' } }), etag }]);
      firstBatches('reset');
      const mine = { op: 'replace', document: document('head', { body: { by: 'me' } }), etag } as const;
      expect(await documents.batch(P, [create('commit'), mine])).toEqual({ outcome: 'stale', index: 1 });
      expect(await documents.read(P, 'commit')).toBeUndefined();
    });

    it('sends nothing again that could undo what another has written since: it throws, and whoever asked asks again', async () => {
      const documents = await open(PATIENT);
      const count = firstBatches('reset', 9);
      await expect(documents.batch(P, [{ op: 'upsert', document: document('seen') }])).rejects.toThrow();
      await expect(documents.batch(P, [{ op: 'delete', id: 'seen' }, create('seen')])).rejects.toThrow();
      expect(count.requests).toBe(2);
      faulty.inject(() => undefined);
      expect(await documents.read(P, 'seen')).toBeUndefined();
    });

    it.each([
      ['an upsert', { op: 'upsert', document: document('seen') }],
      ['a delete', { op: 'delete', id: 'there' }],
    ] satisfies [string, Operation][])('looks whether %s was done when the answer was lost', async (_, operation) => {
      const documents = await open(PATIENT);
      await write(documents, [create('there')]);
      const count = firstBatches('lost', 9);
      const [etag] = await write(documents, [operation]);
      expect(count.requests).toBe(1);
      expect(etag).toBe(operation.op === 'delete' ? '' : await etagOf(documents, 'seen'));
    });

    it('asks again where a connection is open at one end only', async () => {
      const documents = await open({ budget: 60_000, answer: 500, firstPause: 1 });
      await write(documents, [create('there')]);
      const silentOnce = (wanted: (request: CosmosRequest) => boolean) => {
        let left = 1;
        return faulty.inject((request) => (wanted(request) && left-- > 0 ? 'silent' : undefined));
      };
      const reads = silentOnce(({ method, path }) => method === 'GET' && path.endsWith('/docs/there'));
      expect((await documents.read(P, 'there'))?.document.id).toBe('there');
      expect(reads.requests).toBe(1);
      const writes = silentOnce(({ batch }) => batch);
      await write(documents, [create('a')]);
      expect(writes.requests).toBe(1);
      const queries = silentOnce(({ body }) => body.includes('SELECT'));
      expect(await documents.list({ partition: P, kind: 'commit' })).toHaveLength(2);
      expect(queries.requests).toBe(1);
    });

    it('gives up when its budget is spent, though no answer ever comes', async () => {
      const documents = await open({ budget: 200, answer: 60_000, firstPause: 1 });
      faulty.inject(({ path }) => (path.includes('/docs') ? 'silent' : undefined));
      await expect(documents.read(P, 'there')).rejects.toThrow();
      await expect(documents.batch(P, [create('a')])).rejects.toThrow();
      await expect(documents.list({ partition: P, kind: 'commit' })).rejects.toThrow();
    });

    it('does not wait where it is told to wait for longer than its budget', async () => {
      const documents = await open({ budget: 60_000, answer: 60_000, firstPause: 1 });
      const told = { ...THROTTLED, headers: { 'x-ms-retry-after-ms': '60000' } };
      const count = faulty.inject(({ path }) => (path.includes('/docs') ? told : undefined));
      await expect(documents.read(P, 'there')).rejects.toThrow();
      await expect(documents.batch(P, [create('a')])).rejects.toThrow();
      expect(count.requests).toBe(2);
    });

    it('goes on while it is throttled and has time, longer than the SDK would', async () => {
      const documents = await open(PATIENT);
      const count = firstBatches(THROTTLED, 12);
      await write(documents, [create('a')]);
      expect(count.requests).toBe(12);
    });
  });
});
