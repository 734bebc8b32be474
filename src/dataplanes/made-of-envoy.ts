/** What no mesh whose proxies are Envoys can say exactly, since Envoy cannot. */
import { approximated } from '../plan/fidelity.ts';

export const connectionsAtATime = approximated('Each worker thread of a caller keeps one connection to each endpoint, over the limit too.');

export const endpointByHash = approximated(
  'While a route is split, requests of one value are divided over the versions like all others, and reach one endpoint of each.',
);
