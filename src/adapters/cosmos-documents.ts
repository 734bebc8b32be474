/**
 * The store on Azure: the storage port over one Cosmos DB container. A batch is a transactional batch; the embedded stores
 * behave as this one does. `@azure/cosmos` is loaded when a store is opened, so that importing this file costs nothing.
 * Facts about the batch's answer (it does not throw on a conflict: 207 with a status an operation, 424 for those that were
 * only undone): https://learn.microsoft.com/azure/cosmos-db/nosql/transactional-batch.
 */

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
import type { BatchOutcome, Documents, Due, Found, Operation, StoredDocument } from '../journal/documents.ts';
import { checkBatch, checkBatchBytes } from './batch-limits.ts';
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
export async function openCosmosDocuments(account: CosmosAccount, now: () => number): Promise<CosmosDocuments> {
  const client = await connect(account);
  return new CosmosDocuments(client, client.database(account.database).container(account.container), now);
}

async function connect({ endpoint, credential }: CosmosAccount): Promise<CosmosClient> {
  const { CosmosClient } = await import('@azure/cosmos');
  return new CosmosClient({
    endpoint,
    ...('key' in credential ? { key: credential.key } : { aadCredentials: credential.token }),
    // Shorter than the SDK's minute and half minute: the caller has a retry of its own and a sweep behind it.
    connectionPolicy: {
      requestTimeout: 10_000,
      retryOptions: { maxRetryAttemptCount: 3, maxWaitTimeInSeconds: 5 },
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
  _etag: z.string(),
});
const dueItem = z.object({ partition: z.string(), id: z.string(), wakeAt: z.number() });
const batchAnswer = z.object({ result: z.array(z.object({ statusCode: z.number(), eTag: z.string().optional() })) });

export class CosmosDocuments implements Documents {
  readonly #client: CosmosClient;
  readonly #container: Container;
  readonly #now: () => number;

  constructor(client: CosmosClient, container: Container, now: () => number) {
    this.#client = client;
    this.#container = container;
    this.#now = now;
  }

  async read(partition: string, id: string): Promise<Found | undefined> {
    const answer = await this.#container.item(id, partition).read();
    if (answer.statusCode === 404) {
      // A missing container and a session that has not caught up are a 404 too, told apart by their sub-status.
      const subStatus = Number(answer.substatus ?? 0);
      if (subStatus !== 0) {
        throw new Error(`Cosmos DB answered 404/${subStatus} when asked for ${id} of ${partition}.`);
      }
      return undefined;
    }
    return foundOf(answer.resource);
  }

  async batch(partition: string, operations: readonly Operation[]): Promise<BatchOutcome> {
    checkBatch(partition, operations);
    const inputs = operations.map((operation) => this.#inputOf(operation));
    checkBatchBytes(
      partition,
      inputs.reduce((bytes, input) => bytes + ('resourceBody' in input ? Buffer.byteLength(JSON.stringify(input.resourceBody)) : 0), 0),
    );
    const etags = operations.map(() => '');
    // Cosmos fails a batch that deletes what is not there. Nothing is what the delete asks for, so it is sent again without.
    const sent = [...operations.keys()];
    while (sent.length > 0) {
      const answer = await this.#container.items.batch(
        sent.map((index) => at(inputs, index)),
        partition,
      );
      const { result } = batchAnswer.parse(answer);
      const failed = result.findIndex(({ statusCode }) => statusCode >= 400 && statusCode !== 424);
      if (failed === -1) {
        for (const [position, { eTag }] of result.entries()) {
          etags[at(sent, position)] = eTag ?? '';
        }
        break;
      }
      const index = at(sent, failed);
      const refusal = refusalOf(at(operations, index), at(result, failed).statusCode);
      if (refusal !== 'nothing to delete') {
        return { outcome: refusal, index };
      }
      sent.splice(failed, 1);
    }
    return { outcome: 'written', etags };
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
    return (await this.#container.items.query(query, options).fetchAll()).resources;
  }

  #inputOf(operation: Operation): OperationInput {
    switch (operation.op) {
      case 'create':
        return { operationType: 'Create', resourceBody: this.#itemOf(operation.document) };
      case 'upsert':
        return { operationType: 'Upsert', resourceBody: this.#itemOf(operation.document) };
      case 'replace':
        return {
          operationType: 'Replace',
          id: operation.document.id,
          ifMatch: operation.etag,
          resourceBody: this.#itemOf(operation.document),
        };
      case 'delete':
        return { operationType: 'Delete', id: operation.id };
    }
  }

  /** A copy, taken through JSON as it will be sent: the SDK serialises later than the caller handed it over. */
  #itemOf(document: StoredDocument): JSONObject {
    const { expiresAt } = document;
    // Whole seconds from the write, at least one; rounded up, for gone too early is worse than gone too late.
    const ttl = expiresAt === undefined ? undefined : Math.max(1, Math.ceil((expiresAt - this.#now()) / 1000));
    return JSON.parse(JSON.stringify({ ...storedDocument(document), ttl }));
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
  throw new Error(`Cosmos DB answered ${status} to ${operation.op} ${operation.op === 'delete' ? operation.id : operation.document.id}.`);
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
