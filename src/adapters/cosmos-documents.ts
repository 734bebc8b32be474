/**
 * The store on Azure: the storage port over one Cosmos DB container. A batch is a transactional batch; the embedded stores
 * behave as this one does. `@azure/cosmos` is loaded when a store is opened, so that importing this file costs nothing.
 * What fails is tried again within a budget (`cosmos-patience.ts`); a write of which nobody knows whether it was done is sent
 * again only where it cannot happen twice.
 * Facts about the batch's answer (it does not throw on a conflict: 207 with a status an operation, 424 for those that were
 * only undone): https://learn.microsoft.com/azure/cosmos-db/nosql/transactional-batch.
 */

import { randomBytes } from 'node:crypto';
import type {
  Container,
  ContainerRequest,
  CosmosClient,
  CosmosClientOptions,
  JSONObject,
  OperationInput,
  SqlQuerySpec,
} from '@azure/cosmos';
import { z } from 'zod';
import type { BatchOutcome, Documents, Due, Etag, Found, Operation, StoredDocument } from '../journal/documents.ts';
import { checkBatch, checkBatchBytes } from './batch-limits.ts';
import { BatchFailure, type CallLimits, callLimits, fateOf, rootOf, withPatience } from './cosmos-patience.ts';
import { missingDocumentsRole, refusedIdentity } from './missing-role.ts';
import { jsonObject, storedDocument } from './stored-document.ts';

export interface CosmosAccount {
  readonly endpoint: string;
  readonly credential: { readonly key: string } | { readonly token: NonNullable<CosmosClientOptions['aadCredentials']> };
  readonly database: string;
  readonly container: string;
}

/**
 * How the container is laid out, here and in the infrastructure's templates: only what the two queries need is indexed, since
 * every indexed path is paid for with every write; `defaultTtl` -1 lets a document's own `ttl` count.
 */
export const containerLayout: Omit<ContainerRequest, 'id'> = {
  partitionKey: { paths: ['/partition'], version: 2 },
  defaultTtl: -1,
  indexingPolicy: {
    indexingMode: 'consistent',
    automatic: true,
    includedPaths: [{ path: '/kind/?' }, { path: '/ordinal/?' }, { path: '/wakeAt/?' }],
    excludedPaths: [{ path: '/*' }, { path: '/"_etag"/?' }],
  },
};

/** Makes the database and the container where they are missing. On Azure the templates do this; data-plane roles may not. */
export async function ensureContainer(account: CosmosAccount): Promise<void> {
  const client = await connect(account);
  try {
    const { database } = await client.databases.createIfNotExists({ id: account.database });
    await database.containers.createIfNotExists({ id: account.container, ...containerLayout });
  } finally {
    client.dispose();
  }
}

/**
 * Opens the store; nothing is sent before the first call. `now` is the time in epoch ms, read only to turn `expiresAt` into
 * the `ttl` by which Cosmos expires documents itself.
 */
export async function openCosmosDocuments(
  account: CosmosAccount,
  now: () => number,
  limits: CallLimits = callLimits,
): Promise<CosmosDocuments> {
  const client = await connect(account, limits);
  return new CosmosDocuments(client, client.database(account.database).container(account.container), now, limits, account.endpoint);
}

async function connect({ endpoint, credential }: CosmosAccount, limits: CallLimits = callLimits): Promise<CosmosClient> {
  const { CosmosClient } = await import('@azure/cosmos');
  return new CosmosClient({
    endpoint,
    ...('key' in credential ? { key: credential.key } : { aadCredentials: credential.token }),
    connectionPolicy: {
      requestTimeout: limits.answer,
      // Pausing is done here: the SDK's pauses have no jitter and no end before the one that the answer names.
      retryOptions: { maxRetryAttemptCount: 0 },
      // Both would have the SDK send a write again by itself that may have been done.
      enablePartitionLevelFailover: false,
      useMultipleWriteLocations: false,
    },
  });
}

const storedItem = z.object({
  partition: z.string(),
  id: z.string(),
  kind: z.string(),
  ordinal: z.number(),
  wakeAt: z.number().optional(),
  expiresAt: z.number().optional(),
  body: jsonObject,
  /** The batch that wrote it. */
  sent: z.string().optional(),
  _etag: z.string(),
});
const dueItem = z.object({ partition: z.string(), id: z.string(), wakeAt: z.number() });
const batchAnswer = z.object({ result: z.array(z.object({ statusCode: z.number(), eTag: z.string().optional() })) });

/** For a document that somebody else wrote before we could see ours: no document has it. */
const OVERWRITTEN: Etag = '"overwritten"';

export class CosmosDocuments implements Documents {
  readonly #client: CosmosClient;
  readonly #container: Container;
  readonly #now: () => number;
  readonly #limits: CallLimits;
  readonly #account: string;

