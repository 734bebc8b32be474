/**
 * The whole journal out of one installation and into an empty one, and its heads of a day out to where nobody changes them: every stream of every mesh, what its events name by
 * content, and how far the read model's sequence has come, so that it never goes back. Not in it: what was observed, what is
 * parked, refusals, and logs of leafs; what is observed comes again by itself.
 */
import { z } from 'zod';
import { type Anchors, anchorOf } from './journal/anchors.ts';
import { type ArchivedDocument, type ArchivedStream, archivedStreamSchema } from './journal/archive.ts';
import type { Documents, JsonObject, StoredDocument } from './journal/documents.ts';
import { type Restored, restoreCommits, restoreHead } from './journal/restore.ts';
import { HEAD_ID, headBodySchema } from './journal/stream.ts';
import { knownMeshes, listMeshes, specDocuments } from './reconcile/adopted-specs.ts';
import { modelPointer } from './reconcile/model.ts';
import { serviceStream, serviceStreamId } from './rollouts/service-stream.ts';
import { meshStream, meshStreamId } from './spec/adoption.ts';
import { trustStream, trustStreamId } from './trust/trust-stream.ts';

export type Restoring =
  | { readonly kind: 'documents'; readonly documents: readonly ArchivedDocument[] }
  | { readonly kind: 'commits'; readonly stream: string; readonly commits: readonly JsonObject[] }
  | { readonly kind: 'head'; readonly head: ArchivedStream }
  /** The last: from now on the meshes are there. */
  | { readonly kind: 'meshes'; readonly meshes: readonly string[] };

export type RestoreAnswer = Restored | { readonly ok: false; readonly reason: 'NotEmpty' | 'NotRestorable'; readonly message: string };

/** `nowhere`: nobody keeps anchors for this installation. `day`: of UTC, such as `2026-11-22`. */
export type Anchored =
  | { readonly outcome: 'written'; readonly day: string; readonly streams: number }
  | { readonly outcome: 'there'; readonly day: string }
  | { readonly outcome: 'nowhere' };

export interface Archive {
  /** By what each stream's head is now; meshes, then trust, then services. */
  streams(): Promise<readonly ArchivedStream[]>;
  /** As they are stored, `version > after`, oldest first. */
  commits(stream: string, after: number, limit: number): Promise<readonly JsonObject[]>;
  documents(mesh: string): Promise<readonly ArchivedDocument[]>;
  restore(step: Restoring): Promise<RestoreAnswer>;
  /** Writes down what every head is now, as the anchor of this day; one that the day has already stays. */
  anchor(): Promise<Anchored>;
}

const adoptionSchema = z.object({ type: z.literal('SpecAdopted'), services: z.record(z.string(), z.unknown()) });
const eventsSchema = z.object({ events: z.array(z.unknown()) });

export interface Archiving {
  readonly documents: Documents;
  readonly now: () => number;
  /** Left out: there is no place that keeps them unchanged. */
  readonly anchors?: Anchors;
}

export function archive({ documents, now, anchors }: Archiving): Archive {
  async function headOf(stream: string): Promise<ArchivedStream | undefined> {
    const found = await documents.read(stream, HEAD_ID);
    if (!found) return undefined;
    const { version, hash, pending } = headBodySchema.parse(found.document.body);
    return version === 0 ? undefined : { stream, version, hash, pending };
  }

  const commits = async (stream: string, after: number, limit?: number): Promise<readonly JsonObject[]> => {
    const found = await documents.list({ partition: stream, kind: 'commit', after, ...(limit === undefined ? {} : { limit }) });
    return found.map(({ document }) => document.body);
  };

  /** Also of services that no spec names any more. */
  async function servicesEver(mesh: string): Promise<readonly string[]> {
    const adoptions = (await commits(meshStreamId(mesh), 0)).flatMap((commit) => eventsSchema.parse(commit).events);
    const names = adoptions.flatMap((event) => Object.keys(adoptionSchema.safeParse(event).data?.services ?? {}));
    return [...new Set(names)].sort();
  }

  async function restoreDocuments(archived: readonly ArchivedDocument[]): Promise<RestoreAnswer> {
    const [first] = archived;
    if (!first) return { ok: true };
    const restorable = archived.every(({ partition, kind }) => partition === first.partition && RESTORABLE.test(`${partition} ${kind}`));
    if (!restorable) {
      const message = 'Only specs and pointers of the model are restored as documents, those of one partition at once.';
      return { ok: false, reason: 'NotRestorable', message };
    }
    await documents.batch(
      first.partition,
      archived.map((document) => ({ op: 'upsert', document }) as const),
    );
    return { ok: true };
  }

  async function restoreOne(head: ArchivedStream): Promise<RestoreAnswer> {
    const [kind] = head.stream.split('/');
    if (kind === 'mesh') return restoreHead(documents, meshStream, head, now(), () => []);
    if (kind === 'trust') return restoreHead(documents, trustStream, head, now(), () => []);
    // Nothing of the read model is restored: every data plane is brought what the service is at, and the model with it.
    return restoreHead(documents, serviceStream, head, now(), ({ spec }) =>
      (spec?.dataPlanes ?? []).map((target) => ({ kind: 'serve', target })),
    );
  }

  async function streams(): Promise<readonly ArchivedStream[]> {
    const meshes = await listMeshes(documents);
    const ofMeshes = await Promise.all(
      meshes.map(async (mesh) => [
        meshStreamId(mesh),
        trustStreamId(mesh),
        ...(await servicesEver(mesh)).map((service) => serviceStreamId(mesh, service)),
      ]),
    );
    const heads = await Promise.all(ofMeshes.flat().map(headOf));
    return heads.filter((head) => head !== undefined);
  }

  return {
    streams,
    commits,
    async documents(mesh) {
      const found: StoredDocument[] = [...(await specDocuments(documents, mesh)), ...(await modelPointer(documents, mesh))];
      return found.map(({ partition, id, kind, ordinal, body }) => ({ partition, id, kind, ordinal, body }));
    },
    async restore(step) {
      // Until its last step, nobody but this knows of anything that is restored.
      if ((await listMeshes(documents)).length > 0) {
        const message = 'There are meshes here already; a journal is restored into an empty installation only.';
        return { ok: false, reason: 'NotEmpty', message };
      }
      switch (step.kind) {
        case 'documents':
          return restoreDocuments(step.documents);
        case 'commits':
          return restoreCommits(documents, step.stream, step.commits);
        case 'head':
          return restoreOne(archivedStreamSchema.parse(step.head));
        case 'meshes':
          await knownMeshes(documents, step.meshes);
          return { ok: true };
      }
    },
    async anchor() {
      if (!anchors) return { outcome: 'nowhere' };
      const heads = (await streams()).map(({ stream, version, hash }) => ({ stream, version, hash }));
      const { day, text } = anchorOf(now(), heads);
      const outcome = await anchors.write(day, text);
      return outcome === 'written' ? { outcome, day, streams: heads.length } : { outcome, day };
    },
  };
}

const RESTORABLE = /^(spec\/[^/]+ service-spec|model\/[^/]+ pointer)$/;
