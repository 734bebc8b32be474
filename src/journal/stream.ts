/**
 * The shapes of the journal: a stream's kind (how its events fold), its head, its commits and the effects still owed.
 * Head, commit and refusal are documents of the partition named after the stream; these are their bodies.
 */
import { z } from 'zod';
import type { EventContext } from '../decision.ts';

/** How one kind of stream is folded. `parse…` answer for what is stored and throw when it is not theirs. */
export interface StreamKind<State, Event> {
  /** Raised whenever the meaning of the stored state changes; older heads are folded again from their events. */
  readonly schema: number;
  readonly initial: State;
  evolve(state: State, event: Event, context: EventContext): State;
  parseState(stored: unknown): State;
  /** Also brings events of older schemas up to today's words; stored events are never rewritten. */
  parseEvent(stored: unknown): Event;
  /** Epoch ms of the earliest deadline in the state. */
  wakeAt(state: State): number | undefined;
}

export const pendingEffectSchema = z.object({
  kind: z.string(),
  target: z.string(),
  /** The version of the commit that called for it. */
  revision: z.number().int(),
  since: z.number(),
  attempts: z.number().int(),
  /** Nobody may take it up before: it is claimed until then, or waits for its next try. */
  notBefore: z.number(),
  error: z.string().exactOptional(),
  data: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).exactOptional(),
});
export type PendingEffect = Readonly<z.infer<typeof pendingEffectSchema>>;

export const headBodySchema = z.object({
  schema: z.number().int(),
  version: z.number().int(),
  /** Of the newest commit. */
  hash: z.string(),
  state: z.unknown(),
  pending: z.record(z.string(), pendingEffectSchema),
});

export interface Head<State> {
  readonly stream: string;
  readonly version: number;
  readonly hash: string;
  readonly state: State;
  readonly pending: Readonly<Record<string, PendingEffect>>;
}

/** Who caused a commit, and by which delivery. */
export interface Delivery {
  /** The same for every redelivery of the same thing. */
  readonly id: string;
  readonly actor: string;
  /** What it rests on: the alert, the push, the observation. Plain JSON, small, without personal claims. */
  readonly evidence?: { readonly [key: string]: string | number | boolean | null };
  /** False for the app's own prompts: their refusals are not worth a document. */
  readonly recordRefusal: boolean;
  /** It may take traffic back: it waits for no other writer. */
  readonly wayBack?: boolean;
}

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);

export const commitBodySchema = z.object({
  version: z.number().int(),
  schema: z.number().int(),
  at: z.number(),
  deliveryId: z.string(),
  actor: z.string(),
  evidence: z.record(z.string(), scalar).exactOptional(),
  events: z.array(z.looseObject({ type: z.string() })),
  message: z.string(),
  prevHash: z.string(),
  hash: z.string(),
});
export type Commit = z.infer<typeof commitBodySchema>;

export const refusalBodySchema = z.object({
  at: z.number(),
  deliveryId: z.string(),
  actor: z.string(),
  evidence: z.record(z.string(), scalar).exactOptional(),
  outcome: z.enum(['refused', 'unchanged']),
  reason: z.string(),
  message: z.string(),
});

/** What a delivery was answered; a redelivery gets the same. */
export type Answer =
  | {
      readonly outcome: 'accepted';
      readonly stream: string;
      readonly version: number;
      readonly message: string;
      readonly repeated: boolean;
    }
  | {
      readonly outcome: 'refused' | 'unchanged';
      readonly stream: string;
      readonly reason: string;
      readonly message: string;
      readonly repeated: boolean;
    };

export const HEAD_ID = 'head';
export const GENESIS_HASH = '0'.repeat(64);
export const pendingKey = (kind: string, target: string): string => `${kind}/${target}`;
