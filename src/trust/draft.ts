/** A decision in the making: events recorded so far, the state they lead to, the effects they call for. Local to `decide`. */
import { type Decision, type Effect, unchanged } from '../decision.ts';
import type { TrustContext } from './commands.ts';
import type { TrustEvent } from './events.ts';
import { evolve } from './evolve.ts';
import type { TrustState } from './state.ts';

/** What people are told of. The words are made in `src/notifications`. */
export type TrustCardTopic =
  | 'trust-established'
  | 'rotation-begun'
  | 'rotation-prepared'
  | 'rotation-phase'
  | 'rotation-held'
  | 'rotation-overdue'
  | 'rotation-aborted'
  | 'rotation-completed'
  | 'certificates-expiring';

export class Draft {
  state: TrustState;
  readonly context: TrustContext;
  readonly #events: TrustEvent[] = [];
  readonly #effects: Effect[] = [];

  constructor(state: TrustState, context: TrustContext) {
    this.state = state;
    this.context = context;
  }

  record(event: TrustEvent): this {
    this.#events.push(event);
    this.state = evolve(this.state, event, { version: this.context.version, at: this.context.now });
    return this;
  }

  /** Every data plane must come to have what the state now says, and the fleet is looked at until it has. */
  bring(): this {
    for (const target of this.state.dataPlanes) this.effect({ kind: 'trust', target });
    return this.look();
  }

  look(): this {
    return this.effect({ kind: 'look', target: 'fleet' });
  }

  /** The vault must come to have its keys enabled or disabled, as the state now says. */
  key(root: string): this {
    return this.effect({ kind: 'key', target: root });
  }

  card(topic: TrustCardTopic, text?: string, more: Effect['data'] = {}): this {
    const { rotation, trustDomain } = this.state;
    const data = {
      topic,
      trustDomain: trustDomain ?? null,
      phase: rotation?.phase.name ?? null,
      cause: rotation?.cause ?? null,
      text: text ?? null,
      ...more,
    };
    return this.effect({ kind: 'card', data });
  }

  effect(effect: Effect): this {
    const replaced =
      effect.target === undefined ? -1 : this.#effects.findIndex((e) => e.kind === effect.kind && e.target === effect.target);
    if (replaced >= 0) this.#effects.splice(replaced, 1);
    this.#effects.push(effect);
    return this;
  }

  accepted(message: string): Decision<TrustEvent> {
    const [first, ...rest] = this.#events;
    if (!first) return unchanged('NothingToDo', message);
    return { kind: 'accepted', events: [first, ...rest], effects: this.#effects, message };
  }
}
