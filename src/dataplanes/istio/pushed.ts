/**
 * Whether what istiod pushes to a proxy is what was rendered: the routes of our VirtualServices with exactly their weights, in
 * the virtual hosts that this service has there.
 */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { JsonObject } from '../../journal/documents.ts';
import type { VirtualHost } from './debug.ts';

/** What one rendered VirtualService must look like in a proxy. */
export interface Expected {
  /** As istiod names where a route comes from. */
  readonly origin: string;
  /** In order; `weights` by subset, without zeros. */
  readonly routes: readonly { readonly name: string; readonly weights: Readonly<Record<string, number>> }[];
  /** `catalog.shop.svc.`, which a proxy that may call the service has a virtual host for; absent: it is for gateways alone. */
  readonly host?: string;
}

const matchSchema = z.looseObject({ uri: z.looseObject({ prefix: z.string().optional(), regex: z.string().optional() }).optional() });

const virtualServiceSchema = z.object({
  kind: z.literal('VirtualService'),
  metadata: z.object({ name: z.string(), namespace: z.string() }),
  spec: z.object({
    hosts: z.array(z.string()),
    gateways: z.array(z.string()).default(['mesh']),
    http: z.array(
      z.object({
        name: z.string(),
        match: z.array(matchSchema).default([{}]),
        route: z.array(
          z.object({ destination: z.object({ host: z.string(), subset: z.string().default('') }), weight: z.number().default(100) }),
        ),
      }),
    ),
  }),
});

export function expectedOf(objects: readonly JsonObject[]): readonly Expected[] {
  return objects.flatMap((object) => {
    const parsed = virtualServiceSchema.safeParse(object);
    if (!parsed.success) return [];
    const { metadata, spec } = parsed.data;
    const [host] = spec.hosts;
    const routes = reached(spec.http).map(({ name, route }) => ({
      name,
      weights: nonZero(Object.fromEntries(route.map(({ destination, weight }) => [destination.subset, weight]))),
    }));
    const origin = `/apis/networking.istio.io/v1/namespaces/${metadata.namespace}/virtual-service/${metadata.name}`;
    const inMesh = spec.gateways.includes('mesh') && host !== undefined && !host.includes('.');
    return [{ origin, routes, ...(inMesh ? { host: `${host}.${metadata.namespace}.svc.` } : {}) }];
  });
}

/** istiod sends no route behind one that matches everything (IsCatchAllRoute, pilot/pkg/networking/core/route). */
function reached<Route extends { readonly match: readonly z.infer<typeof matchSchema>[] }>(routes: readonly Route[]): readonly Route[] {
  const last = routes.findIndex(({ match }) => match.some(matchesAll));
  return last === -1 ? routes : routes.slice(0, last + 1);
}

const matchesAll = ({ uri, ...more }: z.infer<typeof matchSchema>): boolean =>
  Object.keys(more).length === 0 && (uri === undefined || uri.prefix === '/' || uri.regex === '.*');

/** `apart`: this proxy has no virtual host of it and need not have one, or its own namespace routes it another way. */
export function carried(virtualHosts: readonly VirtualHost[], expected: Expected): 'yes' | 'no' | 'apart' {
  const { host, origin } = expected;
  const concerned = virtualHosts.filter(
    ({ domains, routes }) =>
      (host !== undefined && domains.some((domain) => domain.startsWith(host)) && !isLeftToCallers(routes, origin)) ||
      routes.some((route) => route.origin === origin),
  );
  if (concerned.length === 0) return 'apart';
  return concerned.every((virtualHost) => carries(virtualHost, expected)) ? 'yes' : 'no';
}

/** A VirtualService of another namespace that held for all callers would have been refused (`findings.ts`). */
function isLeftToCallers(routes: VirtualHost['routes'], ours: string): boolean {
  const home = namespaceOf(ours);
  return routes.length > 0 && routes.every(({ origin }) => namespaceOf(origin) !== undefined && namespaceOf(origin) !== home);
}

const namespaceOf = (origin: string): string | undefined => /\/namespaces\/([^/]+)\/virtual-service\//.exec(origin)?.[1];

/** One route becomes several where it has alternatives, all of one name. Gateways merge the routes of others into a host's, sidecars don't. */
function carries(virtualHost: VirtualHost, { host, origin, routes: expected }: Expected): boolean {
  const routes = host === undefined ? virtualHost.routes.filter((route) => route.origin === origin) : virtualHost.routes;
  const names = routes.map(({ name }) => name).filter((name, index, all) => name !== all[index - 1]);
  if (
    !isDeepStrictEqual(
      names,
      expected.map(({ name }) => name),
    )
  )
    return false;
  return routes.every((route) => {
    const wanted = expected.find(({ name }) => name === route.name)?.weights ?? {};
    return route.origin === origin && isDeepStrictEqual(bySubset(route.weights), share(wanted));
  });
}

/** A single destination has no weight in a proxy: it gets everything. */
const share = (weights: Readonly<Record<string, number>>): Record<string, number> =>
  Object.keys(weights).length === 1 ? Object.fromEntries(Object.keys(weights).map((subset) => [subset, 100])) : { ...weights };

const bySubset = (weights: Readonly<Record<string, number>>): Record<string, number> =>
  nonZero(Object.fromEntries(Object.entries(weights).map(([cluster, weight]) => [cluster.split('|')[2] ?? '', weight])));

const nonZero = (weights: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(weights).filter(([, weight]) => weight > 0));

/** Whether any route of this proxy still leads to a subset of the service at `host`. */
export const leadsTo = (virtualHosts: readonly VirtualHost[], host: string): boolean =>
  virtualHosts.some(({ routes }) =>
    routes.some(({ weights }) =>
      Object.keys(weights).some((cluster) => {
        const [, , subset, target = ''] = cluster.split('|');
        return subset !== '' && target.startsWith(host);
      }),
    ),
  );
