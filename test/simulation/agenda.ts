/** What is going to happen, by virtual time: a binary heap. Equal times keep the order in which they were put down. */

export interface Step {
  /** Epoch ms of virtual time. */
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  /** False: it wakes no code that waits, so nothing has to settle after it. */
  readonly wakes: boolean;
}

export class Agenda {
  readonly #heap: Step[] = [];
  #order = 0;

  put(at: number, run: () => void, wakes: boolean): void {
    const heap = this.#heap;
    this.#order += 1;
    const step = { at, order: this.#order, run, wakes };
    let index = heap.length;
    heap.push(step);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above];
      if (!parent || before(parent, step)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = step;
  }

  get nextAt(): number | undefined {
    return this.#heap[0]?.at;
  }

  take(): Step | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || first === last) return first;
    let index = 0;
    for (;;) {
      const left = heap[index * 2 + 1];
      const right = heap[index * 2 + 2];
      const smaller = right && left && before(right, left) ? right : left;
      if (!smaller || before(last, smaller)) break;
      heap[index] = smaller;
      index = index * 2 + (smaller === right ? 2 : 1);
    }
    heap[index] = last;
    return first;
  }
}

const before = (a: Step, b: Step): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
