/** A memory store whose calls fail for as long as a test says, as those of a store do that is away or throttles. */
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import type { BatchOutcome, Documents, Found, Operation } from '../../src/journal/documents.ts';
import { forwarding } from '../journal/unreliable-documents.ts';

/** What is asked of the store: the kinds of documents that are written, or none for a read. */
export interface StoreCall {
  readonly partition: string;
  readonly kinds: readonly string[];
}

export interface StoreThatFails {
  /** What the program under test is given. */
  readonly documents: Documents;
  /** What is stored, always there for the test. */
  readonly stored: MemoryDocuments;
  /** Which calls fail from now on. */
  fails: (call: StoreCall) => boolean;
}

export const never = (): boolean => false;
export const always = (): boolean => true;
export const writing =
  (kind: string) =>
  ({ kinds }: StoreCall): boolean =>
    kinds.includes(kind);

export function storeThatFails(): StoreThatFails {
  const stored = new MemoryDocuments();
  const store: { fails: (call: StoreCall) => boolean } = { fails: never };
  const through = async <Result>(partition: string, kinds: readonly string[], call: () => Promise<Result>): Promise<Result> => {
    if (store.fails({ partition, kinds })) throw new Error('the store is away');
    return call();
  };
  const documents: Documents = {
    ...forwarding(stored),
    read: (partition, id): Promise<Found | undefined> => through(partition, [], () => stored.read(partition, id)),
    list: (query): Promise<readonly Found[]> => through(query.partition, [], () => stored.list(query)),
    batch: (partition, operations): Promise<BatchOutcome> =>
      through(partition, operations.flatMap(kindOf), () => stored.batch(partition, operations)),
  };
  return Object.assign(store, { documents, stored });
}

const kindOf = (operation: Operation): string[] => (operation.op === 'delete' ? [] : [operation.document.kind]);