  constructor(client: CosmosClient, container: Container, now: () => number, limits: CallLimits, endpoint: string) {
    this.#client = client;
    this.#container = container;
    this.#now = now;
    this.#limits = limits;
    this.#account = new URL(endpoint).hostname.split('.')[0] ?? '';
  }

  async read(partition: string, id: string): Promise<Found | undefined> {
    const item = await this.#item(partition, id);
    return item === undefined ? undefined : foundOf(item);
  }

  async batch(partition: string, operations: readonly Operation[]): Promise<BatchOutcome> {
    checkBatch(partition, operations);
    const sent = randomBytes(12).toString('base64url');
    const inputs = operations.map((operation) => this.#inputOf(operation, sent));
    checkBatchBytes(
      partition,
      inputs.reduce((bytes, input) => bytes + ('resourceBody' in input ? Buffer.byteLength(JSON.stringify(input.resourceBody)) : 0), 0),
    );
    const fenced = isFenced(operations);
    // Some earlier try may have been done, though we were not told.
    let doubtful = false;
    const again = (error: unknown): boolean => {
      const fate = fateOf(error);
      doubtful ||= fate === 'unknown';
      return fate === 'not done' || (fate === 'unknown' && fenced);
    };
    try {
      const outcome = await this.#patiently((signal) => this.#send(partition, operations, inputs, signal), again);
      // What an earlier try of ours has written is in the way of a later one.
      const seen = outcome.outcome === 'written' || !doubtful ? undefined : await this.#seen(partition, operations, sent);
      return seen ?? outcome;
    } catch (error) {
      // Sent again without a fence it might undo what another has written since; so it is only looked for.
      const seen = doubtful && !fenced ? await this.#seen(partition, operations, sent) : undefined;
      if (seen === undefined) throw error;
      return seen;
    }
  }

  async list(query: { partition: string; kind: string; after?: number; limit?: number }): Promise<readonly Found[]> {
    const { partition, kind, after, limit } = query;
    const items = await this.#query(
      {
        query: `SELECT ${limit === undefined ? '' : 'TOP @limit '}* FROM c WHERE c.kind = @kind${after === undefined ? '' : ' AND c.ordinal > @after'} ORDER BY c.ordinal`,
        parameters: [
          { name: '@kind', value: kind },
          ...(limit === undefined ? [] : [{ name: '@limit', value: limit }]),
          ...(after === undefined ? [] : [{ name: '@after', value: after }]),
        ],
      },
      partition,
    );
    return items.map(foundOf);
  }

