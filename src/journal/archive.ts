/**
 * A journal as JSON Lines: a line that says what it is, for each stream one with its head and then its commits as they are
 * stored, the documents that its events name by their content, and a last line with the count and the SHA-256 of all before
 * it. Every stream is verified by its own chain of hashes, so that what was changed, left out or put in anywhere is found.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { JsonObject } from './documents.ts';
import { hashJson } from './hash.ts';
import { commitBodySchema, GENESIS_HASH, pendingEffectSchema } from './stream.ts';

const ARCHIVE_FORMAT = 1;

/** A commit as it is stored: also what newer code put into it, over which its hash goes too. */
export const storedCommitSchema = z.custom<JsonObject>((value) => commitBodySchema.safeParse(value).success);

export const archivedStreamSchema = z.object({
  stream: z.string().min(1).max(512),
  version: z.number().int().min(1),
  hash: z.string(),
  /** What was owed when it was exported. */
  pending: z.record(z.string(), pendingEffectSchema),
});
export type ArchivedStream = z.infer<typeof archivedStreamSchema>;

export const archivedDocumentSchema = z.object({
  partition: z.string().min(1).max(512),
  id: z.string().min(1).max(1_023),
  kind: z.string().min(1).max(64),
  ordinal: z.number().int(),
  body: z.custom<JsonObject>((value) => typeof value === 'object' && value !== null && !Array.isArray(value)),
});
export type ArchivedDocument = z.infer<typeof archivedDocumentSchema>;

const lineSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('meshwright-journal'), format: z.number().int(), exportedAt: z.number() }),
  archivedStreamSchema.extend({ kind: z.literal('stream') }),
  z.object({ kind: z.literal('commit'), stream: z.string(), body: storedCommitSchema }),
  z.object({ kind: z.literal('document'), document: archivedDocumentSchema }),
  z.object({ kind: z.literal('end'), lines: z.number().int(), sha256: z.string() }),
]);
export type ArchiveLine = z.infer<typeof lineSchema>;

/** Where a chain has come to. */
export interface Link {
  readonly version: number;
  readonly hash: string;
}
export const GENESIS: Link = { version: 0, hash: GENESIS_HASH };

/** The next link, or why the commit is none: a sentence. */
export function linkAfter(link: Link, stream: string, stored: JsonObject): Link | string {
  const { hash, ...unsigned } = stored;
  const { version, prevHash } = commitBodySchema.parse(stored);
  if (version !== link.version + 1) return `Commit ${link.version + 1} of ${stream} is missing; ${version} follows.`;
  if (prevHash !== link.hash) return `Commit ${version} of ${stream} does not follow the one before it.`;
  if (typeof hash !== 'string' || fingerprint(unsigned) !== hash) return `Commit ${version} of ${stream} was changed after it was written.`;
  return { version, hash };
}

/** `undefined`: it has no canonical form (it holds half a character), so that it was never written. */
function fingerprint(value: JsonObject): string | undefined {
  try {
    return hashJson(value);
  } catch {
    return undefined;
  }
}

/** Makes the lines of one archive; each without its line break. */
export class ArchiveWriter {
  readonly #hash = createHash('sha256');
  #lines = 0;

  begin(exportedAt: number): string {
    return this.line({ kind: 'meshwright-journal', format: ARCHIVE_FORMAT, exportedAt });
  }

  line(line: ArchiveLine): string {
    const text = JSON.stringify(line);
    this.#lines += 1;
    this.#hash.update(`${text}\n`);
    return text;
  }

