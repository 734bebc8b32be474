/**
 * What OSM's proxies serve, asked of themselves: osm-controller has no way to tell (the dump of its debug server answers only for
 * proxies that are not connected), but each sidecar's admin door on its pod's loopback says which routes it has.
 */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Observation } from '../../reconcile/data-plane.ts';
import type { Cluster, KubernetesObject, Refused } from '../kubernetes/cluster.ts';
import { ClusterUnavailable } from '../kubernetes/cluster.ts';
import { PODS } from '../kubernetes/kinds.ts';

/** Of every pod that OSM has injected a sidecar into. */
const PROXY_LABEL = 'osm-proxy-uuid';
const ADMIN_PORT = 15_000;
const ROUTES = '/config_dump?resource=dynamic_route_configs';
const AT_ONCE = 4;
const NAMED = 10;

/** Nonzero weights by Service, such as `{"catalog-v1": 90}`; `undefined`: the proxy has no routes for the service. */
export type Weights = Readonly<Record<string, number>>;
export type Judge = (outbound: Weights | undefined) => 'yes' | 'no' | 'apart';

export interface Look {
  /** `catalog.shop.svc.cluster.local`. */
  readonly host: string;
  readonly judge: Judge;
  /** Whether at least one proxy must be seen that it concerns. */
  readonly someone: boolean;
}

const podSchema = z.object({ status: z.object({ phase: z.string().default('') }).prefault({}) });
const clusterSchema = z.object({ name: z.string(), weight: z.number().default(0) });
const routeSchema = z.object({
  route: z.object({ weighted_clusters: z.object({ clusters: z.array(clusterSchema) }).exactOptional() }).default({}),
});
const dumpSchema = z.object({
  configs: z
    .array(
      z.object({
        route_config: z
          .object({ virtual_hosts: z.array(z.object({ name: z.string(), routes: z.array(routeSchema).default([]) })).default([]) })
          .prefault({}),
      }),
    )
    .default([]),
});

interface Seen {
  readonly pod: string;
  readonly verdict: 'yes' | 'no' | 'apart';
}

/** A refusal: nobody lets us look. Throws `ClusterUnavailable` where the API server does not answer. */
export async function observeSidecars(cluster: Cluster, look: Look): Promise<Observation | Refused> {
  const pods = await cluster.list(PODS, {});
  if (pods.kind === 'refused') return pods;
  const proxied = pods.objects.filter((pod) => PROXY_LABEL in pod.metadata.labels && podSchema.parse(pod).status.phase === 'Running');
  const seen: Seen[] = [];
  for (let index = 0; index < proxied.length; index += AT_ONCE) {
    const some = await Promise.all(proxied.slice(index, index + AT_ONCE).map((pod) => seenAt(cluster, pod, look)));
    for (const each of some) {
      if ('message' in each) return each;
      seen.push(each);
    }
  }
  return together(seen, look);
}

async function seenAt(cluster: Cluster, { metadata }: KubernetesObject, { host, judge }: Look): Promise<Seen | Refused> {
  const pod = `${metadata.namespace}/${metadata.name}`;
  const door = cluster.door({ namespace: metadata.namespace, pod: metadata.name, port: ADMIN_PORT });
  try {
    const answer = await door.get(ROUTES);
    if (answer.kind === 'refused') return answer;
    return { pod, verdict: answer.status === 200 ? judge(outboundWeights(answer.body, host)) : 'no' };
  } catch (error) {
    // A pod that is going, or whose sidecar is not up, keeps nobody from looking at the others.
    if (error instanceof ClusterUnavailable) return { pod, verdict: 'no' };
    throw error;
  } finally {
    door.close();
  }
}

/** Clusters are `shop/catalog-v1|8080`. */
export function outboundWeights(dump: string, host: string): Weights | undefined {
  const virtualHosts = dumpSchema.parse(JSON.parse(dump)).configs.flatMap(({ route_config }) => route_config.virtual_hosts);
  const own = virtualHosts.find(({ name }) => name === `outbound_virtual-host|${host}`);
  if (!own) return undefined;
  const clusters = own.routes.flatMap(({ route }) => route.weighted_clusters?.clusters ?? []);
  return Object.fromEntries(
    clusters.filter(({ weight }) => weight > 0).map(({ name, weight }) => [name.replace(/^[^/]*\//, '').replace(/\|.*$/, ''), weight]),
  );
}

export const servesExactly =
  (wanted: Weights): Judge =>
  (outbound) =>
    outbound === undefined ? 'apart' : isDeepStrictEqual({ ...outbound }, { ...wanted }) ? 'yes' : 'no';

function together(seen: readonly Seen[], { someone }: Look): Observation {
  const counted = seen.filter(({ verdict }) => verdict !== 'apart');
  const behind = counted.filter(({ verdict }) => verdict === 'no').map(({ pod }) => pod);
  if (behind.length === 0 && (counted.length > 0 || !someone)) return { kind: 'served' };
  const because =
    seen.length === 0
      ? `No running pod has a sidecar of OSM (label ${PROXY_LABEL}).`
      : counted.length === 0
        ? `None of the ${seen.length} sidecars has a route for it; may anybody call it?`
        : `Not served yet by ${behind.length} of ${counted.length} sidecars.`;
  return { kind: 'waiting', for: behind.slice(0, NAMED), because };
}
