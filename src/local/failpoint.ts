/**
 * A crash on purpose, for tests of what survives one: the process ends the moment a commit with the named event has been
 * written and before any of its effects began.
 */
import type { BatchOutcome, Documents, Operation } from '../journal/documents.ts';
import { commitBodySchema } from '../journal/stream.ts';

/** `eventType` undefined: the documents as they are. */
export function withFailpoint(documents: Documents, eventType: string | undefined): Documents {
  if (eventType === undefined) return documents;
  return {
    read: (partition, id) => documents.read(partition, id),
    list: (query) => documents.list(query),
    due: (now, limit) => documents.due(now, limit),
    removeExpired: (now, limit) => documents.removeExpired(now, limit),
    async batch(partition: string, operations: readonly Operation[]): Promise<BatchOutcome> {
      const outcome = await documents.batch(partition, operations);
      if (outcome.outcome === 'written' && operations.some((operation) => commits(operation, eventType)))
        process.kill(process.pid, 'SIGKILL');
      return outcome;
    },
  };
}

function commits(operation: Operation, eventType: string): boolean {
  if (operation.op !== 'create' || operation.document.kind !== 'commit') return false;
  return commitBodySchema.parse(operation.document.body).events.some(({ type }) => type === eventType);
}
