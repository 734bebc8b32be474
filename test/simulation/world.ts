/**
 * Virtual time: takes one step after the other, lets everything that waited for it run until it waits again, and goes on.
 * Nothing in a history happens outside a step. It stops at the first invariant that does not hold.
 */
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { Agenda } from './agenda.ts';
import { Faults } from './faults.ts';
import { Random } from './random.ts';

export const BEGINNING = Date.UTC(2026, 0, 5, 8);

export class World {
  readonly random: Random;
  readonly faults: Faults;
  readonly store = new MemoryDocuments();
  /** Readable, one line a happening; absent when nobody reads it. */
  readonly trace: string[] | undefined;
  now = BEGINNING;
  steps = 0;
  violation: string | undefined;
  readonly #agenda = new Agenda();

  constructor(seed: number, traced: boolean) {
    this.random = new Random(seed);
    this.faults = new Faults(this.random);
    this.trace = traced ? [] : undefined;
  }

  at(time: number, run: () => void, wakes = true): void {
    this.#agenda.put(Math.max(time, this.now), run, wakes);
  }

  after(ms: number, run: () => void, wakes = true): void {
    this.#agenda.put(this.now + ms, run, wakes);
  }

  /** Steps until `done`, `limit` (epoch ms) or a violation. Answers whether it was done. */
  async runUntil(limit: number, done: () => boolean = () => false): Promise<boolean> {
    while (!this.violation) {
      if (done()) return true;
      const next = this.#agenda.nextAt;
      if (next === undefined || next > limit) {
        this.now = Math.max(this.now, limit);
        return done();
      }
      const step = this.#agenda.take();
      this.now = next;
      this.steps += 1;
      step?.run();
      if (step?.wakes) await settled();
    }
    return false;
  }

  /** `line` is made only when somebody reads it. */
  tell(line: () => string): void {
    this.trace?.push(`${clock(this.now)} ${line()}`);
  }

  violate(invariant: string, detail: string): void {
    if (this.violation) return;
    this.violation = `${invariant}: ${detail}`;
    this.tell(() => `VIOLATED ${this.violation}`);
  }
}

/** Node runs the next tick only when no promise is left to go on; a turn of the event loop would say the same, more slowly. */
const settled = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

function clock(now: number): string {
  const ms = now - BEGINNING;
  const minutes = String(Math.floor(ms / 60_000)).padStart(2, '0');
  const seconds = String(Math.floor(ms / 1000) % 60).padStart(2, '0');
  return `${minutes}:${seconds}.${String(ms % 1000).padStart(3, '0')}`;
}
