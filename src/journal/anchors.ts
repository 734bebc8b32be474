/**
 * Anchors: what the head of every stream was on a day, kept where nobody can change it. A chain of hashes shows what was changed in it; whoever can
 * write the store could write a whole new chain that holds. Held against an anchor, that one has another commit at a version, or ends before it.
 */
import { z } from 'zod';
import { hashJson } from './hash.ts';
import { toJson } from './journal.ts';

const ANCHOR_FORMAT = 1;
const SHA256 = /^[0-9a-f]{64}$/;

const headSchema = z.object({ stream: z.string().min(1).max(512), version: z.number().int().min(1), hash: z.string().regex(SHA256) });
const anchorSchema = z.object({
  kind: z.literal('meshwright-anchor'),
  format: z.literal(ANCHOR_FORMAT),
  /** Of UTC. */
  day: z.iso.date(),
  /** Epoch ms. */
  at: z.number().int(),
  heads: z.array(headSchema),
  /** SHA-256 over the canonical JSON (RFC 8785) of all the rest. */
  sha256: z.string().regex(SHA256),
});
export type Anchor = z.infer<typeof anchorSchema>;
export type AnchoredHead = Anchor['heads'][number];

/** Where anchors are written. Adapter: `src/adapters/anchor-blobs.ts`. */
export interface Anchors {
  /** `there`: this day has one already, which stays as it is. */
  write(day: string, text: string): Promise<'written' | 'there'>;
}

const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** `at`: epoch ms, after which the heads were read. */
export function anchorOf(at: number, heads: readonly AnchoredHead[]): { readonly day: string; readonly text: string } {
  const day = dayOf(at);
  const unsigned = { kind: 'meshwright-anchor', format: ANCHOR_FORMAT, day, at, heads };
  return { day, text: JSON.stringify({ ...unsigned, sha256: hashJson(toJson(unsigned)) }) };
}

/** The anchor of a day, or why this text is none of it: a sentence. */
export function readAnchor(day: string, text: string): Anchor | string {
  const parsed = anchorSchema.safeParse(parsedJson(text));
  if (!parsed.success) return `What is kept for ${day} is no anchor of a journal that this version of meshwright knows.`;
  const { sha256, ...unsigned } = parsed.data;
  if (hashJson(toJson(unsigned)) !== sha256) return `The anchor of ${day} was changed after it was written.`;
  if (parsed.data.day !== day || dayOf(parsed.data.at) !== day) return `The anchor that is kept for ${day} was written on another day.`;
  return parsed.data;
}

/** Holds chains against anchors: it is shown every commit, in any order, and then says what is not there any more. */
export class AnchorCheck {
  /** By stream and version; the earliest day that has it. */
  readonly #anchored = new Map<string, Map<number, { readonly hash: string; readonly day: string }>>();
  readonly #ends = new Map<string, number>();
  /** The earliest version of each stream that is another than it was. */
  readonly #rewritten = new Map<string, { readonly version: number; readonly day: string }>();

  /** Those that two anchors tell differently, one sentence each. */
  add({ day, heads }: Anchor): readonly string[] {
    const problems = [];
    for (const { stream, version, hash } of heads) {
      const ofStream = this.#anchored.get(stream) ?? new Map<number, { readonly hash: string; readonly day: string }>();
      this.#anchored.set(stream, ofStream);
      const known = ofStream.get(version);
      if (!known) ofStream.set(version, { hash, day });
      else if (known.hash !== hash)
        problems.push(
          `${stream} was rewritten between ${known.day} and ${day}: version ${version} is another commit in each of their anchors.`,
        );
    }
    return problems;
  }

  commit(stream: string, version: number, hash: string): void {
    this.#ends.set(stream, Math.max(version, this.#ends.get(stream) ?? 0));
    const anchored = this.#anchored.get(stream)?.get(version);
    if (!anchored || anchored.hash === hash) return;
    const found = this.#rewritten.get(stream);
    if (!found || version < found.version) this.#rewritten.set(stream, { version, day: anchored.day });
  }

  /** One sentence a stream whose history is not what it was, with the first version and day that tell. */
  problems(): readonly string[] {
    return [...this.#anchored]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([stream, versions]) => {
        const rewritten = this.#rewritten.get(stream);
        if (rewritten)
          return [`${stream} was rewritten: version ${rewritten.version} is another commit than the anchor of ${rewritten.day} has.`];
        const end = this.#ends.get(stream);
        const [lost] = [...versions].filter(([version]) => version > (end ?? 0)).sort(([a], [b]) => a - b);
        if (!lost) return [];
        const [version, { day }] = lost;
        if (end === undefined) return [`${stream} is gone: on ${day} it was at version ${version}.`];
        return [`${stream} was shortened: on ${day} it was at version ${version}, and it ends at ${end}.`];
      });
  }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
