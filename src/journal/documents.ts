/**
 * The one storage primitive everything durable stands on: JSON documents in partitions, an atomic batch inside one
 * partition, one ordered read of a partition and one query over all partitions (what is due). It is what a Cosmos DB
 * container gives (partition key, `_etag`, transactional batch), so that the embedded store and the memory store have
 * to behave like Cosmos and not the other way round. Adapters: `src/adapters/{memory,sqlite,cosmos}-documents.ts`.
 */

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/** A document as it is written. `id` is unique in its partition and holds none of `/ \ ? #` (Cosmos refuses those). */
export interface StoredDocument {
  readonly partition: string;
  readonly id: string;
  /** What it is: `head`, `commit`, `fragment`, `observation` … Reads of a partition ask for one kind. */
  readonly kind: string;
  /** The order within its kind and partition: a version, a sequence, a time in ms; 0 where order means nothing. */
  readonly ordinal: number;
  /** Epoch ms at which the sweep must look at this document; absent = never. */
  readonly wakeAt?: number;
  /** Epoch ms after which readers treat it as gone; a store may remove it from then on. */
  readonly expiresAt?: number;
  readonly body: JsonObject;
}

/** Opaque; changes with every write of the document. */
export type Etag = string;

export interface Found {
  readonly document: StoredDocument;
  readonly etag: Etag;
}

export type Operation =
  | { readonly op: 'create'; readonly document: StoredDocument }
  | { readonly op: 'replace'; readonly document: StoredDocument; readonly etag: Etag }
  | { readonly op: 'upsert'; readonly document: StoredDocument }
  | { readonly op: 'delete'; readonly id: string };

/**
 * All or nothing, done in order: a later operation sees what an earlier one did, and the first that cannot be done names the
 * outcome. `etags` has one for each operation, in order; that of a `delete` is ''.
 */
export type BatchOutcome =
  | { readonly outcome: 'written'; readonly etags: readonly Etag[] }
  /** A `create` whose id is there already. */
  | { readonly outcome: 'exists'; readonly index: number }
  /** A `replace` whose etag is not the stored one, or whose document is gone. */
  | { readonly outcome: 'stale'; readonly index: number };

export interface Due {
  readonly partition: string;
  readonly id: string;
  readonly wakeAt: number;
}

/** Rejections are transient infrastructure faults: the caller does not know whether the batch was written. */
export interface Documents {
  read(partition: string, id: string): Promise<Found | undefined>;
  /** At most 100 operations and 2 MB, all in `partition`. Deleting what is not there is not a failure. */
  batch(partition: string, operations: readonly Operation[]): Promise<BatchOutcome>;
  /**
   * Documents of one kind with `ordinal > after` (default: all), by rising ordinal, at most `limit` (default: all). Equal
   * ordinals come in no promised order, so going on from the last ordinal of a limited page can pass over one.
   */
  list(query: { partition: string; kind: string; after?: number; limit?: number }): Promise<readonly Found[]>;
  /** Documents of every partition with `wakeAt <= now`, earliest first. */
  due(now: number, limit: number): Promise<readonly Due[]>;
  /** Removes up to `limit` documents with `expiresAt <= now`; a store that expires by itself answers 0. */
  removeExpired(now: number, limit: number): Promise<number>;
}
