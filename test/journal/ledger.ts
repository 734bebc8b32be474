/** A small stream for the journal's own tests: a sum with entries, a day it falls due, and two schemas of it. */

import { z } from 'zod';
import type { Decision, Effect } from '../../src/decision.ts';
import type { Documents } from '../../src/journal/documents.ts';
import { append } from '../../src/journal/journal.ts';
import { type Delivery, pendingKey, type StreamKind } from '../../src/journal/stream.ts';

const entrySchema = z.object({ type: z.literal('Added'), amount: z.number() });
const dueSchema = z.object({ type: z.literal('FallsDue'), at: z.number() });
const eventSchema = z.discriminatedUnion('type', [entrySchema, dueSchema]);
export type LedgerEvent = z.infer<typeof eventSchema>;

const stateSchema = z.object({ sum: z.number(), entries: z.number(), dueAt: z.number().exactOptional() });
export type Ledger = z.infer<typeof stateSchema>;

export const ledger: StreamKind<Ledger, LedgerEvent> = {
  schema: 1,
  initial: { sum: 0, entries: 0 },
  evolve: (state, event) =>
    event.type === 'FallsDue' ? { ...state, dueAt: event.at } : { ...state, sum: state.sum + event.amount, entries: state.entries + 1 },
  parseState: (stored) => stateSchema.parse(stored),
  parseEvent: (stored) => eventSchema.parse(stored),
  wakeAt: (state) => state.dueAt,
};

const newerEventSchema = z.discriminatedUnion('type', [entrySchema.extend({ currency: z.string().default('EUR') }), dueSchema]);
const newerStateSchema = z.object({ sums: z.record(z.string(), z.number()) });

/** The same stream after a change of its meaning: one sum per currency; entries of before it were all in euros. */
export const newerLedger: StreamKind<z.infer<typeof newerStateSchema>, z.infer<typeof newerEventSchema>> = {
  schema: 2,
  initial: { sums: {} },
  evolve: (state, event) =>
    event.type === 'FallsDue' ? state : { sums: { ...state.sums, [event.currency]: (state.sums[event.currency] ?? 0) + event.amount } },
  parseState: (stored) => newerStateSchema.parse(stored),
  parseEvent: (stored) => newerEventSchema.parse(stored),
  wakeAt: () => undefined,
};

export const STREAM = 'service/shop/ledger';
export const T0 = Date.parse('2026-11-22T14:00:00Z');
/** It stands still. */
export const clock = () => T0;
export const SERVE: Effect = { kind: 'serve', target: 'edge' };
export const CARD: Effect = { kind: 'card', data: { topic: 'added' } };
export const serveKey = pendingKey('serve', 'edge');

export const delivery = (id: string, recordRefusal = true): Delivery => ({ id, actor: 'test', recordRefusal, evidence: { because: id } });

export function added(amount: number, effects: readonly Effect[] = []): Decision<{ readonly type: 'Added'; amount: number }> {
  return { kind: 'accepted', events: [{ type: 'Added', amount }], effects, message: `Added ${amount}.` };
}

/** What only the newer schema can say. */
export const francs = (amount: number): Decision<{ readonly type: 'Added'; amount: number; currency: string }> => ({
  kind: 'accepted',
  events: [{ type: 'Added', amount, currency: 'CHF' }],
  effects: [SERVE],
  message: `Added ${amount} francs.`,
});

/** Adds, as one delivery. */
export const add = (
  documents: Documents,
  id: string,
  amount: number,
  options: { effects?: readonly Effect[]; now?: number; stream?: string; recordRefusal?: boolean } = {},
) =>
  append(
    documents,
    ledger,
    options.stream ?? STREAM,
    delivery(id, options.recordRefusal),
    () => options.now ?? T0,
    () => added(amount, options.effects),
  );
