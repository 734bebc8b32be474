/**
 * What deciding gives: the answer of every pure `decide(state, command, context)` in this project, whatever its room.
 * Events are facts to record; effects are work the recorded facts call for, done after the commit and never before.
 */

export type Decision<Event> =
  | {
      readonly kind: 'accepted';
      readonly events: readonly [Event, ...Event[]];
      readonly effects: readonly Effect[];
      readonly message: string;
    }
  /** Nothing to change, and that is right: asked twice, or not about anything under way. */
  | { readonly kind: 'unchanged'; readonly reason: string; readonly message: string }
  | { readonly kind: 'refused'; readonly reason: string; readonly message: string };

/**
 * `target` given: level-triggered, a newer effect of the same kind and target replaces the older one.
 * `target` absent: a one-off, keyed by the commit that called for it.
 */
export interface Effect {
  readonly kind: string;
  readonly target?: string;
  /** Plain JSON. */
  readonly data?: { readonly [key: string]: string | number | boolean | null };
}

/** What folding an event may know besides the event. */
export interface EventContext {
  /** The version of the commit that holds the event. */
  readonly version: number;
  /** Epoch ms of the decision. */
  readonly at: number;
}

export const refused = <Reason extends string>(reason: Reason, message: string) => ({ kind: 'refused', reason, message }) as const;
export const unchanged = (reason: string, message: string) => ({ kind: 'unchanged', reason, message }) as const;
