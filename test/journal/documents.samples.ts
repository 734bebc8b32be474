/**
 * What the suites over the storage port share: the shape a store is handed over in, and short ways to write sample documents.
 */

import type { Documents, Found, Operation, StoredDocument } from '../../src/journal/documents.ts';

export interface DocumentsUnderTest {
  /** An empty store. */
  readonly documents: Documents;
  /** A second store over the same data, as another process has one. */
  readonly other: Documents;
  readonly close: () => Promise<void>;
}

export const P = 'service/shop/catalog';

export function document(id: string, fields: Partial<StoredDocument> = {}): StoredDocument {
  return { partition: P, id, kind: 'commit', ordinal: 0, body: { id }, ...fields };
}

export function create(id: string, fields: Partial<StoredDocument> = {}): Operation {
  return { op: 'create', document: document(id, fields) };
}

/** Writes and answers the etags, or fails the test. */
export async function write(documents: Documents, operations: readonly Operation[], partition = P): Promise<readonly string[]> {
  const outcome = await documents.batch(partition, operations);
  if (outcome.outcome !== 'written') {
    throw new Error(`expected the batch to be written, got ${JSON.stringify(outcome)}`);
  }
  return outcome.etags;
}

export async function etagOf(documents: Documents, id: string): Promise<string> {
  const found = await documents.read(P, id);
  if (found === undefined) {
    throw new Error(`expected ${id} to be there`);
  }
  return found.etag;
}

export const ids = (found: readonly Found[]): string[] => found.map((entry) => entry.document.id);
