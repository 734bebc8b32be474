/** A cluster that is asked for as long as there is time: each question ends by then, however many are left. */
import { answeredBy } from '../answered-by.ts';
import { type Cluster, ClusterUnavailable } from './cluster.ts';

/** Rejects with `ClusterUnavailable` once `until` is over; what was asked may still be done. */
export function inTime(cluster: Cluster, until: AbortSignal | undefined): Cluster {
  if (!until) return cluster;
  const late = (): Error => new ClusterUnavailable('There was no time left to ask the API server; it goes on from there next time.');
  const ask = <Answer>(question: () => Promise<Answer>): Promise<Answer> => answeredBy(until, question, late);
  return {
    apply: (desired, how) => ask(() => cluster.apply(desired, how)),
    get: (kind, name) => ask(() => cluster.get(kind, name)),
    remove: (kind, object, fields) => ask(() => cluster.remove(kind, object, fields)),
    list: (kind, where) => ask(() => cluster.list(kind, where)),
    delete: (kind, object) => ask(() => cluster.delete(kind, object)),
    may: (permission) => ask(() => cluster.may(permission)),
    door(to) {
      const door = cluster.door(to);
      return { get: (path) => ask(() => door.get(path)), close: () => door.close() };
    },
  };
}
