/** What a caller's Envoy does with a request to a service: the first route of its virtual host that matches, and where that leads. */
import type { JsonObject } from '../../../src/journal/documents.ts';
import type { Held } from './held.ts';
import { matchesRoute, type Request } from './matching.ts';
import { at, isObject, messages, number, text, texts } from './proto-json.ts';

export interface RoutedCall {
  /** Share in percent by cluster; those without any are left out. */
  readonly split: Readonly<Record<string, number>>;
  /** The envoy.config.route.v3.RouteAction. */
  readonly action: JsonObject;
  /** The route it is in. */
  readonly route: JsonObject;
}

/** `undefined`: no route takes it, which is a 404. */
export function routed(virtualHost: JsonObject, request: Request): RoutedCall | undefined {
  const route = messages(virtualHost, 'routes').find(({ match }) => isObject(match) && matchesRoute(match, request));
  const action = at(route, 'route');
  return route === undefined || !isObject(action) ? undefined : { split: splitOf(action), action, route };
}

function splitOf(action: JsonObject): Readonly<Record<string, number>> {
  const single = text(action, 'cluster');
  if (single !== undefined) return { [single]: 100 };
  const weighted = messages(action, 'weighted_clusters', 'clusters').map((cluster): [string, number] => [
    text(cluster, 'name') ?? '',
    number(cluster, 'weight') ?? 0,
  ]);
  const total = weighted.reduce((sum, [, weight]) => sum + weight, 0);
  return Object.fromEntries(weighted.filter(([, weight]) => weight > 0).map(([name, weight]) => [name, (weight / total) * 100]));
}

/** Of all that it holds, inline in listeners too, in no particular order. */
export function virtualHosts(held: Held): readonly JsonObject[] {
  const inline = held.listeners
    .flatMap((listener) => [...messages(listener, 'filter_chains'), ...messages([listener.default_filter_chain ?? {}])])
    .flatMap((chain) => messages(chain, 'filters'))
    .map((filter) => at(filter, 'typed_config', 'route_config'));
  return [...held.routes.values(), ...inline].flatMap((configuration) => messages(configuration, 'virtual_hosts'));
}

/** The virtual host that answers to `domain`. */
export function virtualHostOf(held: Held, domain: string): JsonObject | undefined {
  return virtualHosts(held).find((host) => texts(host, 'domains').includes(domain));
}
