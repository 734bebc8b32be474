/**
 * Whether what istiod pushes to a proxy is what our HTTPRoute of the service says: Istio makes one VirtualService of all routes of a
 * parent and names each rule by its place (pilot/pkg/config/kube/gateway), and puts them in the order in which it tries them.
 */
import { isDeepStrictEqual } from 'node:util';
import type { RouteMatch, ServicePlan } from '../../plan/plan.ts';
import type { VirtualHost } from '../istio/debug.ts';
import type { Judge } from '../istio/observe.ts';
import { versionServiceName } from '../kubernetes/objects.ts';

/** `yes`: it has every rule, with exactly its weights; `apart`: the service is none of its business. */
export function carriesRoutes(plan: ServicePlan): Judge {
  const first = plan.routes.findIndex(({ match }) => matchesAll(match));
  const sent = plan.routes.map(({ match, split }, index) => ({ split, index, unreached: index > first && matchesAll(match) }));
  const wanted = new Map(
    sent
      .filter(({ unreached }) => !unreached)
      .map(({ split, index }) => [`${plan.namespace}.${plan.service}.${index}`, weightsOf(plan, split)]),
  );
  const host = `${plan.service}.${plan.namespace}.svc.`;
  return (virtualHosts) => {
    const concerned = virtualHosts.filter(({ domains }) => domains.some((domain) => domain.startsWith(host) && isPort(domain, plan.port)));
    if (concerned.length === 0) return 'apart';
    return concerned.every(({ routes }) => {
      const names = new Set(routes.map(({ name }) => name));
      return names.size === wanted.size && routes.every(({ name, weights }) => isDeepStrictEqual(byHost(weights), wanted.get(name)));
    })
      ? 'yes'
      : 'no';
  };
}

/** Such rules come last and in their order, and istiod sends only the first (IsCatchAllRoute, pilot/pkg/networking/core/route). */
const matchesAll = ({ path, methods = [], headers = [] }: RouteMatch): boolean =>
  methods.length === 0 && headers.length === 0 && (path === undefined || ('prefix' in path && path.prefix === '/'));

/** A virtual host may stand for one port of the service or for all that there are. */
const isPort = (domain: string, port: number): boolean => !/:\d+$/.test(domain) || domain.endsWith(`:${port}`);

/** Whether any route of it leads to one of these Services. */
export const leadsToServices =
  (services: readonly string[], namespace: string): ((virtualHosts: readonly VirtualHost[]) => 'no' | 'apart') =>
  (virtualHosts) => {
    const targets = virtualHosts.flatMap(({ routes }) => routes.flatMap(({ weights }) => Object.keys(byHost(weights))));
    return targets.some((target) => services.some((service) => target === `${service}.${namespace}`)) ? 'no' : 'apart';
  };

/** Without zeros, which Istio leaves out; one alone gets everything. */
function weightsOf(plan: ServicePlan, split: ServicePlan['routes'][number]['split']): Record<string, number> {
  return Object.fromEntries(
    split
      .filter(({ weight }) => weight > 0)
      .map(({ version, weight }) => [`${versionServiceName(plan, version)}.${plan.namespace}`, weight]),
  );
}

/** Clusters are `outbound|8080||catalog-v1.shop.svc.cluster.local`. */
const byHost = (weights: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(weights).map(([cluster, weight]) => [(cluster.split('|')[3] ?? '').split('.').slice(0, 2).join('.'), weight]),
  );
