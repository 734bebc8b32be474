/**
 * What agents say that the proxies beside them have loaded: kept by node, written down when it changes and often enough that what is
 * stored is never older than a third of what is left of the leaf's life, and each is told who signs now. Nothing is judged here.
 */
import type { Documents } from '../journal/documents.ts';
import { type IdentityObservation, putIdentities } from '../reconcile/identity-observations.ts';
import type { ModelledTrust } from '../reconcile/model-trust.ts';
import type { Place } from '../reconcile/observations.ts';

const STORED = { freshestMs: 1_000, oldestMs: 60_000 };
const NO_TRUST_YET_MS = 5_000;
const MOST_NODES = 20_000;
const REMEMBERED_MS = 15 * 60_000;

export type IdentityReport = Omit<IdentityObservation, 'seenAt'>;

/** What an agent is told. */
export interface Told {
  /** Of the mesh's trust; 0: it has none yet. */
  readonly revision: number;
  /** Fingerprint of the issuer that signs now. */
  readonly signer?: string;
  /** Who has a leaf of another issuer comes for a new one within this time, at a random moment of it. */
  readonly renewWithinMs: number;
  readonly reportEveryMs: number;
}

export interface IdentityDeskOptions {
  readonly documents: Documents;
  readonly now: () => number;
  readonly report: (problem: string, error: unknown) => void;
  readonly trustOf: (mesh: string) => ModelledTrust | undefined;
  /** What was served to nodes is written before what they say they have. */
  readonly writeServed: () => Promise<void>;
  /** Something else than before is loaded somewhere, and it is written. */
  readonly onChange: (mesh: string) => void;
}

interface Kept {
  readonly place: Place;
  observed: IdentityObservation;
  content: string;
  writtenAt: number;
  unwritten: 'nothing' | 'time' | 'content';
}

export class IdentityDesk {
  readonly #options: IdentityDeskOptions;
  readonly #kept = new Map<string, Kept>();
  readonly #unwritten = new Set<Kept>();
  #flushing: Promise<void> = Promise.resolve();
  #scheduled = false;

  constructor(options: IdentityDeskOptions) {
    this.#options = options;
  }

  /** `undefined`: more nodes report than are kept here. */
  take(place: Place, report: IdentityReport): Told | undefined {
    const now = this.#options.now();
    const key = JSON.stringify([place.mesh, place.dataPlane, report.node]);
    const known = this.#kept.get(key);
    if (!known && this.#kept.size >= MOST_NODES) return undefined;
    const trust = this.#options.trustOf(place.mesh);
    const observed = { ...report, seenAt: now };
    const content = JSON.stringify(report);
    const kept: Kept = known ?? { place, observed, content: '', writtenAt: Number.NEGATIVE_INFINITY, unwritten: 'nothing' };
    this.#kept.set(key, kept);
    kept.observed = observed;
    const heldMs = storedForMs(observed, trust);
    if (content !== kept.content) kept.unwritten = 'content';
    // One report may get lost before the next.
    else if (now - kept.writtenAt >= heldMs / 2 && kept.unwritten === 'nothing') kept.unwritten = 'time';
    kept.content = content;
    if (kept.unwritten !== 'nothing') {
      this.#unwritten.add(kept);
      void this.flush();
    }
    if (!trust) return { revision: 0, renewWithinMs: 0, reportEveryMs: NO_TRUST_YET_MS };
    const { revision, signer, renewWithinMs } = trust;
    return { revision, signer: signer.fingerprint, renewWithinMs, reportEveryMs: Math.floor(heldMs / 4) };
  }

  /** Many in one batch. Never rejects: what cannot be written is tried again with the next. */
  flush(): Promise<void> {
    if (this.#scheduled || this.#unwritten.size === 0) return this.#flushing;
    this.#scheduled = true;
    this.#flushing = this.#flushing.then(async () => {
      await this.#options.writeServed();
      this.#scheduled = false;
      const byPlace = Map.groupBy(this.#unwritten, ({ place }) => `${place.mesh}/${place.dataPlane}`);
      this.#unwritten.clear();
      await Promise.all([...byPlace.values()].map((kept) => this.#write(kept)));
    });
    return this.#flushing;
  }

  async #write(all: readonly Kept[]): Promise<void> {
    const [first] = all;
    if (!first) return;
    const writing = all.map((kept) => ({ kept, observed: kept.observed, was: kept.unwritten }));
    for (const { kept } of writing) kept.unwritten = 'nothing';
    try {
      await putIdentities(
        this.#options.documents,
        first.place,
        writing.map(({ observed }) => observed),
      );
    } catch (error) {
      this.#options.report(
        `What agents of ${first.place.mesh}/${first.place.dataPlane} said could not be written; it is tried again.`,
        error,
      );
      for (const { kept, was } of writing) {
        if (kept.unwritten !== 'content') kept.unwritten = was;
        this.#unwritten.add(kept);
      }
      return;
    }
    for (const { kept, observed } of writing) kept.writtenAt = observed.seenAt;
    if (writing.some(({ was }) => was === 'content')) this.#options.onChange(first.place.mesh);
  }

  /** What was said stays in the store. */
  forgetSilent(): void {
    const before = this.#options.now() - REMEMBERED_MS;
    for (const [key, kept] of this.#kept) if (kept.observed.seenAt < before && kept.unwritten === 'nothing') this.#kept.delete(key);
  }
}

/** A third of what is left of the leaf; without one, of the time in which workloads come for theirs. */
function storedForMs({ seenAt, loaded }: IdentityObservation, trust: ModelledTrust | undefined): number {
  const life = loaded.leaf ? loaded.leaf.notAfter - seenAt : (trust?.renewWithinMs ?? 0);
  return Math.min(STORED.oldestMs, Math.max(STORED.freshestMs, life / 3));
}
