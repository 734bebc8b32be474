/** The host's clock, turned by hand: `advanceTo` wakes everything due on the way, each at its own time. */
import type { Clock } from '../../../src/local/host/clock.ts';

export class ManualClock implements Clock {
  #now: number;
  #alarms: { time: number; wake: () => void }[] = [];

  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  at(time: number, wake: () => void): () => void {
    const alarm = { time, wake };
    this.#alarms.push(alarm);
    return () => {
      this.#alarms = this.#alarms.filter((other) => other !== alarm);
    };
  }

  /** The machine sleeps: time passes and nobody is woken. */
  sleepUntil(time: number): void {
    this.#now = time;
  }

  async advanceTo(time: number): Promise<void> {
    await settled();
    for (;;) {
      const due = this.#alarms.toSorted((a, b) => a.time - b.time)[0];
      if (!due || due.time > time) break;
      this.#alarms = this.#alarms.filter((other) => other !== due);
      this.#now = Math.max(this.#now, due.time);
      due.wake();
      await settled();
    }
    this.#now = Math.max(this.#now, time);
  }
}

/** Lets everything that has been resolved run on. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
