/**
 * The read model: what data planes, page, drift and export read. Partition `model/<mesh>` holds a fragment per service,
 * the endpoints of each data plane that has no other place for them, and a pointer that is only a sequence number; a write
 * moves the pointer in the same batch. Readers ask for `sequence > mine`.
 * The fence: a fragment of a lower revision never overwrites one of a higher.
 */
import { z } from 'zod';
import type { Documents, Found, JsonObject, Operation, StoredDocument } from '../journal/documents.ts';
import { ContentionError } from '../journal/journal.ts';
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

const MAX_CONFLICTS = 200;
const POINTER_ID = 'pointer';
const partitionOf = (mesh: string): string => `model/${mesh}`;
const fragmentId = (service: string): string => `fragment~${service}`;
const endpointsId = (dataPlane: string): string => `endpoints~${dataPlane}`;

const bodySchema = z.object({ service: z.string(), revision: z.number(), plan: servicePlanSchema.nullable() });
const stampSchema = z.object({ service: z.string(), revision: z.number() });

/** The newest sequence of the mesh; 0 before the first. One point read. */
export async function readPointer(documents: Documents, mesh: string): Promise<number> {
  return (await documents.read(partitionOf(mesh), POINTER_ID))?.document.ordinal ?? 0;
}

/** By rising sequence. */
export async function fragmentsSince(documents: Documents, mesh: string, sequence: number): Promise<readonly Fragment[]> {
  const found = await documents.list({ partition: partitionOf(mesh), kind: 'fragment', after: sequence });
  return found.map((each) => toFragment(mesh, each));
}

export async function readFragment(documents: Documents, mesh: string, service: string): Promise<Fragment | undefined> {
  const found = await documents.read(partitionOf(mesh), fragmentId(service));
  return found ? toFragment(mesh, found) : undefined;
}

/** Answers with what the model holds afterwards: this revision, or the newer one that was there. */
export async function writeFragment(
  documents: Documents,
  made: { readonly mesh: string; readonly service: string; readonly revision: number; readonly plan: ServicePlan | null },
): Promise<{ readonly revision: number; readonly sequence: number }> {
  const { mesh, service, revision, plan } = made;
  const partition = partitionOf(mesh);
  for (let conflicts = 0; conflicts < MAX_CONFLICTS; conflicts += 1) {
    // The pointer is read first: whoever wrote a fragment after this read has moved it, and the batch below fails.
    const pointer = await documents.read(partition, POINTER_ID);
    const current = await documents.read(partition, fragmentId(service));
    const stored = current ? stampSchema.parse(current.document.body).revision : 0;
    if (current && stored >= revision) return { revision: stored, sequence: current.document.ordinal };
    const sequence = (pointer?.document.ordinal ?? 0) + 1;
    const body: JsonObject = JSON.parse(JSON.stringify({ service, revision, plan }));
    const document: StoredDocument = { partition, id: fragmentId(service), kind: 'fragment', ordinal: sequence, body };
    const outcome = await documents.batch(partition, [movedPointer(partition, pointer, sequence), { op: 'upsert', document }]);
    if (outcome.outcome === 'written') return { revision, sequence };
  }
  throw new ContentionError(
    `The model of ${mesh} is being written by others without pause; the fragment of ${service} will be tried again.`,
  );
}

/** What a data plane's endpoints are, in its own words (`body`); answers with the sequence that holds them. */
export async function writeEndpoints(documents: Documents, mesh: string, dataPlane: string, body: JsonObject): Promise<number> {
  const partition = partitionOf(mesh);
  for (let conflicts = 0; conflicts < MAX_CONFLICTS; conflicts += 1) {
    const pointer = await documents.read(partition, POINTER_ID);
    const sequence = (pointer?.document.ordinal ?? 0) + 1;
    const document: StoredDocument = { partition, id: endpointsId(dataPlane), kind: 'endpoints', ordinal: sequence, body };
    const outcome = await documents.batch(partition, [movedPointer(partition, pointer, sequence), { op: 'upsert', document }]);
    if (outcome.outcome === 'written') return sequence;
  }
  throw new ContentionError(
    `The model of ${mesh} is being written by others without pause; the endpoints of ${dataPlane} will be tried again.`,
  );
}

export async function readEndpoints(documents: Documents, mesh: string, dataPlane: string): Promise<JsonObject | undefined> {
  return (await documents.read(partitionOf(mesh), endpointsId(dataPlane)))?.document.body;
}

function movedPointer(partition: string, pointer: Found | undefined, sequence: number): Operation {
  const document: StoredDocument = { partition, id: POINTER_ID, kind: 'pointer', ordinal: sequence, body: {} };
  return pointer ? { op: 'replace', document, etag: pointer.etag } : { op: 'create', document };
}

function toFragment(mesh: string, found: Found): Fragment {
  const { service, revision, plan } = bodySchema.parse(found.document.body);
  return { mesh, service, revision, sequence: found.document.ordinal, plan };
}
