/**
 * How bad the world of a history is: drawn once per history, so that some are calm and some are violent, and switched off
 * before it is asked whether everything came to rest. Also the count of what really went wrong.
 */
import type { Random } from './random.ts';

export const FAULT_KINDS = [
  'call failed',
  'answer lost',
  'slow call',
  'crash before effect',
  'crash after effect',
  'conflict',
  'delivery late',
  'delivery lost once',
  'delivery twice',
  'alarm late',
  'alarm lost',
  'alarm twice',
  'hint lost',
  'poke lost',
  'sweep missed',
  'clock apart',
  'channel throttled',
  'node away',
  'watcher down',
  'refused by a node',
  'version down',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** How far the clock of an instance may be from the world's. */
export const CLOCK_APART_MS = 1_500;

/** Probabilities of one call of an app instance or a watcher to one of its adapters. */
export interface CallHazards {
  readonly failed: number;
  readonly answerLost: number;
  readonly slow: number;
  readonly crash: number;
}

const CALM: CallHazards = { failed: 0, answerLost: 0, slow: 0, crash: 0 };

export class Faults {
  readonly counts = new Map<FaultKind, number>();
  readonly #random: Random;
  /** 0 (calm) to 1 (violent). */
  readonly severity: number;
  #calls: CallHazards;
  on = true;

  constructor(random: Random) {
    this.#random = random;
    this.severity = random.chance(0.05) ? 0 : random.next();
    const upTo = (most: number) => (random.chance(0.6) ? most * this.severity * random.next() : 0);
    this.#calls = { failed: upTo(0.08), answerLost: upTo(0.08), slow: upTo(0.04), crash: upTo(0.02) };
  }

  get calls(): CallHazards {
    return this.on ? this.#calls : CALM;
  }

  /** Whether a fault with this probability (at its most violent) happens now; if so it is counted. */
  strikes(kind: FaultKind, most: number): boolean {
    if (!this.on || !this.#random.chance(most * this.severity)) return false;
    this.count(kind);
    return true;
  }

  count(kind: FaultKind): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  stop(): void {
    this.on = false;
    this.#calls = CALM;
  }

  get total(): number {
    let total = 0;
    for (const count of this.counts.values()) total += count;
    return total;
  }
}
