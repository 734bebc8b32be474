/**
 * The read model: what data planes, page, drift and export read. Partition `model/<mesh>` holds a fragment per service,
 * the endpoints of each data plane that has no other place for them, and a pointer that is only a sequence number; a write
 * moves the pointer in the same batch. Readers ask for `sequence > mine`.
 * The fence: a fragment of a lower revision never overwrites one of a higher.
 */
import { z } from 'zod';
import type { Documents, Found, JsonObject, Operation, StoredDocument } from '../journal/documents.ts';
import { race } from '../journal/races.ts';
import type { ServicePlan } from '../plan/plan.ts';
import { servicePlanSchema } from '../plan/stored-plan.ts';

export interface Fragment {
  readonly mesh: string;
  readonly service: string;
  /** The version of the service's head it was made from. */
  readonly revision: number;
  /** Place in the order of the mesh's changes. */
  readonly sequence: number;
  /** `null`: the service is gone. */
  readonly plan: ServicePlan | null;
}

/** Of what is taken along in one batch; a store takes 100 operations and 2 MB. */
const TOGETHER = 50;
const TOGETHER_BYTES = 1024 * 1024;
export const POINTER_ID = 'pointer';
export const partitionOf = (mesh: string): string => `model/${mesh}`;
const fragmentId = (service: string): string => `fragment~${service}`;
const endpointsId = (dataPlane: string): string => `endpoints~${dataPlane}`;

/** What the model holds of a service. */
interface Written {
  readonly revision: number;
  readonly sequence: number;
}

const bodySchema = z.object({ service: z.string(), revision: z.number(), plan: servicePlanSchema.nullable() });
const stampSchema = z.object({ service: z.string(), revision: z.number() });
const placeSchema = z.object({ plan: z.object({ namespace: z.string(), dataPlanes: z.array(z.string()) }) });

/** The newest sequence of the mesh; 0 before the first. One point read. */
export async function readPointer(documents: Documents, mesh: string): Promise<number> {
  return (await documents.read(partitionOf(mesh), POINTER_ID))?.document.ordinal ?? 0;
}

/** A fragment that this build does not understand: newer functions may have written it. */
export interface UnreadableFragment extends Pick<Fragment, 'service' | 'sequence'> {
  /** Where its plan still says so. */
  readonly namespace?: string;
  readonly dataPlanes?: readonly string[];
  readonly message: string;
}

/** By rising sequence. One that cannot be read goes to `unreadable` and keeps nobody from the others; without it, it throws a ZodError. */
export async function fragmentsSince(
  documents: Documents,
  mesh: string,
  sequence: number,
  unreadable?: (fragment: UnreadableFragment) => void,
): Promise<readonly Fragment[]> {
  const found = await documents.list({ partition: partitionOf(mesh), kind: 'fragment', after: sequence });
  return found.flatMap((each) => {
    const body = bodySchema.safeParse(each.document.body);
    if (body.success) return [{ mesh, ...body.data, sequence: each.document.ordinal }];
    if (!unreadable) throw body.error;
    unreadable(toUnreadable(each, z.prettifyError(body.error)));
    return [];
  });
}

export async function readFragment(documents: Documents, mesh: string, service: string): Promise<Fragment | undefined> {
  const found = await documents.read(partitionOf(mesh), fragmentId(service));
  return found ? toFragment(mesh, found) : undefined;
}

/** Of what was decided last for a service, whether this build can read it or not; 0: nothing is. */
export async function decidedRevision(documents: Documents, mesh: string, service: string): Promise<number> {
  const found = await documents.read(partitionOf(mesh), fragmentId(service));
  return found ? stampSchema.parse(found.document.body).revision : 0;
}

interface Wanted {
  readonly service: string;
  readonly revision: number;
  readonly body: JsonObject;
  readonly bytes: number;
  written?: Written;
}

/** By store and mesh: what waits to be written. Whoever comes to write takes it along, since all of it moves the one pointer. */
const wanted = new WeakMap<Documents, Map<string, Set<Wanted>>>();

/**
 * Answers with what the model holds afterwards: this revision, or the newer one that was there. `waits`: for other writers
 * of this process, where there are many; a way back does not.
 */
