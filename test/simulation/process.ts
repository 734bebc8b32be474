/**
 * A process of the simulation (an app instance, a watcher): every call it makes to the outside is two steps, its effect
 * and its answer, with time between them. A call may fail before its effect, lose its answer after it, take very long, or
 * be the moment the process dies; a dead process hears of no answer, but what it had sent may still happen.
 */
import type { BatchOutcome, Documents, Operation } from '../../src/journal/documents.ts';
import type { World } from './world.ts';

/** What the simulation breaks on purpose; any other error is a bug of the code under test. */
export class SimulatedFault extends Error {
  override name = 'SimulatedFault';
}

export const LONGEST_CALL_MS = 25_000;
/** A decision may rest on what was read this long ago: a few calls as slow as they get. */
export const STALE_MS = 4 * LONGEST_CALL_MS;

export interface ProcessOptions {
  readonly name: string;
  /** May its calls take as long as `LONGEST_CALL_MS`? */
  readonly slow: boolean;
  readonly onCrash: () => void;
  readonly onWritten: (partition: string, operations: readonly Operation[], writer: Process) => void;
}

interface Invocation {
  readonly died: () => void;
}

export class Process {
  readonly name: string;
  alive = true;
  /** When a call of this process last failed, was slow or lost its answer (epoch ms). */
  disturbedAt = Number.NEGATIVE_INFINITY;
  readonly #world: World;
  readonly #options: ProcessOptions;
  readonly #invocations = new Set<Invocation>();
  inFlight = 0;

  constructor(world: World, options: ProcessOptions) {
    this.#world = world;
    this.#options = options;
    this.name = options.name;
  }

  call<Result>(what: string, subject: string, effect: () => Promise<Result>): Promise<Result> {
    const world = this.#world;
    if (!this.alive) return new Promise(() => {});
    this.inFlight += 1;
    return new Promise((resolve, reject) => {
      const fate = this.#fate();
      world.after(this.#latency(fate === 'slow'), () => {
        if (fate === 'crash before') this.crash(`before ${what} ${subject}`);
        // What a process had sent before it died may arrive all the same.
        if (!this.alive && (fate === 'crash before' || world.random.chance(0.5))) return;
        if (fate === 'failed') {
          world.tell(() => `${this.name} ${what} ${subject} fails`);
          this.#answer(() => reject(new SimulatedFault(`${what} ${subject} failed`)));
          return;
        }
        const result = effect();
        world.tell(() => `${this.name} ${what} ${subject}`);
        if (fate === 'crash after') this.crash(`after ${what} ${subject}`);
        if (!this.alive) return;
        if (fate === 'answer lost') {
          world.tell(() => `${this.name} will not hear of it`);
          result.then(
            () => this.#answer(() => reject(new SimulatedFault(`no answer to ${what} ${subject}`))),
            (error: unknown) => this.#answer(() => reject(error)),
          );
        } else {
          this.#answer(() => result.then(resolve, reject));
        }
      });
    });
  }

  /** Runs something in this process; `died` when it cannot finish because the process is gone. */
  invoke<Result>(run: () => Promise<Result>, done: (result: Result) => void, failed: (error: unknown) => void, died: () => void): void {
    const invocation: Invocation = { died };
    this.#invocations.add(invocation);
    const end = () => this.#invocations.delete(invocation);
    run().then(
      (result) => {
        if (end()) done(result);
      },
      (error: unknown) => {
        if (end()) failed(error);
      },
    );
  }

  get busy(): boolean {
    return this.alive && (this.#invocations.size > 0 || this.inFlight > 0);
  }

  crash(when: string): void {
    if (!this.alive) return;
    this.alive = false;
    this.disturbedAt = this.#world.now;
    this.#world.tell(() => `${this.name} DIES ${when}`);
    const left = [...this.#invocations];
    this.#invocations.clear();
    for (const { died } of left) died();
    this.#options.onCrash();
  }

  documents(): Documents {
    const { store } = this.#world;
    return {
      read: (partition, id) => this.call('read', `${partition} ${id}`, () => store.read(partition, id)),
      list: (query) => this.call('list', `${query.partition} ${query.kind}`, () => store.list(query)),
      due: (now, limit) => this.call('due', '', () => store.due(now, limit)),
      removeExpired: (now, limit) => this.call('removeExpired', '', () => store.removeExpired(now, limit)),
      batch: (partition, operations) => this.call('batch', partition, () => this.#batch(partition, operations)),
    };
  }

  async #batch(partition: string, operations: readonly Operation[]): Promise<BatchOutcome> {
    const outcome = await this.#world.store.batch(partition, operations);
    if (outcome.outcome === 'written') {
      this.#options.onWritten(partition, operations, this);
    } else {
      this.#world.faults.count('conflict');
      this.#world.tell(() => `${this.name} batch ${partition} is ${outcome.outcome}`);
    }
    return outcome;
  }

  #answer(give: () => void): void {
    this.#world.after(this.#world.random.between(0, 10), () => {
      if (!this.alive) return;
      this.inFlight -= 1;
      give();
    });
  }

  #latency(slow: boolean): number {
    const { random } = this.#world;
    return slow ? random.between(500, LONGEST_CALL_MS) : random.between(0, 15);
  }

  #fate(): 'well' | 'failed' | 'answer lost' | 'slow' | 'crash before' | 'crash after' {
    const { random, faults, now } = this.#world;
    const hazards = faults.calls;
    let draw = random.next();
    const hit = (probability: number): boolean => {
      draw -= probability;
      return draw < 0;
    };
    const struck = hit(hazards.failed)
      ? 'failed'
      : hit(hazards.answerLost)
        ? 'answer lost'
        : hit(this.#options.slow ? hazards.slow : 0)
          ? 'slow'
          : hit(hazards.crash)
            ? 'crash'
            : 'well';
    if (struck === 'well') return struck;
    this.disturbedAt = now;
    if (struck !== 'crash') {
      faults.count(struck === 'failed' ? 'call failed' : struck === 'slow' ? 'slow call' : 'answer lost');
      return struck;
    }
    const after = random.chance(0.5);
    faults.count(after ? 'crash after effect' : 'crash before effect');
    return after ? 'crash after' : 'crash before';
  }
}