  async due(now: number, limit: number): Promise<readonly Due[]> {
    const items = await this.#query({
      query: 'SELECT TOP @limit c.partition, c.id, c.wakeAt FROM c WHERE c.wakeAt <= @now ORDER BY c.wakeAt',
      parameters: [
        { name: '@limit', value: limit },
        { name: '@now', value: now },
      ],
    });
    return items.map((item) => dueItem.parse(item));
  }

  /** Cosmos removes what has expired by itself, by the `ttl` written with it. */
  async removeExpired(): Promise<number> {
    return 0;
  }

  /** Stops the SDK's background refresh; nothing may be asked of this store afterwards. */
  close(): void {
    this.#client.dispose();
  }

  async #query(query: SqlQuerySpec, partitionKey?: string): Promise<unknown[]> {
    const options = partitionKey === undefined ? {} : { partitionKey };
    const ask = async (abortSignal: AbortSignal) =>
      (await this.#container.items.query(query, { ...options, abortSignal }).fetchAll()).resources;
    return this.#patiently(ask, mayReadAgain);
  }

  async #patiently<Result>(attempt: (signal: AbortSignal) => Promise<Result>, again: (error: unknown) => boolean): Promise<Result> {
    try {
      return await withPatience(this.#limits, attempt, again);
    } catch (error) {
      throw withRole(error, this.#account);
    }
  }

  /** As stored; `undefined`: there is none. */
  async #item(partition: string, id: string): Promise<unknown> {
    return this.#patiently(async (abortSignal) => {
      const answer = await this.#container.item(id, partition).read({ abortSignal });
      if (answer.statusCode !== 404) return answer.resource;
      // A missing container and a session that has not caught up are a 404 too, told apart by their sub-status.
      const subStatus = Number(answer.substatus ?? 0);
      if (subStatus === 0) return undefined;
      throw new Error(`Cosmos DB answered 404/${subStatus} when asked for ${id} of ${partition}.`);
    }, mayReadAgain);
  }

  /** Sends a batch once. Cosmos fails one that deletes what is not there; nothing is what the delete asks for: it goes again without. */
  async #send(
    partition: string,
    operations: readonly Operation[],
    inputs: readonly OperationInput[],
    abortSignal: AbortSignal,
  ): Promise<BatchOutcome> {
    const etags = operations.map(() => '');
    const left = [...operations.keys()];
    while (left.length > 0) {
      const answer = await this.#container.items.batch(
        left.map((index) => at(inputs, index)),
        partition,
        { abortSignal },
      );
      const { result } = batchAnswer.parse(answer);
      const failed = result.findIndex(({ statusCode }) => statusCode >= 400 && statusCode !== 424);
      if (failed === -1) {
        for (const [position, { eTag }] of result.entries()) {
          etags[at(left, position)] = eTag ?? '';
        }
        break;
      }
      const index = at(left, failed);
      const refusal = refusalOf(at(operations, index), at(result, failed).statusCode);
      if (refusal !== 'nothing to delete') {
        return { outcome: refusal, index };
      }
      left.splice(failed, 1);
    }
    return { outcome: 'written', etags };
  }

  /** The outcome of a batch that has left its mark: a batch is done as a whole. `undefined`: no document has it (any more). */
  async #seen(partition: string, operations: readonly Operation[], sent: string): Promise<BatchOutcome | undefined> {
    const items = await Promise.all(operations.map((operation) => this.#item(partition, idOf(operation))));
    const stored = items.map((item) => (item === undefined ? undefined : storedItem.parse(item)));
    const isDone = operations.every(({ op }) => op === 'delete')
      ? stored.every((item) => item === undefined)
      : stored.some((item) => item?.sent === sent);
    const etags = operations.map(({ op }, index) => {
      const item = stored[index];
      return op === 'delete' ? '' : item?.sent === sent ? item._etag : OVERWRITTEN;
    });
    return isDone ? { outcome: 'written', etags } : undefined;
  }

  #inputOf(operation: Operation, sent: string): OperationInput {
    switch (operation.op) {
      case 'create':
        return { operationType: 'Create', resourceBody: this.#itemOf(operation.document, sent) };
      case 'upsert':
        return { operationType: 'Upsert', resourceBody: this.#itemOf(operation.document, sent) };
      case 'replace':
        return {
          operationType: 'Replace',
          id: operation.document.id,
          ifMatch: operation.etag,
          resourceBody: this.#itemOf(operation.document, sent),
        };
      case 'delete':
        return { operationType: 'Delete', id: operation.id };
    }
  }

  /** A copy, taken through JSON as it will be sent: the SDK serialises later than the caller handed it over. */
  #itemOf(document: StoredDocument, sent: string): JSONObject {
    const { expiresAt } = document;
    // Whole seconds from the write, at least one; rounded up, for gone too early is worse than gone too late.
    const ttl = expiresAt === undefined ? undefined : Math.max(1, Math.ceil((expiresAt - this.#now()) / 1000));
    return JSON.parse(JSON.stringify({ ...storedDocument(document), ttl, sent }));
  }
}

/** @throws for whatever is neither a conflict nor a missing document: throttled, too large, unavailable. */
function refusalOf(operation: Operation, status: number): 'exists' | 'stale' | 'nothing to delete' {
  if (operation.op === 'create' && status === 409) {
    return 'exists';
  }
  if (operation.op === 'replace' && (status === 412 || status === 404)) {
    return 'stale';
  }
  if (operation.op === 'delete' && status === 404) {
    return 'nothing to delete';
  }
  throw new BatchFailure(status, operation.op, idOf(operation));
}

const idOf = (operation: Operation): string => (operation.op === 'delete' ? operation.id : operation.document.id);

const mayReadAgain = (error: unknown): boolean => fateOf(error) !== 'refused';

/**
 * Whether a batch can be done only once: it creates or replaces (under its etag) a document that it does not delete as well,
 * so that a second time it comes to a conflict, at which its own mark is found.
 */
function isFenced(operations: readonly Operation[]): boolean {
  const deleted = new Set(operations.flatMap((operation) => (operation.op === 'delete' ? [operation.id] : [])));
  return operations.some((operation) => (operation.op === 'create' || operation.op === 'replace') && !deleted.has(operation.document.id));
}

function foundOf(item: unknown): Found {
  const { _etag: etag, ...fields } = storedItem.parse(item);
  return { document: storedDocument(fields), etag };
}

/** An element that must be there: Cosmos answers one result for each operation sent. */
function at<T>(list: readonly T[], index: number): T {
  const element = list[index];
  if (element === undefined) {
    throw new Error(`Cosmos DB answered for operation ${index} of a batch of ${list.length}.`);
  }
  return element;
}

const refusedSchema = z.object({ code: z.literal(403), message: z.string() });

/** Of a role that is missing the answer speaks as of a firewall and a full account, by 403: it is told by its words. */
function withRole(error: unknown, account: string): unknown {
  const refused = refusedSchema.safeParse(rootOf(error)).data;
  if (!refused || !/\bRBAC permissions\b/.test(refused.message)) return error;
  const action = /perform action \[([^\]]+)\]/.exec(refused.message)?.[1] ?? 'this';
  const missing = missingDocumentsRole(account, refusedIdentity(refused.message));
  return new Error(`Cosmos DB does not allow ${action}: ${missing}`, { cause: error });
}
