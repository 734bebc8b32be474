/** A stored document put together again from what a store answers, where "absent" may be null, undefined or not there. */

import { z } from 'zod';
import type { JsonObject, StoredDocument } from '../journal/documents.ts';

/** For a value that came out of a JSON parser: that it is an object is all there is to check. */
export const jsonObject = z.custom<JsonObject>((value) => typeof value === 'object' && value !== null && !Array.isArray(value));

type Fields = Omit<StoredDocument, 'wakeAt' | 'expiresAt'> & { wakeAt?: number | null | undefined; expiresAt?: number | null | undefined };

/** Keeps the fields of a document and leaves out the times that are absent. */
export function storedDocument({ partition, id, kind, ordinal, wakeAt, expiresAt, body }: Fields): StoredDocument {
  return {
    partition,
    id,
    kind,
    ordinal,
    ...(typeof wakeAt === 'number' ? { wakeAt } : {}),
    ...(typeof expiresAt === 'number' ? { expiresAt } : {}),
    body,
  };
}
