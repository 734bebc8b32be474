/**
 * The Cosmos store passes the contract on the in-memory emulator of Microsoft's Rust driver (`test/emulators/cosmos`), through
 * the SDK it uses on Azure; and on a real account where one is given. What the emulator cannot show (TTL, throttling, other regions) is not shown here: that a `ttl` is
 * written is, and what becomes of answers it never gives is shown with a server in between that gives them.
 */

import { randomUUID } from 'node:crypto';
import { CosmosClient } from '@azure/cosmos';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type CosmosAccount,
  type CosmosDocuments,
  containerLayout,
  ensureContainer,
  openCosmosDocuments,
} from '../../src/adapters/cosmos-documents.ts';
import { missingCosmosEmulator } from '../emulators/cosmos/build.ts';
import { type Fault, startFaultyCosmos } from '../emulators/cosmos/faults.ts';
import { type CosmosEmulator, startCosmosEmulator } from '../emulators/cosmos/start.ts';
import { isMissing } from '../emulators/missing.ts';
import { describeDocuments } from '../journal/documents.contract.ts';
import { create, P, write } from '../journal/documents.samples.ts';

/**
 * A real account made for tests, with its key, since data-plane roles make no containers. The contract is run on it too, in a database
 * of its own that is removed afterwards.
 */
const { MESHWRIGHT_TEST_COSMOS_ENDPOINT: realEndpoint, MESHWRIGHT_TEST_COSMOS_KEY: realKey } = process.env;

if (realEndpoint !== undefined && realKey !== undefined) {
  describe('with the account of MESHWRIGHT_TEST_COSMOS_ENDPOINT', () => {
    const account = { endpoint: realEndpoint, credential: { key: realKey }, database: `meshwright-test-${randomUUID()}` };
    afterAll(async () => {
      const client = new CosmosClient({ endpoint: account.endpoint, key: realKey });
      await client.database(account.database).delete();
      client.dispose();
    });

    describeDocuments('Cosmos DB', async () => {
      const place = { ...account, container: randomUUID() };
      await ensureContainer(place);
      const [documents, other] = [await openCosmosDocuments(place, Date.now), await openCosmosDocuments(place, Date.now)];
      const close = async () => {
        documents.close();
        other.close();
      };
      return { documents, other, close };
    });
  });
} else {
  // No machine has one by itself: who names it asks for these tests.
  process.stderr.write('not asked for: a real Cosmos DB; name one in MESHWRIGHT_TEST_COSMOS_ENDPOINT and MESHWRIGHT_TEST_COSMOS_KEY\n');
}

const missing = isMissing(await missingCosmosEmulator());

