/** The journal keeps its contract over SQLite, with two connections to one file as two processes have them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteDocuments } from '../../src/adapters/sqlite-documents.ts';
import { describeJournal } from './journal.contract.ts';

describeJournal('SQLite', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'meshwright-journal-'));
  const documents = new SqliteDocuments(join(directory, 'state.db'));
  const other = new SqliteDocuments(join(directory, 'state.db'));
  const close = async () => {
    documents.close();
    other.close();
    rmSync(directory, { recursive: true });
  };
  return { documents, other, close };
});
