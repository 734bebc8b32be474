/**
 * `meshwright journal export`, `verify` and `import`: the journal into a file of JSON Lines, a file held against its own
 * chains, and a file that holds into an empty installation. Nothing is sent of an archive that does not verify to its end.
 */
import { open, rename, rm } from 'node:fs/promises';
import { z } from 'zod';
import {
  type ArchivedDocument,
  type ArchivedStream,
  type ArchiveLine,
  ArchiveReader,
  type ArchiveSummary,
  ArchiveWriter,
  archivedDocumentSchema,
  archivedStreamSchema,
  storedCommitSchema,
} from '../journal/archive.ts';
import { type ChainedCommit, holdAgainst, readAnchors } from './anchoring.ts';
import type { Connection } from './connection.ts';
import { Failure } from './failure.ts';
import { instantText } from './status-text.ts';
import type { Terminal } from './terminal.ts';

const PAGE = 100;
const MOST_AT_ONCE = 50;
const MOST_BYTES_AT_ONCE = 512 * 1024;

const streamsSchema = z.object({ streams: z.array(archivedStreamSchema) });
const commitsSchema = z.object({ commits: z.array(storedCommitSchema) });
const documentsSchema = z.object({ documents: z.array(archivedDocumentSchema) });
const linkSchema = z.object({ version: z.number(), hash: z.string() });
const restoredSchema = z.object({ ok: z.literal(true) });

/** A file that is there already is not written over. */
export async function exportJournal(connection: Connection, terminal: Terminal, file: string): Promise<void> {
  // Before the heads are asked for: an anchor that is no newer has nothing that the file has not.
  const at = terminal.now();
  const { streams } = await connection.get('archive', streamsSchema);
  const unfinished = `${file}.unfinished`;
  await open(file, 'wx').then(
    (handle) => handle.close(),
    (error: unknown) => {
      throw new Failure(`${file} cannot be written: ${error instanceof Error ? error.message : error}.`);
    },
  );
  const handle = await open(unfinished, 'w');
  try {
    for await (const line of linesOf(connection, streams, at)) await handle.write(`${line}\n`);
    await handle.sync();
    await handle.close();
    await rename(unfinished, file);
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(unfinished, { force: true });
    await rm(file, { force: true });
    throw error;
  }
  terminal.out(summaryText(file, await verified(file)));
}

async function* linesOf(connection: Connection, streams: readonly ArchivedStream[], at: number): AsyncGenerator<string> {
  const writer = new ArchiveWriter();
  yield writer.begin(at);
  for (const stream of streams) {
    yield writer.line({ kind: 'stream', ...stream });
    for (let after = 0; after < stream.version; ) {
      // What is decided meanwhile belongs to the next export: the stream ends where its head was.
      const limit = Math.min(PAGE, stream.version - after);
      const path = `archive/commits?stream=${encodeURIComponent(stream.stream)}&after=${after}&limit=${limit}`;
      const { commits } = await connection.get(path, commitsSchema);
      if (commits.length === 0) throw new Failure(`The commits of ${stream.stream} end at ${after}, and its head is at ${stream.version}.`);
      for (const body of commits) yield writer.line({ kind: 'commit', stream: stream.stream, body });
      after += commits.length;
    }
  }
  for (const mesh of meshesOf(streams)) {
    const { documents } = await connection.get(`archive/documents?mesh=${encodeURIComponent(mesh)}`, documentsSchema);
    for (const document of documents) yield writer.line({ kind: 'document', document });
  }
  yield writer.end();
}

/** `anchors`: the folder or the container's address that they are in; left out: the file's own chains alone. */
export async function verifyJournal(terminal: Terminal, file: string, { anchors }: { readonly anchors?: string }): Promise<void> {
  const read = anchors === undefined ? undefined : await readAnchors(anchors, terminal.environment);
  const summary = await verified(file);
  const held = read && (await holdAgainst(read, summary.exportedAt, commitsIn(file)));
  terminal.out([summaryText(file, summary), held].filter(Boolean).join(' '));
}

async function* commitsIn(file: string): AsyncGenerator<ChainedCommit> {
  for await (const { line } of readLines(file)) {
    if (line.kind === 'commit') yield { stream: line.stream, ...linkSchema.parse(line.body) };
  }
}

export async function importJournal(connection: Connection, terminal: Terminal, file: string): Promise<void> {
  const summary = await verified(file);
  const send = (step: object) => connection.post('archive', step, restoredSchema);
  const streams: ArchivedStream[] = [];
  let commits: { readonly stream: string; readonly bodies: z.infer<typeof storedCommitSchema>[]; bytes: number } | undefined;
  const flush = async (): Promise<void> => {
    if (commits && commits.bodies.length > 0) await send({ kind: 'commits', stream: commits.stream, commits: commits.bodies });
    commits = undefined;
  };
  const documents = new Map<string, ArchivedDocument[]>();
  for await (const { line, bytes } of readLines(file)) {
    if (line.kind === 'commit') {
      if (commits && (commits.bodies.length >= MOST_AT_ONCE || commits.bytes + bytes > MOST_BYTES_AT_ONCE)) await flush();
      commits ??= { stream: line.stream, bodies: [], bytes: 0 };
      commits.bodies.push(line.body);
      commits.bytes += bytes;
      continue;
    }
    await flush();
    if (line.kind === 'stream') streams.push(archivedStreamSchema.parse(line));
    if (line.kind === 'document')
      documents.set(line.document.partition, [...(documents.get(line.document.partition) ?? []), line.document]);
  }
  for (const ofPartition of documents.values()) {
    for (const document of ofPartition) await send({ kind: 'documents', documents: [document] });
  }
  for (const head of streams) await send({ kind: 'head', head });
  const meshes = meshesOf(streams);
  for (let index = 0; index < meshes.length; index += PAGE) await send({ kind: 'meshes', meshes: meshes.slice(index, index + PAGE) });
  terminal.out(`${summaryText(file, summary)} It is restored; what each service is at is brought to its data planes within a minute.`);
}

const meshesOf = (streams: readonly ArchivedStream[]): readonly string[] =>
  streams.flatMap(({ stream }) => (stream.startsWith('mesh/') ? [stream.slice('mesh/'.length)] : []));

/** @throws Failure with the first thing that is wrong, and in which line. */
async function verified(file: string): Promise<ArchiveSummary> {
  const reader = new ArchiveReader();
  for await (const _ of readLines(file, reader));
  const summary = reader.finish();
  if ('reason' in summary) throw new Failure(`${file}, line ${summary.line}: ${summary.message}`);
  return summary;
}

async function* readLines(
  file: string,
  reader = new ArchiveReader(),
): AsyncGenerator<{ readonly line: ArchiveLine; readonly bytes: number }> {
  const handle = await open(file).catch((error: unknown) => {
    throw new Failure(`${file} cannot be read: ${error instanceof Error ? error.message : error}.`);
  });
  try {
    for await (const text of handle.readLines()) {
      const line = reader.read(text);
      if ('reason' in line) throw new Failure(`${file}, line ${line.line}: ${line.message}`);
      yield { line, bytes: Buffer.byteLength(text) };
    }
  } finally {
    await handle.close().catch(() => {});
  }
}

function summaryText(file: string, { exportedAt, streams, commits, documents }: ArchiveSummary): string {
  return `${file}: ${commits} commits of ${streams} streams and ${documents} documents, exported ${instantText(exportedAt)}; every chain holds.`;
}
