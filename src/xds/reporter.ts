/**
 * Telling what is seen: observations are written to the store, many in one batch, and when the set of a data plane looks
 * complete, or a node refuses, the functions are given a hint. A hint that gets lost is given again for a while, and
 * one that is never taken is reported; the sweep finds what no hint told.
 */
import type { Documents } from '../journal/documents.ts';
import { type NodeObservation, type Place, putNodes, putReadiness, putWatcher } from '../reconcile/observations.ts';
import { post } from './post.ts';

export const HEARTBEAT_MS = 10_000;
const ALIVE_MS = 30_000;
const HINT_TRIES = 6;
const HINT_TIMEOUT_MS = 15_000;
/** Between the beginnings of two hints of one mesh's trust: agents of a large fleet speak at any moment, and each look reads all of them. */
const TRUST_HINT_EVERY_MS = 1_000;
/** The functions look at one service after the other. */
const HINTED_TOGETHER = 100;

export interface ReporterOptions {
  readonly documents: Documents;
  /** This process. */
  readonly via: string;
  readonly now: () => number;
  /** The functions' address and token; without them nobody is hinted. */
  readonly hints?: { readonly url: string; readonly token: string };
  readonly report: (problem: string, error: unknown) => void;
}

export class Reporter {
  readonly #options: ReporterOptions;
  readonly #unwritten = new Map<string, { place: Place; nodes: Map<string, NodeObservation> }>();
  /** By mesh: the services to be hinted at once what was seen there is written. */
  #owed = new Map<string, ReadonlySet<string>>();
  /** By mesh, while a hint of its trust is under way or was a moment ago: whether another is to follow. */
  readonly #trustHints = new Map<string, boolean>();
  #flushing: Promise<void> = Promise.resolve();
  #scheduled = false;
  #stopped = false;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** The newest word on a node wins; written with all others of this turn. */
  node(place: Place, observed: Omit<NodeObservation, 'via'>): void {
    const key = `${place.mesh}/${place.dataPlane}`;
    const entry = this.#unwritten.get(key) ?? { place, nodes: new Map<string, NodeObservation>() };
    entry.nodes.set(observed.node, { ...observed, via: this.#options.via });
    this.#unwritten.set(key, entry);
  }

  /** Writes what is unwritten, then gives the hint: whoever follows it finds what it speaks of. What cannot be written yet holds it up. */
  hint(mesh: string, services: readonly string[]): void {
    this.#owe(mesh, services);
    void this.flush();
  }

  /** Something was seen of whom a workload trusts; once it is written, and once for all that comes while the functions look, and no oftener than each second. */
  hintTrust(mesh: string): void {
    const underWay = this.#trustHints.has(mesh);
    this.#trustHints.set(mesh, true);
    if (!underWay) void this.#giveTrust(mesh);
  }

  async #giveTrust(mesh: string): Promise<void> {
    const { hints, report } = this.#options;
    while (this.#trustHints.get(mesh) && !this.#stopped) {
      this.#trustHints.set(mesh, false);
      const pause = new Promise((resolve) => setTimeout(resolve, TRUST_HINT_EVERY_MS).unref());
      await this.flush();
      const failure = hints && (await this.#deliver(hints, { mesh, services: [], trust: true }));
      if (failure)
        report(`The functions could not be told whom workloads of ${mesh} trust (${failure.message}); they look by themselves.`, failure);
      await pause;
    }
    this.#trustHints.delete(mesh);
  }

  /** Tells people, through the functions, of endpoints that are kept though they are silent. */
  notice(place: Place, notice: { readonly service: string; readonly message: string }): void {
    const { hints, now, report } = this.#options;
    const { service, message } = notice;
    report(message, `${place.mesh}/${place.dataPlane}`);
    if (!hints) return;
    const silent = [{ dataPlane: place.dataPlane, service, text: message, at: now() }];
    void this.#deliver(hints, { mesh: place.mesh, services: [], silent }).then((failure) => {
      if (failure) report(`Nobody could be told of ${service} (${failure.message}).`, failure);
    });
  }

  #owe(mesh: string, services: Iterable<string>): void {
    this.#owed.set(mesh, new Set([...(this.#owed.get(mesh) ?? []), ...services]));
  }

  /** Resolves when everything that was seen until now is written, or was put back to be tried with the next. Never rejects. */
  flush(): Promise<void> {
    if (this.#scheduled) return this.#flushing;
    this.#scheduled = true;
    this.#flushing = this.#flushing.then(async () => {
      // One turn later, so that a fan-out's acknowledgements become one batch.
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.#scheduled = false;
      const entries = [...this.#unwritten.values()];
      this.#unwritten.clear();
      const owed = this.#owed;
      this.#owed = new Map();
      const failed = await Promise.all(
        entries.map(async ({ place, nodes }) => ((await this.#write(place, [...nodes.values()])) ? [] : [place.mesh])),
      );
      for (const [mesh, services] of owed) {
        if (failed.flat().includes(mesh)) this.#owe(mesh, services);
        else if (services.size > 0) void this.#give(mesh, [...services]);
      }
    });
    return this.#flushing;
  }

  async #write(place: Place, nodes: readonly NodeObservation[]): Promise<boolean> {
    try {
      await putNodes(this.#options.documents, place, nodes, this.#options.now());
      return true;
    } catch (error) {
      this.#options.report(`What was seen at ${place.mesh}/${place.dataPlane} could not be written; it is tried again.`, error);
      const entry = this.#unwritten.get(`${place.mesh}/${place.dataPlane}`);
      for (const each of nodes) if (!entry?.nodes.has(each.node)) this.node(place, each);
      return false;
    }
  }

  async readiness(place: Place, service: string, versions: Readonly<Record<string, 'ready' | 'none'>>): Promise<void> {
    const { documents, via, now } = this.#options;
    await putReadiness(documents, place, { service, via, versions }, now());
  }

  async heartbeat(place: Place): Promise<void> {
    const { documents, via, now } = this.#options;
    await putWatcher(documents, place, { via, aliveUntil: now() + ALIVE_MS }, now());
  }

  /** So many at a time that the functions have looked at all of them in time. What is not taken ends it aloud. */
  async #give(mesh: string, services: readonly string[]): Promise<void> {
    const { hints, report } = this.#options;
    if (!hints) return;
    for (let next = 0; next < services.length && !this.#stopped; next += HINTED_TOGETHER) {
      const failure = await this.#deliver(hints, { mesh, services: services.slice(next, next + HINTED_TOGETHER) });
      if (!failure) continue;
      report(`The functions at ${hints.url} could not be told of ${mesh} (${failure.message}); their sweep will find it.`, failure);
      return;
    }
  }

  /** Resolves with why it was not taken in the end. */
  async #deliver(hints: { readonly url: string; readonly token: string }, body: object): Promise<Error | undefined> {
    const url = new URL('/observations', hints.url);
    for (let tries = 1; ; tries += 1) {
      let failure: Error;
      try {
        const status = await post({ url, token: hints.token, body, timeoutMs: HINT_TIMEOUT_MS });
        if (status >= 200 && status < 300) return undefined;
        failure = new Error(`they answered ${status}`);
        // The same again would be refused again.
        if (status < 500 && status !== 429) return failure;
      } catch (error) {
        failure = error instanceof Error ? error : new Error(String(error));
      }
      if (this.#stopped) return undefined;
      if (tries === HINT_TRIES) return failure;
      await new Promise((resolve) => setTimeout(resolve, 250 * 2 ** tries).unref());
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.flush();
  }
}
