/** The journal keeps its contract over the memory store, which the simulation rests on. */
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { describeJournal } from './journal.contract.ts';

describeJournal('memory', async () => {
  const documents = new MemoryDocuments();
  return { documents, other: documents, close: async () => {} };
});
