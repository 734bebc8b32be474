/**
 * What every store refuses before it looks at its data, so that a batch which Cosmos would not take is not taken by the
 * embedded store or the memory store either. Breaking one of these is a mistake in the caller, so they throw.
 * Source: "Azure Cosmos DB service quotas" (100 operations and 2 MB a transactional batch, 1,023 bytes an id).
 */

import type { Operation, StoredDocument } from '../journal/documents.ts';

const maxBatchOperations = 100;
const maxBatchBytes = 2 * 1024 * 1024;
const maxIdBytes = 1023;

/** @throws RangeError when the batch is too long, reaches outside `partition`, or holds an id or a number that Cosmos refuses. */
export function checkBatch(partition: string, operations: readonly Operation[]): void {
  if (operations.length > maxBatchOperations) {
    throw new RangeError(`A batch holds at most ${maxBatchOperations} operations; this one for ${partition} holds ${operations.length}.`);
  }
  for (const operation of operations) {
    if (operation.op === 'delete') {
      checkId(operation.id);
    } else {
      checkDocument(partition, operation.document);
    }
  }
}

/** @throws RangeError when the bodies of a batch are `bytes` long together and that is more than a batch may hold. */
export function checkBatchBytes(partition: string, bytes: number): void {
  if (bytes > maxBatchBytes) {
    throw new RangeError(`A batch holds at most ${maxBatchBytes} bytes; this one for ${partition} holds ${bytes}.`);
  }
}

function checkDocument(partition: string, document: StoredDocument): void {
  checkId(document.id);
  if (document.partition !== partition) {
    throw new RangeError(`Document ${document.id} belongs to ${document.partition}, not to the batch's partition ${partition}.`);
  }
  for (const [name, value] of Object.entries({ ordinal: document.ordinal, wakeAt: document.wakeAt, expiresAt: document.expiresAt })) {
    if (value !== undefined && !Number.isSafeInteger(value)) {
      throw new RangeError(`Document ${document.id} has ${name} ${value}; it must be a whole number.`);
    }
  }
}

function checkId(id: string): void {
  if (id === '' || /[/\\?#]/.test(id) || Buffer.byteLength(id) > maxIdBytes) {
    throw new RangeError(`Document id "${id}" must be 1 to ${maxIdBytes} bytes long and hold none of / \\ ? #.`);
  }
}
