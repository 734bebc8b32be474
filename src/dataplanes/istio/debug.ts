/**
 * What istiod's debug pages say, read leniently: `/debug/syncz`, `/debug/adsz` and `/debug/config_dump?types=RDS`
 * (pilot/pkg/xds/debug.go). A dump is made anew for the one who asks, and what was made for another proxy may be in it: it is no word of
 * what a proxy has. The nonces are: sent and acknowledged are equal, and `lastError` is what a refusal said (not in older ones).
 */
import { z } from 'zod';

const ROUTES = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';
const CLUSTERS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const ENDPOINTS = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';

const syncSchema = z.array(
  z.object({
    proxy: z.string().default(''),
    cluster_sent: z.string().default(''),
    cluster_acked: z.string().default(''),
    route_sent: z.string().default(''),
    route_acked: z.string().default(''),
    resources: z.record(z.string(), z.object({ lastError: z.string().default('') })).default({}),
  }),
);

export interface Sync {
  /** The nonce of what was sent last; no two are alike. */
  readonly sent: string;
  readonly acknowledged: boolean;
  /** What its last refusal said; '' = it refused nothing, or this istiod does not say. */
  readonly error: string;
}

export interface ProxyStatus {
  /** `<pod>.<namespace>` */
  readonly proxy: string;
  readonly clusters: Sync;
  /** absent: it has not asked for routes. */
  readonly routes?: Sync;
}

export function readSyncz(body: string): readonly ProxyStatus[] {
  return syncSchema.parse(JSON.parse(body)).map((each) => {
    const sync = (type: string, sent: string, acked: string): Sync => ({
      sent,
      acknowledged: sent === acked,
      error: each.resources[type]?.lastError ?? '',
    });
    return {
      proxy: each.proxy,
      clusters: sync(CLUSTERS, each.cluster_sent, each.cluster_acked),
      ...(each.route_sent === '' ? {} : { routes: sync(ROUTES, each.route_sent, each.route_acked) }),
    };
  });
}

const clientsSchema = z.object({
  clients: z
    .array(z.object({ connectionId: z.string(), watches: z.record(z.string(), z.array(z.string()).nullable()).default({}) }))
    .default([]),
});

export interface Connected {
  /** `<pod>.<namespace>` */
  readonly proxy: string;
  /** `<proxy>-<number>`. istiod looks for a proxy by a part of this: `db-0.shop` would find `my-db-0.shop-7` too. */
  readonly connection: string;
  /** Those whose endpoints it has asked for: a proxy does that once it has taken a cluster, and not before. */
  readonly clusters: readonly string[];
}

/** Of `/debug/adsz`. */
export function readConnected(body: string): readonly Connected[] {
  return clientsSchema.parse(JSON.parse(body)).clients.map(({ connectionId, watches }) => ({
    proxy: connectionId.replace(/-\d+$/, ''),
    connection: connectionId,
    clusters: watches[ENDPOINTS] ?? [],
  }));
}

export interface PushedRoute {
  readonly name: string;
  /** The object it was made from, `/apis/networking.istio.io/v1/namespaces/shop/virtual-service/catalog`; '' = none. */
  readonly origin: string;
  /** By cluster, `outbound|<port>|<subset>|<host>`; none where it goes to no cluster. */
  readonly weights: Readonly<Record<string, number>>;
}

export interface VirtualHost {
  readonly domains: readonly string[];
  readonly routes: readonly PushedRoute[];
}

const routeSchema = z.object({
  name: z.string().default(''),
  metadata: z
    .object({ filterMetadata: z.object({ istio: z.object({ config: z.string().default('') }).default({ config: '' }) }) })
    .partial()
    .default({}),
  route: z
    .object({
      cluster: z.string().exactOptional(),
      weightedClusters: z.object({ clusters: z.array(z.object({ name: z.string(), weight: z.number().default(0) })) }).exactOptional(),
    })
    .default({}),
});
const dumpSchema = z.object({
  configs: z
    .array(
      z.object({
        virtualHosts: z.array(z.object({ domains: z.array(z.string()).default([]), routes: z.array(routeSchema).default([]) })).default([]),
      }),
    )
    .default([]),
});

/** Of all route configurations of one proxy. */
export function readRoutes(body: string): readonly VirtualHost[] {
  return dumpSchema.parse(JSON.parse(body)).configs.flatMap(({ virtualHosts }) =>
    virtualHosts.map(({ domains, routes }) => ({
      domains,
      routes: routes.map(({ name, metadata, route }) => ({
        name,
        origin: metadata.filterMetadata?.istio.config ?? '',
        weights: route.weightedClusters
          ? Object.fromEntries(route.weightedClusters.clusters.map(({ name: cluster, weight }) => [cluster, weight]))
          : route.cluster === undefined
            ? {}
            : { [route.cluster]: 100 },
      })),
    })),
  );
}
