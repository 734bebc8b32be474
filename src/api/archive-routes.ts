/** Routes by which the journal goes out of one installation and into an empty one: see `src/archive.ts`. */
import { z } from 'zod';
import type { Restoring } from '../archive.ts';
import { archivedDocumentSchema, archivedStreamSchema, storedCommitSchema } from '../journal/archive.ts';
import { nameSchema } from '../spec/names.ts';
import { page } from './asked-parts.ts';
import { type Access, defineRoute, ONE_MIB, PLAIN } from './route.ts';

const access: Access = { kind: 'role', role: 'Admin', within: 'installation' };
const stream = z.string().min(1).max(512);
/** What one batch of a store holds. */
const AT_ONCE = 100;

const restoring: z.ZodType<Restoring> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('documents'), documents: z.array(archivedDocumentSchema).min(1).max(AT_ONCE) }),
  z.object({ kind: z.literal('commits'), stream, commits: z.array(storedCommitSchema).min(1).max(AT_ONCE) }),
  z.object({ kind: z.literal('head'), head: archivedStreamSchema }),
  z.object({ kind: z.literal('meshes'), meshes: z.array(nameSchema).max(AT_ONCE) }),
]);

export const archiveRoutes = {
  archive: defineRoute({
    ...PLAIN,
    name: 'archive',
    method: 'GET',
    path: 'archive',
    summary: 'Every stream of the journal with its head, for an export.',
    access,
  }),
  archivedCommits: defineRoute({
    ...PLAIN,
    name: 'archivedCommits',
    method: 'GET',
    path: 'archive/commits',
    summary: 'Commits of a stream as they are stored, after a version.',
    access,
    query: page(AT_ONCE, AT_ONCE).extend({ stream }),
    wrong: { reason: 'NotAPage', message: 'Give stream, after as a version, and limit as a number up to 100.' },
  }),
  archivedDocuments: defineRoute({
    ...PLAIN,
    name: 'archivedDocuments',
    method: 'GET',
    path: 'archive/documents',
    summary: "What a mesh's events name by its content, and how far its model has come.",
    access,
    query: z.object({ mesh: nameSchema }),
    wrong: { reason: 'NotAMesh', message: 'Give mesh as a name.' },
  }),
  restore: defineRoute({
    ...PLAIN,
    name: 'restore',
    method: 'POST',
    path: 'archive',
    summary: 'Takes a part of an archive into an installation that has no mesh yet; the last part names the meshes.',
    access,
    body: restoring,
    wrong: { reason: 'NotOfAnArchive', message: 'Send documents, commits, a head or meshes, as `meshwright journal import` does.' },
    mostBytes: 4 * ONE_MIB,
  }),
};
