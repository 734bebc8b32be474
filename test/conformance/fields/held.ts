/**
 * What an Envoy holds and serves by, from its `/config_dump`: everything a control plane has pushed over xDS and this Envoy has
 * taken. What it has not taken is kept apart, with its reason.
 */
import { z } from 'zod';
import type { Json, JsonObject } from '../../../src/journal/documents.ts';
import { at, isObject, messages, text } from './proto-json.ts';

export interface Held {
  readonly clusters: ReadonlyMap<string, JsonObject>;
  /** By cluster: its envoy.config.endpoint.v3.ClusterLoadAssignment. */
  readonly endpoints: ReadonlyMap<string, JsonObject>;
  readonly listeners: readonly JsonObject[];
  readonly routes: ReadonlyMap<string, JsonObject>;
  /** `<resource>: <why>`, of what was pushed last and not taken. */
  readonly refused: readonly string[];
}

const dumpSchema = z.object({ configs: z.array(z.json()) });

/** `dump`: as Envoy prints it, endpoints included. @throws when it is none. */
export function heldBy(dump: unknown): Held {
  const configs = new Map(dumpSchema.parse(dump).configs.map((config) => [(text(config, '@type') ?? '').split('.').at(-1), config]));
  const of = (type: string, ...lists: string[]): JsonObject[] => lists.flatMap((list) => messages(configs.get(type), list));
  const clusters = of('ClustersConfigDump', 'static_clusters', 'dynamic_active_clusters', 'dynamic_warming_clusters');
  const listeners = of('ListenersConfigDump', 'static_listeners', 'dynamic_listeners');
  const routes = of('RoutesConfigDump', 'static_route_configs', 'dynamic_route_configs');
  const endpoints = of('EndpointsConfigDump', 'static_endpoint_configs', 'dynamic_endpoint_configs');
  return {
    clusters: named(clusters.map((entry) => entry.cluster)),
    endpoints: named(
      endpoints.map((entry) => entry.endpoint_config),
      'cluster_name',
    ),
    listeners: listeners.map((entry) => at(entry, 'active_state', 'listener') ?? entry.listener).filter(isObject),
    routes: named(routes.map((entry) => entry.route_config)),
    refused: [...clusters, ...listeners, ...routes, ...endpoints].flatMap(refusal),
  };
}

function named(resources: readonly (Json | undefined)[], key = 'name'): ReadonlyMap<string, JsonObject> {
  return new Map(resources.filter(isObject).map((resource) => [text(resource, key) ?? '', resource]));
}

function refusal(entry: JsonObject): string[] {
  const why = text(entry, 'error_state', 'details');
  const failed = at(entry, 'error_state', 'failed_configuration');
  return why === undefined ? [] : [`${text(failed, 'name') ?? text(entry, 'name') ?? 'a resource'}: ${why}`];
}