  end(): string {
    return JSON.stringify({ kind: 'end', lines: this.#lines, sha256: this.#hash.digest('hex') } satisfies ArchiveLine);
  }
}

export interface ArchiveProblem {
  readonly reason: 'NotAnArchive' | 'NewerFormat' | 'NotALine' | 'ChainBroken' | 'CutOff' | 'Changed';
  /** Counted from 1. */
  readonly line: number;
  readonly message: string;
}

export interface ArchiveSummary {
  readonly exportedAt: number;
  readonly streams: number;
  readonly commits: number;
  readonly documents: number;
}

type Counts = { -readonly [Name in keyof ArchiveSummary]: ArchiveSummary[Name] };

/** Reads an archive line by line, holding one stream's link at a time; the first problem is the answer, and no line after it counts. */
export class ArchiveReader {
  readonly #hash = createHash('sha256');
  #summary: Counts | undefined;
  #lines = 0;
  #ended = false;
  #open: { readonly claimed: ArchivedStream; link: Link } | undefined;
  readonly #streams = new Set<string>();

  /** What the line says, or what is wrong with the archive. `text`: without its line break. */
  read(text: string): ArchiveLine | ArchiveProblem {
    this.#lines += 1;
    if (this.#ended) return this.#problem('Changed', 'Something follows the end of the archive.');
    const parsed = lineSchema.safeParse(parsedJson(text));
    if (!this.#summary) {
      if (!parsed.success || parsed.data.kind !== 'meshwright-journal') {
        return this.#problem('NotAnArchive', 'This is no journal that meshwright exported.');
      }
      if (parsed.data.format > ARCHIVE_FORMAT)
        return this.#problem('NewerFormat', 'A newer version of meshwright wrote this archive; read it with that.');
      this.#summary = { exportedAt: parsed.data.exportedAt, streams: 0, commits: 0, documents: 0 };
    } else if (!parsed.success) {
      return this.#problem('NotALine', 'This line is none of an archive.');
    }
    const line = parsed.data;
    const problem = this.#take(line, this.#summary);
    if (problem) return problem;
    if (!this.#ended) this.#hash.update(`${text}\n`);
    return line;
  }

  /** After the last line. */
  finish(): ArchiveSummary | ArchiveProblem {
    if (!this.#summary) return this.#problem('NotAnArchive', 'This is no journal that meshwright exported.');
    if (!this.#ended) return this.#problem('CutOff', 'The archive has no end: it was cut off.');
    return this.#summary;
  }

  #take(line: ArchiveLine, summary: Counts): ArchiveProblem | undefined {
    if (line.kind === 'meshwright-journal')
      return this.#lines === 1 ? undefined : this.#problem('Changed', 'A second archive begins here.');
    if (line.kind === 'commit') {
      if (this.#open?.claimed.stream !== line.stream)
        return this.#problem('Changed', `A commit of ${line.stream} stands apart from its stream.`);
      const next = linkAfter(this.#open.link, line.stream, line.body);
      if (typeof next === 'string') return this.#problem('ChainBroken', next);
      this.#open.link = next;
      summary.commits += 1;
      return undefined;
    }
    const unfinished = this.#close();
    if (unfinished) return unfinished;
    if (line.kind === 'stream') {
      if (this.#streams.has(line.stream)) return this.#problem('Changed', `${line.stream} is there twice.`);
      this.#streams.add(line.stream);
      this.#open = { claimed: line, link: GENESIS };
      summary.streams += 1;
    } else if (line.kind === 'document') summary.documents += 1;
    else {
      this.#ended = true;
      const whole = line.lines === this.#lines - 1 && line.sha256 === this.#hash.digest('hex');
      if (!whole) return this.#problem('Changed', 'The archive is not as it was exported: its lines have another sum.');
    }
    return undefined;
  }

  /** A stream ends where its head is. */
  #close(): ArchiveProblem | undefined {
    const open = this.#open;
    this.#open = undefined;
    if (!open || (open.link.version === open.claimed.version && open.link.hash === open.claimed.hash)) return undefined;
    const { stream, version } = open.claimed;
    return this.#problem('ChainBroken', `The commits of ${stream} end at ${open.link.version}, and its head is at ${version}.`);
  }

  #problem(reason: ArchiveProblem['reason'], message: string): ArchiveProblem {
    return { reason, line: this.#lines, message };
  }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
