/** A decision in the making: events recorded so far, the state they lead to, the effects they call for. Local to `decide`. */
import type { Decision, Effect } from '../decision.ts';
import { unchanged } from '../decision.ts';
import type { ServiceContext } from './commands.ts';
import type { ServiceEvent } from './events.ts';
import { evolve } from './evolve.ts';
import { type ServiceState, weightOf } from './state.ts';

/** What people are told of. The words are made in `src/notifications`. */
export type CardTopic =
  | 'established'
  | 'started'
  | 'delayed'
  | 'step'
  | 'held'
  | 'returned'
  | 'blocked'
  | 'succeeded'
  | 'abandoned'
  | 'stuck'
  | 'alert'
  | 'kept-back'
  | 'drifted'
  | 'drift-gone';

export class Draft {
  state: ServiceState;
  readonly context: ServiceContext;
  readonly #events: ServiceEvent[] = [];
  readonly #effects: Effect[] = [];

  constructor(state: ServiceState, context: ServiceContext) {
    this.state = state;
    this.context = context;
  }

  record(event: ServiceEvent): this {
    this.#events.push(event);
    this.state = evolve(this.state, event, { version: this.context.version, at: this.context.now });
    return this;
  }

  /** Every data plane must come to serve what the state now says. */
  serve(): this {
    for (const target of this.state.spec?.dataPlanes ?? []) this.#effect({ kind: 'serve', target });
    return this;
  }

  /** This data plane, where the service no longer lives, must come to have nothing of it. */
  leave(target: string): this {
    return this.#effect({ kind: 'serve', target });
  }

  /** One data plane must come to serve what the state has said all along; it is looked at for drift again once it does. */
  restore(target: string): this {
    return this.#effect({ kind: 'serve', target, data: { restores: true } });
  }

  /** Readiness decides how this goes on: keep looking at it. */
  watch(): this {
    return this.#effect({ kind: 'watch', target: 'readiness' });
  }

  /** The card says what is so now and what comes next; `until`: when this ends if nothing else ends it (the phase's deadline if not given). */
  card(topic: CardTopic, words: { version: string; text?: string; until?: number; what?: string }): this {
    const { stable, rollout } = this.state;
    const phase = rollout?.phase;
    const step = phase && 'step' in phase ? phase.step : undefined;
    const data = {
      topic,
      until: phase?.deadline ?? null,
      ...words,
      weight: weightOf(this.state, words.version),
      stable: stable?.version ?? null,
      phase: phase?.name ?? null,
      promoted: phase?.name === 'shifting' && phase.promoted,
      step: step === undefined ? 0 : step + 1,
      steps: rollout?.steps.length ?? 0,
      holdMs: step === undefined ? null : (rollout?.steps[step]?.holdMs ?? null),
      nextWeight: step === undefined ? null : (rollout?.steps[step + 1]?.weight ?? null),
    };
    return this.#effect({ kind: 'card', data });
  }

  accepted(message: string): Decision<ServiceEvent> {
    const [first, ...rest] = this.#events;
    if (!first) return unchanged('NothingToDo', message);
    return { kind: 'accepted', events: [first, ...rest], effects: this.#effects, message };
  }

  #effect(effect: Effect): this {
    const replaced =
      effect.target === undefined ? -1 : this.#effects.findIndex((e) => e.kind === effect.kind && e.target === effect.target);
    if (replaced >= 0) this.#effects.splice(replaced, 1);
    this.#effects.push(effect);
    return this;
  }
}
