/** A store whose calls can be failed one by one, before or after their effect: what a crash or a lost answer leaves behind. */
import type { BatchOutcome, Documents, Due, Found, Operation } from '../../src/journal/documents.ts';

export interface Fault {
  /** From 0; the call that fails. */
  readonly call: number;
  readonly when: 'before' | 'after';
}

export class Crash extends Error {
  override name = 'Crash';
}

export class UnreliableDocuments implements Documents {
  calls = 0;
  readonly #store: Documents;
  readonly #fault: Fault | undefined;
  readonly #stays: boolean;

  /** `stays`: after the fault every call fails, as for a process that is gone. */
  constructor(store: Documents, fault?: Fault, stays = true) {
    this.#store = store;
    this.#fault = fault;
    this.#stays = stays;
  }

  read(partition: string, id: string): Promise<Found | undefined> {
    return this.#through(() => this.#store.read(partition, id));
  }

  batch(partition: string, operations: readonly Operation[]): Promise<BatchOutcome> {
    return this.#through(() => this.#store.batch(partition, operations));
  }

  list(query: { partition: string; kind: string; after?: number; limit?: number }): Promise<readonly Found[]> {
    return this.#through(() => this.#store.list(query));
  }

  due(now: number, limit: number): Promise<readonly Due[]> {
    return this.#through(() => this.#store.due(now, limit));
  }

  removeExpired(now: number, limit: number): Promise<number> {
    return this.#through(() => this.#store.removeExpired(now, limit));
  }

  async #through<Result>(call: () => Promise<Result>): Promise<Result> {
    const fault = this.#fault;
    const number = this.calls;
    this.calls += 1;
    if (fault && this.#stays && number > fault.call) throw new Crash(`the process is gone since call ${fault.call}`);
    if (fault?.call === number && fault.when === 'before') throw new Crash(`before call ${number}`);
    const result = await call();
    if (fault?.call === number) throw new Crash(`after call ${number}`);
    return result;
  }
}

/** A store's calls as they are, to replace one of them. */
export const forwarding = (documents: Documents): Documents => ({
  read: (partition, id) => documents.read(partition, id),
  batch: (partition, operations) => documents.batch(partition, operations),
  list: (query) => documents.list(query),
  due: (now, limit) => documents.due(now, limit),
  removeExpired: (now, limit) => documents.removeExpired(now, limit),
});
