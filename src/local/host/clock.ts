/**
 * The time of the local host's queue and timers: the wall clock, behind a port so that tests can turn it by hand.
 */

export interface Clock {
  /** Epoch ms. */
  now(): number;
  /** Calls `wake` once `now()` has reached `time` (epoch ms), never synchronously. Returns how to call it off. */
  at(time: number, wake: () => void): () => void;
}

// Node's timers stand still while a machine sleeps, fire a moment early at times and end at 24.8 days: so a long wait is
// taken in short ones, and the clock is asked again after each.
const LONGEST_WAIT_MS = 30_000;

export const wallClock: Clock = {
  now: Date.now,
  at(time, wake) {
    let timer: NodeJS.Timeout;
    const wait = () => {
      const remaining = Math.max(0, time - Date.now());
      timer = setTimeout(() => (Date.now() >= time ? wake() : wait()), Math.min(remaining, LONGEST_WAIT_MS));
    };
    wait();
    return () => clearTimeout(timer);
  },
};
