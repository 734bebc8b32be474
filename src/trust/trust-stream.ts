/** A mesh's trust as the journal keeps it. */

import { type TrustEvent, trustEventSchema } from './events.ts';
import { evolve } from './evolve.ts';
import { initialTrustState, type TrustState, trustStateSchema } from './state.ts';
import { nextWake } from './timing.ts';

export const trustStream = {
  schema: 1,
  initial: initialTrustState,
  evolve,
  parseState: (stored: unknown): TrustState => trustStateSchema.parse(stored),
  parseEvent: (stored: unknown): TrustEvent => trustEventSchema.parse(stored),
  wakeAt: nextWake,
};

export const trustStreamId = (mesh: string): string => `trust/${mesh}`;
