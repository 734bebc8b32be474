/** Consul that is asked for as long as there is time: each question ends by then, however many are left. */
import { answeredBy } from '../answered-by.ts';
import { type Consul, ConsulUnavailable } from './server.ts';

/** Rejects with `ConsulUnavailable` once `until` is over; what was asked may still be done. */
export function inTime(consul: Consul, until: AbortSignal | undefined): Consul {
  if (!until) return consul;
  const late = (): Error => new ConsulUnavailable('There was no time left to ask Consul; it goes on from there next time.');
  const ask = <Answer>(question: () => Promise<Answer>): Promise<Answer> => answeredBy(until, question, late);
  return {
    read: (kind, name) => ask(() => consul.read(kind, name)),
    write: (entry, over) => ask(() => consul.write(entry, over)),
    remove: (kind, name, over) => ask(() => consul.remove(kind, name, over)),
    chain: (service, after) => ask(() => consul.chain(service, after)),
    instances: (service) => ask(() => consul.instances(service)),
  };
}
