/**
 * Rendered resources as one Envoy configuration file, so that a real Envoy can judge and run a rendering without any server
 * of ours.
 */
import type { EnvoyResource, EnvoyResourceType } from '../../../src/dataplanes/envoy/resources.ts';
import type { Json, JsonObject } from '../../../src/journal/documents.ts';
import { isList, isObject } from '../../../src/xds/references.ts';

/**
 * What ADS would bring is written into the places that wait for it. Envoy then also refuses a route to a cluster that isn't
 * there. `bootstrap` gives all but the resources: node, admin, runtime.
 */
export function staticConfiguration(bootstrap: JsonObject, resources: readonly EnvoyResource[]): JsonObject {
  const { dynamic_resources: _, static_resources: own, ...rest } = bootstrap;
  const assignments = new Map(resources.filter(isOf('endpoints')).map((each) => [each.name, each.json]));
  const routes = new Map(resources.filter(isOf('route')).map((each) => [each.name, { ...each.json, validate_clusters: true }]));
  const clusters = resources.filter(isOf('cluster')).map((each) => withEndpoints(each.json, assignments.get(each.name)));
  const listeners = resources.filter(isOf('listener')).map((each) => withRoutes(each.json, routes));
  return { ...rest, static_resources: { clusters: [...clustersOf(own), ...clusters], listeners } };
}

/** Clusters and listeners as they are rendered, beside what the bootstrap has: they wait for ADS, which `--mode validate` doesn't. */
export function waitingConfiguration(bootstrap: JsonObject, resources: readonly EnvoyResource[]): JsonObject {
  const merged = {
    clusters: resources.filter(isOf('cluster')).map((each) => each.json),
    listeners: resources.filter(isOf('listener')).map((each) => each.json),
  };
  return JSON.parse(JSON.stringify(bootstrap), (key, value) =>
    key === 'static_resources' ? { clusters: [...value.clusters, ...merged.clusters], listeners: merged.listeners } : value,
  );
}

/** Listeners name the xds server's. */
function clustersOf(own: Json | undefined): readonly Json[] {
  const clusters = isObject(own) ? own.clusters : undefined;
  return clusters !== undefined && isList(clusters) ? clusters : [];
}

function isOf(type: EnvoyResourceType): (resource: EnvoyResource) => boolean {
  return (resource) => resource.type === type;
}

function withEndpoints(cluster: JsonObject, assignment: JsonObject | undefined): JsonObject {
  if (assignment === undefined) return cluster;
  const { eds_cluster_config: _, ...rest } = cluster;
  return { ...rest, type: 'STATIC', load_assignment: assignment };
}

function withRoutes(listener: JsonObject, routes: ReadonlyMap<string, JsonObject>): JsonObject {
  return JSON.parse(JSON.stringify(listener), (_, value) => {
    if (typeof value !== 'object' || value === null || !('rds' in value)) return value;
    const { rds, ...rest } = value;
    return { ...rest, route_config: routes.get(rds.route_config_name) };
  });
}
