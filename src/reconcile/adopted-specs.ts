/**
 * Specs as they are kept: one document a service, named by its content, in `spec/<mesh>`; and the list of meshes. They are
 * written before the one event that adopts them, and never changed.
 */
import type { Documents, Etag, JsonObject, StoredDocument } from '../journal/documents.ts';
import { loadHead } from '../journal/journal.ts';
import { HEAD_ID } from '../journal/stream.ts';
import { meshStream, meshStreamId } from '../spec/adoption.ts';
import { type MeshSpec, type ServiceSpec, serviceSpecSchema } from '../spec/schema.ts';

const MESHES = 'meshes';
const BATCH = 50;

export interface AdoptedMesh {
  readonly mesh: string;
  readonly spec: MeshSpec;
  readonly revision: string;
  /** The version of the mesh's stream that adopted it. */
  readonly specVersion: number;
  readonly services: readonly ServiceSpec[];
}

/** Writes what an adoption will name; harmless when it is there already. */
export async function keepSpecs(
  documents: Documents,
  mesh: string,
  specs: readonly { readonly hash: string; readonly spec: ServiceSpec }[],
): Promise<void> {
  const partition = `spec/${mesh}`;
  const operations = specs.map(({ hash, spec }) => {
    const body: JsonObject = JSON.parse(JSON.stringify(spec));
    return { op: 'upsert', document: { partition, id: hash, kind: 'service-spec', ordinal: 0, body } } as const;
  });
  for (let index = 0; index < operations.length; index += BATCH) await documents.batch(partition, operations.slice(index, index + BATCH));
  await knownMeshes(documents, [mesh]);
}

/** From then on they are among all meshes; at most 100 at once. */
export async function knownMeshes(documents: Documents, meshes: readonly string[]): Promise<void> {
  const operations = meshes.map(
    (mesh) => ({ op: 'upsert', document: { partition: MESHES, id: mesh, kind: 'mesh', ordinal: 0, body: {} } }) as const,
  );
  await documents.batch(MESHES, operations);
}

/** All of a mesh that were ever kept. */
export async function specDocuments(documents: Documents, mesh: string): Promise<readonly StoredDocument[]> {
  return (await documents.list({ partition: `spec/${mesh}`, kind: 'service-spec' })).map(({ document }) => document);
}

export async function readServiceSpec(documents: Documents, mesh: string, hash: string): Promise<ServiceSpec> {
  const found = await documents.read(`spec/${mesh}`, hash);
  if (!found) throw new Error(`The spec document ${hash.slice(0, 12)} of ${mesh} is missing.`);
  return serviceSpecSchema.parse(found.document.body);
}

/** Also those of which a spec was kept and none adopted. */
export async function listMeshes(documents: Documents): Promise<readonly string[]> {
  const found = await documents.list({ partition: MESHES, kind: 'mesh' });
  return found.map(({ document }) => document.id).sort();
}

/** Reads every adopted mesh. What was read of a head is kept until the head is another; a spec's content is its name. */
export function adoptedMeshes(documents: Documents): {
  all(): Promise<readonly AdoptedMesh[]>;
  one(mesh: string): Promise<AdoptedMesh | undefined>;
} {
  const known = new Map<string, { readonly etag: Etag; readonly adopted: AdoptedMesh; readonly specs: ReadonlyMap<string, ServiceSpec> }>();

  async function one(mesh: string): Promise<AdoptedMesh | undefined> {
    const before = known.get(mesh);
    if (before && (await documents.read(meshStreamId(mesh), HEAD_ID))?.etag === before.etag) return before.adopted;
    const { head, etag } = await loadHead(documents, meshStream, meshStreamId(mesh));
    const { spec, revision, specVersion, services } = head.state;
    if (!spec || revision === undefined || etag === undefined) return undefined;
    const read = async (hash: string) => [hash, before?.specs.get(hash) ?? (await readServiceSpec(documents, mesh, hash))] as const;
    const specs = new Map(await Promise.all(Object.values(services).map(read)));
    const adopted = { mesh, spec, revision, specVersion, services: [...specs.values()] };
    known.set(mesh, { etag, adopted, specs });
    return adopted;
  }

  return {
    one,
    async all() {
      const meshes = await Promise.all((await listMeshes(documents)).map(one));
      return meshes.filter((mesh) => mesh !== undefined);
    },
  };
}
