/** A service's stream as the journal keeps it. */
import { nextDeadline } from './deadlines.ts';
import { type ServiceEvent, serviceEventSchema } from './events.ts';
import { evolve } from './evolve.ts';
import { initialServiceState, type ServiceState, serviceStateSchema } from './state.ts';

export const serviceStream = {
  schema: 2,
  initial: initialServiceState,
  evolve,
  parseState: (stored: unknown): ServiceState => serviceStateSchema.parse(stored),
  parseEvent: (stored: unknown): ServiceEvent => serviceEventSchema.parse(stored),
  wakeAt: (state: ServiceState): number | undefined => nextDeadline(state)?.at,
};

export const serviceStreamId = (mesh: string, service: string): string => `service/${mesh}/${service}`;
