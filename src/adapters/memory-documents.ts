/**
 * The memory store: the storage port over maps, for tests and the simulation. Deterministic, without timers: every call is
 * done when it returns, and ties in order are broken by partition and id. What is stored is a frozen copy of what was given, as
 * JSON would keep it, and reads hand out that copy: callers share nothing they could change. It does not count bytes.
 */

import type { BatchOutcome, Documents, Due, Found, Json, JsonObject, Operation, StoredDocument } from '../journal/documents.ts';
import { checkBatch } from './batch-limits.ts';
import { storedDocument } from './stored-document.ts';

export class MemoryDocuments implements Documents {
  readonly #partitions = new Map<string, Map<string, Found>>();
  /** What has a wakeAt, so that `due` does not walk every document there is. */
  readonly #waking = new Set<StoredDocument>();
  #writes = 0;

  async read(partition: string, id: string): Promise<Found | undefined> {
    return this.#partitions.get(partition)?.get(id);
  }

  async batch(partition: string, operations: readonly Operation[]): Promise<BatchOutcome> {
    checkBatch(partition, operations);
    const stored = this.#partitions.get(partition);
    // What the batch changes so far: later operations see earlier ones, the store sees none until all can be done.
    const changed = new Map<string, Found | undefined>();
    const etags: string[] = [];
    for (const [index, operation] of operations.entries()) {
      if (operation.op === 'delete') {
        changed.set(operation.id, undefined);
        etags.push('');
        continue;
      }
      const { id } = operation.document;
      const current = changed.has(id) ? changed.get(id) : stored?.get(id);
      if (operation.op === 'create' && current !== undefined) {
        return { outcome: 'exists', index };
      }
      if (operation.op === 'replace' && current?.etag !== operation.etag) {
        return { outcome: 'stale', index };
      }
      this.#writes += 1;
      const etag = String(this.#writes);
      changed.set(id, frozenFound(operation.document, etag));
      etags.push(etag);
    }
    this.#write(partition, changed);
    return { outcome: 'written', etags };
  }

  async list(query: { partition: string; kind: string; after?: number; limit?: number }): Promise<readonly Found[]> {
    const { partition, kind, after = Number.NEGATIVE_INFINITY, limit } = query;
    const found: Found[] = [];
    for (const entry of this.#partitions.get(partition)?.values() ?? []) {
      if (entry.document.kind === kind && entry.document.ordinal > after) {
        found.push(entry);
      }
    }
    found.sort((a, b) => a.document.ordinal - b.document.ordinal || compare(a.document.id, b.document.id));
    return limit === undefined ? found : found.slice(0, limit);
  }

  async due(now: number, limit: number): Promise<readonly Due[]> {
    const due: Due[] = [];
    for (const { partition, id, wakeAt } of this.#waking) {
      if (wakeAt !== undefined && wakeAt <= now) {
        due.push({ partition, id, wakeAt });
      }
    }
    due.sort((a, b) => a.wakeAt - b.wakeAt || compare(a.partition, b.partition) || compare(a.id, b.id));
    return due.slice(0, limit);
  }

  async removeExpired(now: number, limit: number): Promise<number> {
    const expired: StoredDocument[] = [];
    for (const documents of this.#partitions.values()) {
      for (const { document } of documents.values()) {
        if (expired.length < limit && document.expiresAt !== undefined && document.expiresAt <= now) {
          expired.push(document);
        }
      }
    }
    for (const { partition, id } of expired) {
      this.#write(partition, new Map([[id, undefined]]));
    }
    return expired.length;
  }

  #write(partition: string, changed: ReadonlyMap<string, Found | undefined>): void {
    const documents = this.#partitions.get(partition) ?? new Map<string, Found>();
    this.#partitions.set(partition, documents);
    for (const [id, found] of changed) {
      const previous = documents.get(id);
      if (previous !== undefined) {
        this.#waking.delete(previous.document);
      }
      if (found === undefined) {
        documents.delete(id);
        continue;
      }
      documents.set(id, found);
      if (found.document.wakeAt !== undefined) {
        this.#waking.add(found.document);
      }
    }
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function frozenFound(document: StoredDocument, etag: string): Found {
  return Object.freeze({ document: Object.freeze(storedDocument({ ...document, body: frozenObject(document.body) })), etag });
}

/** As `JSON.parse(JSON.stringify(value))` would answer, several times faster: the simulation writes millions of these. */
function frozenObject(value: JsonObject): JsonObject {
  const copy: { [key: string]: Json } = {};
  for (const key of Object.keys(value)) {
    const inner = value[key];
    if (inner === undefined) {
      continue;
    }
    if (key === '__proto__') {
      Object.defineProperty(copy, key, { value: frozenJson(inner), enumerable: true });
    } else {
      copy[key] = frozenJson(inner);
    }
  }
  return Object.freeze(copy);
}

function frozenJson(value: Json): Json {
  if (typeof value === 'number') {
    return Number.isFinite(value) ? value + 0 : null;
  }
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  return isArray(value) ? Object.freeze(value.map(frozenJson)) : frozenObject(value);
}

/** `Array.isArray` does not narrow a readonly array. */
function isArray(value: readonly Json[] | JsonObject): value is readonly Json[] {
  return Array.isArray(value);
}
