/**
 * What was seen at the data planes: documents with an end, last write wins, one a node and watcher, one for whom that would have
 * refused and one a service's readiness, written by whoever watches (the xds server) under its own heartbeat. They are not events; only their edge is a command.
 */
import { z } from 'zod';
import type { Documents, JsonObject, Operation } from '../journal/documents.ts';
import { sha256 } from '../journal/hash.ts';
import { fingerprintSchema } from '../trust/certificates.ts';

/** After this long an observation is gone from the store; who still sees the same tells it again before. */
export const OBSERVED_MS = 24 * 3_600_000;
const BATCH = 100;
/** Callers make them long. */
const BATCH_OF_REFUSALS = 40;

const nodeSchema = z.object({
  node: z.string(),
  /** Which watcher saw it. */
  via: z.string(),
  /** The newest sequence it serves, but for what it goes without. */
  served: z.number(),
  /** The service before whose workload it stands, where that is planned and its watcher hears whom it would refuse. */
  service: z.string().exactOptional(),
  /** Services, by their names towards the node: what it refuses of `served`. Absent: nothing. */
  without: z.array(z.string()).exactOptional(),
  /** What it refused last, until it serves everything. */
  rejected: z.object({ sequence: z.number(), message: z.string() }).exactOptional(),
  /** Absent: it has no identity. Roots by fingerprint, as they were served to it; empty where its bundle is a file of its own. */
  bundle: z
    .object({
      /** Of what it was sent last, and of what it had then. */
      offered: z.array(fingerprintSchema),
      /** Of what it has accepted. */
      accepted: z.array(fingerprintSchema),
      /** The last bundle that it did not take. */
      refused: z.object({ roots: z.array(fingerprintSchema), message: z.string() }).exactOptional(),
    })
    .exactOptional(),
  /** Epoch ms; set when it went away. */
  goneAt: z.number().exactOptional(),
});
export type NodeObservation = Readonly<z.infer<typeof nodeSchema>>;

const refusalsSchema = z.object({
  node: z.string(),
  via: z.string(),
  service: z.string(),
  /** Epoch ms: when this watcher began to count for the service. */
  since: z.number(),
  refused: z.number(),
  /** Of these, by caller; the rest is of others. */
  callers: z.array(z.object({ caller: z.string(), refused: z.number() })),
});
/** What a node would have refused of one service, were that strict. */
export type RefusalsObservation = Readonly<z.infer<typeof refusalsSchema>>;

const readinessSchema = z.object({ service: z.string(), via: z.string(), versions: z.record(z.string(), z.enum(['ready', 'none'])) });
/** Versions that are absent are unknown. */
export type ReadinessObservation = Readonly<z.infer<typeof readinessSchema>>;

const watcherSchema = z.object({ via: z.string(), aliveUntil: z.number() });

export const partitionOf = (mesh: string, dataPlane: string): string => `observations/${mesh}/${dataPlane}`;
export const idOf = (kind: string, name: string): string => `${kind}~${sha256(name).slice(0, 32)}`;

export function upsert(
  partition: string,
  kind: string,
  name: string,
  now: number,
  observed: object,
  expiresAt = now + OBSERVED_MS,
): Extract<Operation, { op: 'upsert' }> {
  const body: JsonObject = JSON.parse(JSON.stringify(observed));
  return { op: 'upsert', document: { partition, id: idOf(kind, name), kind, ordinal: now, expiresAt, body } };
}

async function put(documents: Documents, partition: string, kind: string, name: string, now: number, observed: object): Promise<void> {
  await documents.batch(partition, [upsert(partition, kind, name, now, observed)]);
}

export interface Place {
  readonly mesh: string;
  readonly dataPlane: string;
}

/**
 * Any number of nodes; each of them is one document of this watcher's: no word of one watcher's takes away another's. Batches
 * go out together: the embedded store takes them in one transaction.
 */
export async function putNodes(
  documents: Documents,
  { mesh, dataPlane }: Place,
  observed: readonly NodeObservation[],
  now: number,
): Promise<void> {
  const partition = partitionOf(mesh, dataPlane);
  const operations = observed.map((each) => upsert(partition, 'node', JSON.stringify([each.node, each.via]), now, each));
  await inBatches(documents, partition, operations, BATCH);
}

export async function inBatches(documents: Documents, partition: string, operations: readonly Operation[], size: number): Promise<void> {
  const batches = Array.from({ length: Math.ceil(operations.length / size) }, (_, index) =>
    documents.batch(partition, operations.slice(index * size, (index + 1) * size)),
  );
  await Promise.all(batches);
}