describe.skipIf(missing)('with the Cosmos DB stand-in', () => {
  let emulator: CosmosEmulator;
  beforeAll(async () => {
    emulator = await startCosmosEmulator();
  }, 900_000);
  afterAll(() => emulator?.stop());

  async function newAccount(): Promise<CosmosAccount> {
    const account = { endpoint: emulator.endpoint, credential: { key: 'bm8ga2V5' }, database: 'meshwright', container: randomUUID() };
    await ensureContainer(account);
    return account;
  }

  describeDocuments('Cosmos DB', async () => {
    const account = await newAccount();
    const documents = await openCosmosDocuments(account, Date.now);
    const other = await openCosmosDocuments(account, Date.now);
    const close = async () => {
      documents.close();
      other.close();
    };
    return { documents, other, close };
  });

  describe('the Cosmos store', () => {
    it('lays the container out so that only the paths of its two queries are indexed', async () => {
      const account = await newAccount();
      await ensureContainer(account);
      const client = new CosmosClient({ endpoint: account.endpoint, key: 'bm8ga2V5' });
      const { resource } = await client.database('meshwright').container(account.container).read();
      client.dispose();
      expect(resource?.partitionKey?.paths).toEqual(['/partition']);
      expect(resource?.defaultTtl).toBe(-1);
      expect(resource?.indexingPolicy).toMatchObject(containerLayout.indexingPolicy ?? {});
    });

    it('lets Cosmos expire a document: whole seconds from now, never too early, and never none', async () => {
      const account = await newAccount();
      const documents = await openCosmosDocuments(account, () => 1_000_000);
      await write(documents, [create('later', { expiresAt: 1_000_000 + 61_001 }), create('past', { expiresAt: 5 }), create('never')]);
      const client = new CosmosClient({ endpoint: account.endpoint, key: 'bm8ga2V5' });
      const { resources } = await client.database('meshwright').container(account.container).items.readAll().fetchAll();
      client.dispose();
      expect(new Map(resources.map((item) => [item.id, item.ttl]))).toEqual(
        new Map([
          ['later', 62],
          ['past', 1],
          ['never', undefined],
        ]),
      );
      expect(await documents.removeExpired()).toBe(0);
      documents.close();
    });

    it('finds what is due over every physical partition', async () => {
      const documents = await openCosmosDocuments(await newAccount(), Date.now);
      const partitions = Array.from({ length: 60 }, (_, index) => `service/shop/s${index}`);
      await Promise.all(
        partitions.map((partition, index) => write(documents, [create('head', { partition, wakeAt: 1000 - index })], partition)),
      );
      const due = await documents.due(1000, 25);
      expect(due.map((entry) => entry.wakeAt)).toEqual(Array.from({ length: 25 }, (_, index) => 941 + index));
      expect(await documents.due(1000, 100)).toHaveLength(60);
      documents.close();
    });
  });

  describe('the Cosmos store when Cosmos cannot answer', () => {
    const throttled: Fault = { status: 429, headers: { 'x-ms-retry-after-ms': '1' } };
    let faulty: Awaited<ReturnType<typeof startFaultyCosmos>>;
    let documents: CosmosDocuments;
    /** For what never gets better. */
    let hasty: CosmosDocuments;
    beforeEach(async () => {
      const account = await newAccount();
      faulty = await startFaultyCosmos(emulator);
      hasty = await openCosmosDocuments({ ...account, endpoint: faulty.endpoint }, Date.now, {
        budget: 2_000,
        answer: 2_000,
        firstPause: 100,
      });
      documents = await openCosmosDocuments({ ...account, endpoint: faulty.endpoint }, Date.now, {
        budget: 60_000,
        answer: 30_000,
        firstPause: 1,
      });
      await write(documents, [create('there')]);
    });
    afterEach(async () => {
      documents.close();
      hasty.close();
      await faulty.stop();
    });

    it.each([
      ['throttled', throttled],
      ['failed', { status: 500 }],
      ['unavailable', { status: 503 }],
      ['too large', { status: 413 }],
    ] satisfies [string, Fault][])('throws on every call when the answer is "%s"', async (_, answer) => {
      faulty.inject(({ path }) => (path.includes('/docs') ? answer : undefined));
      const calls = [hasty.read(P, 'there'), hasty.batch(P, [create('a')]), hasty.list({ partition: P, kind: 'commit' }), hasty.due(0, 1)];
      expect((await Promise.allSettled(calls)).map(({ status }) => status)).toEqual(calls.map(() => 'rejected'));
      faulty.inject(() => undefined);
      expect(await documents.read(P, 'a')).toBeUndefined();
    });

    it.each([429, 449, 413, 500])('throws when one operation of a batch answers %i', async (statusCode) => {
      faulty.inject(({ batch }) =>
        batch
          ? {
              status: 207,
              body: [
                { statusCode: 424, requestCharge: 1 },
                { statusCode, requestCharge: 1 },
              ],
            }
          : undefined,
      );
      await expect(hasty.batch(P, [create('a'), create('b')])).rejects.toThrow(`answered ${statusCode} to create b`);
    });

    it('throws when a conflict is answered to what cannot conflict', async () => {
      faulty.inject(({ batch }) => (batch ? { status: 207, body: [{ statusCode: 409, requestCharge: 1 }] } : undefined));
      await expect(documents.batch(P, [{ op: 'delete', id: 'there' }])).rejects.toThrow('answered 409 to delete there');
    });

    it('waits as long as it is told when throttled, and goes on when that is over', async () => {
      let answers = 0;
      const count = faulty.inject(({ batch }) => (batch && ++answers <= 2 ? throttled : undefined));
      await write(documents, [create('a')]);
      expect(count.requests).toBe(2);
    });

    it.each([1003, 1002])('takes 404/%i for a fault, not for a missing document', async (subStatus) => {
      faulty.inject(({ method, path }) =>
        method === 'GET' && path.endsWith('/docs/there') ? { status: 404, headers: { 'x-ms-substatus': `${subStatus}` } } : undefined,
      );
      await expect(hasty.read(P, 'there')).rejects.toThrow();
    });
  });
});
