/** The journal keeps its contract over Cosmos DB's stand-in, through the SDK it uses on Azure. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe } from 'vitest';
import { ensureContainer, openCosmosDocuments } from '../../src/adapters/cosmos-documents.ts';
import { missingCosmosEmulator } from '../emulators/cosmos/build.ts';
import { type CosmosEmulator, startCosmosEmulator } from '../emulators/cosmos/start.ts';
import { isMissing } from '../emulators/missing.ts';
import { describeJournal } from './journal.contract.ts';

const missing = isMissing(await missingCosmosEmulator());

describe.skipIf(missing)('with the Cosmos DB stand-in', () => {
  let emulator: CosmosEmulator;
  beforeAll(async () => {
    emulator = await startCosmosEmulator();
  }, 900_000);
  afterAll(() => emulator?.stop());

  describeJournal('Cosmos DB', async () => {
    const account = { endpoint: emulator.endpoint, credential: { key: 'bm8ga2V5' }, database: 'meshwright', container: randomUUID() };
    await ensureContainer(account);
    const documents = await openCosmosDocuments(account, Date.now);
    const other = await openCosmosDocuments(account, Date.now);
    const close = async () => {
      documents.close();
      other.close();
    };
    return { documents, other, close };
  });
});