export async function writeFragment(
  documents: Documents,
  made: { readonly mesh: string; readonly service: string; readonly revision: number; readonly plan: ServicePlan | null },
  waits = true,
): Promise<Written> {
  const { mesh, service, revision, plan } = made;
  const partition = partitionOf(mesh);
  const text = JSON.stringify({ service, revision, plan });
  const mine: Wanted = { service, revision, body: JSON.parse(text), bytes: Buffer.byteLength(text) };
  const meshes = wanted.get(documents) ?? new Map<string, Set<Wanted>>();
  wanted.set(documents, meshes);
  const waiting = meshes.get(partition) ?? new Set<Wanted>();
  meshes.set(partition, waiting.add(mine));
  const otherwise = `The model of ${mesh} is being written by others without pause; the fragment of ${service} will be tried again.`;
  try {
    const attempt = async (): Promise<Written | undefined> => {
      if (!mine.written) await writeTogether(documents, partition, batchFor(mine, waiting));
      return mine.written;
    };
    return await race(documents, partition, otherwise, attempt, waits);
  } finally {
    waiting.delete(mine);
    if (waiting.size === 0 && meshes.get(partition) === waiting) meshes.delete(partition);
  }
}

/** `mine` and as many others as go into one batch. */
function batchFor(mine: Wanted, waiting: ReadonlySet<Wanted>): readonly Wanted[] {
  const together = [mine];
  let bytes = mine.bytes;
  for (const other of waiting) {
    bytes += other === mine ? 0 : other.bytes;
    if (together.length === TOGETHER || bytes > TOGETHER_BYTES) break;
    if (other !== mine && !other.written) together.push(other);
  }
  return together;
}

/** Tells each of `together` what the model holds of it, unless somebody else moved the pointer first. */
async function writeTogether(documents: Documents, partition: string, together: readonly Wanted[]): Promise<void> {
  // The pointer is read first: whoever wrote a fragment after this read has moved it, and the batch below fails.
  const pointer = await documents.read(partition, POINTER_ID);
  let sequence = pointer?.document.ordinal ?? 0;
  const held = new Map<string, Written>();
  const operations: Operation[] = [];
  for (const { service, revision, body } of together.toSorted((a, b) => b.revision - a.revision)) {
    if (held.has(service)) continue;
    const current = await documents.read(partition, fragmentId(service));
    const stored = current ? stampSchema.parse(current.document.body).revision : 0;
    if (current && stored >= revision) {
      held.set(service, { revision: stored, sequence: current.document.ordinal });
      continue;
    }
    sequence += 1;
    held.set(service, { revision, sequence });
    operations.push({ op: 'upsert', document: { partition, id: fragmentId(service), kind: 'fragment', ordinal: sequence, body } });
  }
  if (operations.length > 0) {
    const outcome = await documents.batch(partition, [movedPointer(partition, pointer, sequence), ...operations]);
    if (outcome.outcome !== 'written') return;
  }
  for (const each of together) {
    const written = held.get(each.service);
    if (written) each.written = written;
  }
}

/** What a data plane's endpoints are, in its own words (`body`); answers with the sequence that holds them. */
export async function writeEndpoints(documents: Documents, mesh: string, dataPlane: string, body: JsonObject): Promise<number> {
  const partition = partitionOf(mesh);
  const otherwise = `The model of ${mesh} is being written by others without pause; the endpoints of ${dataPlane} will be tried again.`;
  return race(documents, partition, otherwise, async () => {
    const pointer = await documents.read(partition, POINTER_ID);
    const sequence = (pointer?.document.ordinal ?? 0) + 1;
    const document: StoredDocument = { partition, id: endpointsId(dataPlane), kind: 'endpoints', ordinal: sequence, body };
    const outcome = await documents.batch(partition, [movedPointer(partition, pointer, sequence), { op: 'upsert', document }]);
    return outcome.outcome === 'written' ? sequence : undefined;
  });
}

export async function readEndpoints(documents: Documents, mesh: string, dataPlane: string): Promise<JsonObject | undefined> {
  return (await documents.read(partitionOf(mesh), endpointsId(dataPlane)))?.document.body;
}

/** How far its sequence has come, as it is stored; none where nothing was written yet. */
export async function modelPointer(documents: Documents, mesh: string): Promise<readonly StoredDocument[]> {
  const pointer = await documents.read(partitionOf(mesh), POINTER_ID);
  return pointer ? [pointer.document] : [];
}

/** Whatever is written into the model goes in one batch with this: whoever else read the same pointer fails. */
export function movedPointer(partition: string, pointer: Found | undefined, sequence: number): Operation {
  const document: StoredDocument = { partition, id: POINTER_ID, kind: 'pointer', ordinal: sequence, body: {} };
  return pointer ? { op: 'replace', document, etag: pointer.etag } : { op: 'create', document };
}

function toFragment(mesh: string, found: Found): Fragment {
  const { service, revision, plan } = bodySchema.parse(found.document.body);
  return { mesh, service, revision, sequence: found.document.ordinal, plan };
}

function toUnreadable({ document }: Found, message: string): UnreadableFragment {
  const place = placeSchema.safeParse(document.body);
  const service = document.id.slice(fragmentId('').length);
  return { service, sequence: document.ordinal, message, ...(place.success ? place.data.plan : {}) };
}
