/** Meshes for a node to be served: services good and bad, their resources as JSON, and the snapshots made of them. */
import fc from 'fast-check';
import type { EnvoyResource } from '../../src/dataplanes/envoy/resources.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import {
  buildShared,
  buildSnapshot,
  encodeResource,
  type Resource,
  type ResourceSet,
  resourceSet,
  type Snapshot,
} from '../../src/xds/snapshot.ts';

export const setOf = (names: readonly string[]) => new Set(names);
export const encode = ({ json }: EnvoyResource) => Buffer.from(JSON.stringify(json));

export interface Service {
  /** Weight by version; the versions that exist. */
  readonly weights: Readonly<Record<string, number>>;
  readonly badVersions: readonly string[];
  readonly badRoutes: boolean;
  /** Changes the content of clusters (`connect`), endpoints and routes. */
  readonly revisions: readonly [connect: number, endpoints: number, timeout: number];
  /** Its clusters name the bundle. */
  readonly secured?: boolean;
}

export interface Mesh {
  readonly services: Readonly<Record<string, Service>>;
  /** A listener of its own, which names the bundle. */
  readonly inbound: boolean;
  /** Its content; below 0 it is bad. */
  readonly bundle?: number;
}

const arbitraryService: fc.Arbitrary<Service> = fc
  .tuple(
    fc.dictionary(fc.constantFrom('v1', 'v2', 'v3'), fc.constantFrom(0, 10, 100), { minKeys: 1 }),
    fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1)),
    fc.option(fc.constantFrom('v1', 'v2', 'v3'), { freq: 4 }),
    fc.integer({ min: 0, max: 5 }),
    fc.boolean(),
  )
  .map(([weights, revisions, bad, routes, secured]) => ({
    weights,
    revisions,
    badVersions: bad === null ? [] : [bad],
    badRoutes: routes === 0,
    secured,
  }));
export const arbitraryMesh: fc.Arbitrary<Mesh> = fc.record({
  services: fc.dictionary(fc.constantFrom('a', 'b', 'c'), arbitraryService),
  inbound: fc.boolean(),
  bundle: fc.integer({ min: -1, max: 3 }),
});

export function goodMesh({ services, inbound, bundle = 0 }: Mesh): Mesh {
  return {
    inbound,
    bundle: Math.abs(bundle),
    services: Object.fromEntries(
      Object.entries(services).map(([name, service]) => [name, { ...service, badVersions: [], badRoutes: false }]),
    ),
  };
}

const NAMES_BUNDLE: JsonObject = { tls: { validation_context_sds_secret_config: { name: 'bundle', sds_config: { ads: {} } } } };

function secretsOf({ bundle = 0 }: Mesh): ResourceSet {
  const secret = encodeResource({ type: 'secret', name: 'bundle', json: { name: 'bundle', timeout: bundle } }, encode);
  if ('ok' in secret) throw new Error(secret.message);
  return resourceSet(new Map([['bundle', secret]]));
}

function resourcesOf({ services, inbound }: Mesh): readonly EnvoyResource[] {
  const clusters = Object.entries(services).flatMap(([name, { weights, badVersions, revisions, secured = false }]) =>
    Object.keys(weights).flatMap((version): EnvoyResource[] => {
      const cluster = `${name}.${version}`;
      const timeout = `${badVersions.includes(version) ? -1 : revisions[0]}s`;
      return [
        {
          type: 'cluster',
          name: cluster,
          json: { name: cluster, type: 'EDS', connect_timeout: timeout, ...(secured ? NAMES_BUNDLE : {}) },
        },
        { type: 'endpoints', name: cluster, json: { cluster_name: cluster, policy: revisions[1] } },
      ];
    }),
  );
  const hosts = Object.entries(services).map(([name, { weights, badRoutes, revisions }]): JsonObject => {
    const weighted = Object.entries(weights).map(([version, weight]) => ({ name: `${name}.${version}`, weight }));
    return {
      name,
      domains: [name],
      routes: [{ timeout: badRoutes ? -1 : revisions[2], route: { weighted_clusters: { clusters: weighted } } }],
    };
  });
  const local: EnvoyResource[] = [
    { type: 'cluster', name: 'local', json: { name: 'local', type: 'STATIC' } },
    {
      type: 'listener',
      name: 'in',
      json: { name: 'in', ...NAMES_BUNDLE, route_config: { virtual_hosts: [{ routes: [{ route: { cluster: 'local' } }] }] } },
    },
  ];
  return [
    ...clusters,
    { type: 'listener', name: 'out', json: { name: 'out', rds: { route_config_name: 'out' } } },
    { type: 'route', name: 'out', json: { name: 'out', virtual_hosts: hosts } },
    ...(inbound ? local : []),
  ];
}

export const isBad = ({ json }: Pick<Resource, 'json'>) => /"(connect_)?timeout":"?-1/.test(JSON.stringify(json));

export function snapshotOf(sequence: number, mesh: Mesh, previous?: Snapshot): Snapshot {
  const shared = buildShared({
    resources: resourcesOf(mesh),
    encode,
    secrets: secretsOf(mesh),
    ...(previous ? { previous: previous.shared } : {}),
  });
  if (!shared.ok) throw new Error(shared.message);
  const built = buildSnapshot({ sequence, shared: shared.shared, own: [], encode });
  if (!built.ok) throw new Error(built.message);
  return built.snapshot;
}
