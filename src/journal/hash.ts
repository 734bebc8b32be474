/**
 * Fingerprints of the journal: SHA-256 (hex) over RFC 8785 canonical JSON, and document ids made from delivery ids.
 */
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { Json } from './documents.ts';

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Throws on what JSON cannot say (NaN, a cycle): an impossible state here, since only parsed JSON is hashed. */
export function hashJson(value: Json): string {
  const text = canonicalize(value);
  if (text === undefined) throw new Error('The value to hash is not JSON.');
  return sha256(text);
}

/** A delivery id may be long and hold any character; as a document id it is a fixed-length fingerprint. */
export const documentIdOf = (deliveryId: string): string => sha256(deliveryId);
