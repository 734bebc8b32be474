/**
 * What one Envoy resource names in another: clusters (by routes, mirrors, TCP proxies, JWKS fetches, gRPC loggers), route
 * configurations (by listeners), load assignments (by EDS clusters) and secrets that come over ADS (by TLS contexts). Read from proto JSON with snake_case names.
 */
import { XDS_CLUSTER } from '../dataplanes/envoy/naming.ts';
import type { EnvoyResource } from '../dataplanes/envoy/resources.ts';
import type { Json, JsonObject } from '../journal/documents.ts';

export interface References {
  /** Every cluster named. */
  readonly clusters: ReadonlySet<string>;
  /** The clusters whose answers requests wait for: those named with weight 0 only are left out, as Envoy never picks them, and those of mirrors. */
  readonly reached: ReadonlySet<string>;
  readonly routes: ReadonlySet<string>;
  /** Those in files are not among them. */
  readonly secrets: ReadonlySet<string>;
}

export function referencesOf(json: Json): References {
  const found = nothingFound();
  collect(json, found);
  return found;
}

/** The name under which an EDS cluster asks for its endpoints; undefined for every other kind of cluster. */
export function assignmentNameOf(cluster: EnvoyResource): string | undefined {
  if (cluster.json.type !== 'EDS') return undefined;
  const config = cluster.json.eds_cluster_config;
  const name = isObject(config) ? config.service_name : undefined;
  return typeof name === 'string' && name !== '' ? name : cluster.name;
}

/** What several name together. */
export function together(all: readonly References[]): References {
  const found = nothingFound();
  for (const { clusters, reached, routes, secrets } of all) {
    for (const each of clusters) found.clusters.add(each);
    for (const each of reached) found.reached.add(each);
    for (const each of routes) found.routes.add(each);
    for (const each of secrets) found.secrets.add(each);
  }
  return found;
}

interface Found {
  readonly clusters: Set<string>;
  readonly reached: Set<string>;
  readonly routes: Set<string>;
  readonly secrets: Set<string>;
}

const nothingFound = (): Found => ({ clusters: new Set(), reached: new Set(), routes: new Set(), secrets: new Set() });

function collect(json: Json, found: Found): void {
  if (isList(json)) {
    for (const item of json) collect(item, found);
    return;
  }
  if (!isObject(json)) return;
  for (const [key, value] of Object.entries(json)) {
    if (value === undefined || key === 'metadata' || key === 'filter_metadata') continue;
    if (key === 'cluster' && typeof value === 'string') reach(value, found);
    else if (key === 'weighted_clusters' && isObject(value)) collectWeighted(value, found);
    else if (key === 'request_mirror_policies' && isList(value)) collectMirrors(value, found);
    else if (key === 'envoy_grpc' && isObject(value) && typeof value.cluster_name === 'string') {
      // That one is in the bootstrap.
      if (value.cluster_name !== XDS_CLUSTER) reach(value.cluster_name, found);
    } else if (key === 'rds' && isObject(value) && typeof value.route_config_name === 'string') found.routes.add(value.route_config_name);
    else if (key === 'validation_context_sds_secret_config' && isObject(value)) collectSecret(value, found);
    else collect(value, found);
  }
}

function collectWeighted(weighted: JsonObject, found: Found): void {
  const clusters = weighted.clusters;
  if (clusters === undefined || !isList(clusters)) return;
  for (const cluster of clusters) {
    if (!isObject(cluster) || typeof cluster.name !== 'string') continue;
    if (cluster.weight === 0) found.clusters.add(cluster.name);
    else reach(cluster.name, found);
  }
}

/** Nobody waits for the copy of a request: where its cluster is missing it is not sent, and the request is. */
function collectMirrors(mirrors: readonly Json[], found: Found): void {
  for (const mirror of mirrors) if (isObject(mirror) && typeof mirror.cluster === 'string') found.clusters.add(mirror.cluster);
}

function collectSecret({ name, sds_config: source }: JsonObject, found: Found): void {
  if (typeof name === 'string' && isObject(source) && source.ads !== undefined) found.secrets.add(name);
}

function reach(cluster: string, found: Found): void {
  found.clusters.add(cluster);
  found.reached.add(cluster);
}

export function isList(json: Json | undefined): json is readonly Json[] {
  return Array.isArray(json);
}

export function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}