/** One document a node, watcher and service, as `putNodes`. */
export async function putRefusals(
  documents: Documents,
  { mesh, dataPlane }: Place,
  observed: readonly RefusalsObservation[],
  now: number,
): Promise<void> {
  const partition = partitionOf(mesh, dataPlane);
  const nameOf = ({ node, via, service }: RefusalsObservation) => JSON.stringify([node, via, service]);
  const operations = observed.map((each) => upsert(partition, 'refusals', nameOf(each), now, each));
  await inBatches(documents, partition, operations, BATCH_OF_REFUSALS);
}

/** Also of nodes and watchers that are gone: what was counted was. */
export async function refusalsOf(
  documents: Documents,
  { mesh, dataPlane }: Place,
  service: string,
  now: number,
): Promise<readonly RefusalsObservation[]> {
  const found = await documents.list({ partition: partitionOf(mesh, dataPlane), kind: 'refusals' });
  const lasting = found.filter(({ document }) => (document.expiresAt ?? 0) > now);
  return lasting.map(({ document }) => refusalsSchema.parse(document.body)).filter((each) => each.service === service);
}

export const putNode = (documents: Documents, place: Place, observed: NodeObservation, now: number): Promise<void> =>
  putNodes(documents, place, [observed], now);

export const putReadiness = (
  documents: Documents,
  { mesh, dataPlane }: Place,
  observed: ReadinessObservation,
  now: number,
): Promise<void> => put(documents, partitionOf(mesh, dataPlane), 'readiness', observed.service, now, observed);

/** `aliveUntil` (epoch ms): what this watcher saw counts no longer than that. */
export const putWatcher = (
  documents: Documents,
  { mesh, dataPlane }: Place,
  observed: { via: string; aliveUntil: number },
  now: number,
): Promise<void> => put(documents, partitionOf(mesh, dataPlane), 'watcher', observed.via, now, observed);

/** By watcher: until when (epoch ms) what it saw counts. */
async function watchersOf(documents: Documents, partition: string): Promise<ReadonlyMap<string, number>> {
  const found = await documents.list({ partition, kind: 'watcher' });
  return new Map(found.map(({ document }) => watcherSchema.parse(document.body)).map(({ via, aliveUntil }) => [via, aliveUntil]));
}

/**
 * Every node that was seen, those that went away included. A node whose watcher fell silent is gone from then on: it still
 * serves what it had, so it leaves the count no sooner than one that went away itself. A node that came from one watcher to
 * another is where it is present, whatever the one that it left says later, and when; where both see it, the last word counts.
 */
export async function nodesOf(documents: Documents, { mesh, dataPlane }: Place, now: number): Promise<readonly NodeObservation[]> {
  const partition = partitionOf(mesh, dataPlane);
  const watchers = await watchersOf(documents, partition);
  const found = await documents.list({ partition, kind: 'node' });
  const seen = found.map(({ document }): NodeObservation => {
    const node = nodeSchema.parse(document.body);
    const seenUntil = watchers.get(node.via) ?? 0;
    return seenUntil > now ? node : { ...node, goneAt: Math.min(seenUntil, node.goneAt ?? seenUntil) };
  });
  // Listed by when they were written.
  const newest = new Map<string, NodeObservation>();
  for (const one of seen) {
    const other = newest.get(one.node);
    const last = !other || leftAt(one) >= leftAt(other) ? one : other;
    newest.set(one.node, other ? withOffered(last, other === last ? one : other) : last);
  }
  return [...newest.values()];
}

/** What one watcher has served to a node was served to it, whoever sees it now. */
function withOffered(node: NodeObservation, elsewhere: NodeObservation): NodeObservation {
  if (!node.bundle || !elsewhere.bundle) return node;
  const offered = [...new Set([...node.bundle.offered, ...elsewhere.bundle.offered])];
  return { ...node, bundle: { ...node.bundle, offered } };
}

const leftAt = ({ goneAt = Number.POSITIVE_INFINITY }: NodeObservation): number => goneAt;

/** By version; absent = unknown. */
export async function readinessOf(
  documents: Documents,
  { mesh, dataPlane }: Place,
  service: string,
  now: number,
): Promise<Readonly<Record<string, 'ready' | 'none'>>> {
  const partition = partitionOf(mesh, dataPlane);
  const found = await documents.read(partition, idOf('readiness', service));
  if (!found) return {};
  const { via, versions } = readinessSchema.parse(found.document.body);
  return ((await watchersOf(documents, partition)).get(via) ?? 0) > now ? versions : {};
}
