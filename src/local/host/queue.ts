/**
 * Storage queues in memory, for queue triggers on one machine: visibility times, dequeue counts, time to live and the
 * poison queue follow Azure Queue Storage and the Functions queue extension. Nothing outlives the process, and nothing
 * may rely on that it does: a queue message is only an alarm, the sweep is the guarantee of delivery.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from './clock.ts';

/** A message as a trigger receives it; times are epoch ms. */
export interface QueueMessage {
  readonly id: string;
  readonly text: string;
  readonly insertedAt: number;
  readonly expiresAt: number;
  readonly visibleAt: number;
  /** How often it has been handed out. */
  readonly dequeueCount: number;
  /** New each time the message is handed out. */
  readonly popReceipt: string;
}

export interface EnqueueOptions {
  /** Epoch ms before which nobody sees the message; in the past or absent: at once. */
  readonly visibleAt?: number;
  /** Default seven days. */
  readonly timeToLiveMs?: number;
}

/** `extensions.queues` of host.json. */
export interface QueueSettings {
  /** How long a message stays hidden after its function failed. */
  readonly visibilityTimeoutMs: number;
  /** After so many failures it goes to `<queue>-poison`. */
  readonly maxDequeueCount: number;
  /** How many messages of one queue are worked on at a time. */
  readonly concurrency: number;
  /** The largest text of a message, in UTF-8. */
  readonly largestTextBytes: number;
}

export interface Queues {
  /** Puts a message in and returns its id. Throws RangeError for what Azure refuses: bad name, too large, hidden beyond its life. */
  enqueue(queueName: string, text: string, options?: EnqueueOptions): string;
  /** Hands each message of the queue to `deliver` when it becomes visible; a rejection means that it failed. One subscriber a queue. */
  subscribe(queueName: string, deliver: (message: QueueMessage) => Promise<unknown>): void;
  /** What waits in a queue, next first; messages being worked on are not in it. */
  waiting(queueName: string): readonly QueueMessage[];
  /** Hands out nothing any more. */
  stop(): void;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const LONGEST_LIFE_MS = 7 * DAY_MS;
// While a function works on a message, Azure hides it for ten minutes at a time and renews that.
const LEASE_MS = 10 * 60 * 1000;

interface Queue {
  waiting: QueueMessage[];
  working: number;
  deliver?: (message: QueueMessage) => Promise<unknown>;
  cancelWake?: () => void;
}

export class MemoryQueues implements Queues {
  readonly #clock: Clock;
  readonly #settings: QueueSettings;
  readonly #queues = new Map<string, Queue>();
  #stopped = false;

  constructor(clock: Clock, settings: QueueSettings) {
    this.#clock = clock;
    this.#settings = settings;
  }

  enqueue(queueName: string, text: string, { visibleAt = 0, timeToLiveMs = LONGEST_LIFE_MS }: EnqueueOptions = {}): string {
    const queue = this.#named(queueName);
    const now = this.#clock.now();
    const message = {
      id: randomUUID(),
      text,
      insertedAt: now,
      expiresAt: now + timeToLiveMs,
      visibleAt: Math.max(now, visibleAt),
      dequeueCount: 0,
      popReceipt: randomUUID(),
    };
    if (Buffer.byteLength(text) > this.#settings.largestTextBytes)
      throw new RangeError(`A message for queue "${queueName}" is over ${this.#settings.largestTextBytes} bytes.`);
    if (message.visibleAt >= message.expiresAt || message.visibleAt - now > LONGEST_LIFE_MS) {
      throw new RangeError(`A message for queue "${queueName}" would expire before anyone sees it; it may be hidden for up to seven days.`);
    }
    insert(queue, message);
    this.#handOut(queueName, queue);
    return message.id;
  }

  subscribe(queueName: string, deliver: (message: QueueMessage) => Promise<unknown>): void {
    const queue = this.#named(queueName);
    // Its poison queue must have a name that works too, before the first message fails.
    this.#named(`${queueName}-poison`);
    if (queue.deliver) throw new Error(`Two functions are triggered by queue "${queueName}"; each message would reach only one of them.`);
    queue.deliver = deliver;
    this.#handOut(queueName, queue);
  }

  waiting(queueName: string): readonly QueueMessage[] {
    const now = this.#clock.now();
    return this.#named(queueName).waiting.filter(({ expiresAt }) => expiresAt > now);
  }

  stop(): void {
    this.#stopped = true;
    for (const queue of this.#queues.values()) queue.cancelWake?.();
  }

  #named(name: string): Queue {
    const existing = this.#queues.get(name);
    if (existing) return existing;
    if (!/^(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(name)) {
      throw new RangeError(
        `"${name}" is no queue name: 3 to 63 lower-case letters, digits and single hyphens, a letter or digit at both ends.`,
      );
    }
    const queue: Queue = { waiting: [], working: 0 };
    this.#queues.set(name, queue);
    return queue;
  }

  /** Starts work on what is visible, and sets the alarm for what will be. */
  #handOut(name: string, queue: Queue): void {
    queue.cancelWake?.();
    delete queue.cancelWake;
    const now = this.#clock.now();
    queue.waiting = queue.waiting.filter(({ expiresAt }) => expiresAt > now);
    const { deliver } = queue;
    if (this.#stopped || !deliver) return;
    while (queue.working < this.#settings.concurrency) {
      const next = queue.waiting[0];
      if (!next) return;
      if (next.visibleAt > now) {
        queue.cancelWake = this.#clock.at(next.visibleAt, () => this.#handOut(name, queue));
        return;
      }
      queue.waiting.shift();
      const message = { ...next, dequeueCount: next.dequeueCount + 1, popReceipt: randomUUID(), visibleAt: now + LEASE_MS };
      void this.#work(name, queue, deliver, message);
    }
  }

  async #work(name: string, queue: Queue, deliver: NonNullable<Queue['deliver']>, message: QueueMessage): Promise<void> {
    queue.working += 1;
    try {
      await deliver(message);
    } catch {
      // The failure itself has been logged where it happened.
      if (message.dequeueCount >= this.#settings.maxDequeueCount) this.enqueue(`${name}-poison`, message.text);
      else insert(queue, { ...message, visibleAt: this.#clock.now() + this.#settings.visibilityTimeoutMs });
    } finally {
      queue.working -= 1;
      this.#handOut(name, queue);
    }
  }
}

/** Keeps a queue in the order in which its messages become visible. */
function insert(queue: Queue, message: QueueMessage): void {
  const index = queue.waiting.findLastIndex((other) => other.visibleAt <= message.visibleAt) + 1;
  queue.waiting.splice(index, 0, message);
}
