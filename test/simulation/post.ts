/**
 * The way of a delivery to the app: at least once in the end, as Event Grid and action groups do it. It may come late (and
 * so out of order), be lost and sent again, come twice, and be sent again because an instance died over it. Every answer
 * to the same delivery must be the same.
 */
import type { App } from '../../src/app.ts';
import type { Answer } from '../../src/journal/stream.ts';
import type { Instances } from './instances.ts';
import type { World } from './world.ts';

const REDELIVERY_MS = { shortest: 2_000, longest: 40_000 };

/** What was answered, in one form whatever door it came in by. */
export interface Reply {
  readonly answers: readonly Answer[];
  /** The document that keeps what nobody could act on. */
  readonly parked?: string;
}

export interface Parcel {
  /** For the trace. */
  readonly what: string;
  /** As the journal knows it; absent where the app makes it itself. */
  readonly deliveryId?: string;
  readonly ask: (app: App) => Promise<Reply>;
}

interface Answered {
  readonly parcel: Parcel;
  readonly reply: Reply;
}

export class Post {
  /** Sent and not yet acknowledged for good. */
  outstanding = 0;
  readonly answered: Answered[] = [];
  readonly #world: World;
  readonly #instances: Instances;
  readonly #adoptedSince: ReadonlyMap<string, number>;
  /** By delivery and stream. */
  readonly #answers = new Map<string, string>();

  constructor(world: World, instances: Instances, adoptedSince: ReadonlyMap<string, number>) {
    this.#adoptedSince = adoptedSince;
    this.#world = world;
    this.#instances = instances;
  }

  send(parcel: Parcel): void {
    const { random, faults } = this.#world;
    const copies = faults.strikes('delivery twice', 0.3) ? random.between(2, 3) : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      this.outstanding += 1;
      let late = random.between(1, 400);
      if (faults.strikes('delivery late', 0.3)) late = random.between(1_000, 120_000);
      if (faults.strikes('delivery lost once', 0.15)) late += random.between(REDELIVERY_MS.shortest, REDELIVERY_MS.longest);
      this.#world.after(late, () => this.#deliver(parcel));
    }
  }

  #deliver(parcel: Parcel): void {
    const askedAt = this.#world.now;
    this.#instances.ask(
      parcel.what,
      parcel.ask,
      (reply) => this.#acknowledged(parcel, reply, askedAt),
      () => {
        this.#world.after(this.#world.random.between(REDELIVERY_MS.shortest, REDELIVERY_MS.longest), () => this.#deliver(parcel));
      },
    );
  }

  #acknowledged(parcel: Parcel, reply: Reply, askedAt: number): void {
    this.outstanding -= 1;
    this.answered.push({ parcel, reply });
    this.#world.tell(() => `answered: ${parcel.what}: ${reply.parked ? 'parked' : reply.answers.map(inWords).join()}`);
    if (parcel.deliveryId === undefined) return;
    for (const answer of reply.answers) {
      this.#knowsItsServices(answer, askedAt);
      const key = `${parcel.deliveryId} ${answer.stream}`;
      const words = inWords(answer);
      const before = this.#answers.get(key) ?? words;
      this.#answers.set(key, before);
      if (words !== before) this.#world.violate('the same delivery gets the same answer', `${parcel.what}: "${before}", then "${words}"`);
    }
  }

  #knowsItsServices(answer: Answer, askedAt: number): void {
    if (answer.outcome !== 'refused' || answer.reason !== 'UnknownService' || answer.repeated) return;
    const since = this.#adoptedSince.get(answer.stream.split('/')[2] ?? '') ?? askedAt;
    if (since < askedAt) this.#world.violate('what is adopted is known', answer.stream);
  }
}

const inWords = (answer: Answer): string =>
  answer.outcome === 'accepted'
    ? `accepted as ${answer.version}: ${answer.message}`
    : `${answer.outcome} ${answer.reason}: ${answer.message}`;
