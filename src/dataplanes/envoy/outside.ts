/**
 * What leaves and enters the mesh: outside hosts that services call (a cluster and a virtual host each), and the names under
 * which a gateway takes calls to services. TLS is not opened: a workload asks for a way through by CONNECT, as with any HTTP
 * proxy. Formats: envoy.config.route.v3.VirtualHost, connect_matcher and CONNECT upgrades.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { Egress, ServicePlan } from '../../plan/plan.ts';
import { outsideCluster } from './clusters.ts';
import { compareText, plansByName } from './naming.ts';
import type { EnvoyNode, EnvoyResource } from './resources.ts';

/** A host and port, and how it is called: by one protocol or by both. */
interface OutsideHost {
  readonly host: string;
  readonly port: number;
  readonly protocols: ReadonlySet<Egress['protocol']>;
}

/** Of all services: each host and port once, sorted. A name that a service of the mesh answers to stays the service's. */
export function outsideHosts(plans: readonly ServicePlan[]): readonly OutsideHost[] {
  const services = plansByName(plans);
  const asked = plans.flatMap(({ egress = [] }) => egress.filter(({ host }) => !services.has(host)));
  const grouped = Map.groupBy(asked, ({ host, port }) => `${host}:${port}`);
  return [...grouped.values()]
    .flatMap((same) => same.slice(0, 1).map(({ host, port }) => ({ host, port, protocols: new Set(same.map(({ protocol }) => protocol)) })))
    .sort((a, b) => compareText(a.host, b.host) || a.port - b.port);
}

export function outsideClusters(hosts: readonly OutsideHost[]): readonly EnvoyResource[] {
  return hosts.map(({ host, port }) => {
    const name = outsideName(host, port);
    return { type: 'cluster', name, json: outsideCluster(name, host, port) };
  });
}

export function outsideVirtualHosts(hosts: readonly OutsideHost[]): readonly JsonObject[] {
  return hosts.map(({ host, port, protocols }) => {
    const cluster = outsideName(host, port);
    const through = { upgrade_type: 'CONNECT', enabled: true, connect_config: {} };
    return {
      name: cluster,
      domains: [`${host}:${port}`, ...(protocols.has('http') && isNamedWithoutPort(host, port, hosts) ? [host] : [])],
      routes: [
        ...(protocols.has('tls')
          ? [{ match: { connect_matcher: {} }, route: { cluster, timeout: '0s', upgrade_configs: [through] } }]
          : []),
        ...(protocols.has('http') ? [{ match: { prefix: '/' }, route: { cluster, timeout: '0s' } }] : []),
      ],
    };
  });
}

/** Clients leave the port out where it is 80; some leave it out altogether, which can mean only one port. */
function isNamedWithoutPort(host: string, port: number, hosts: readonly OutsideHost[]): boolean {
  const ports = hosts.filter((each) => each.host === host && each.protocols.has('http')).map((each) => each.port);
  return port === 80 || (ports.length === 1 && ports[0] === port);
}

function outsideName(host: string, port: number): string {
  return `outside|${host}:${port}`;
}

export type Gateway = Pick<NonNullable<EnvoyNode['gateway']>, 'name' | 'namespace'>;

/**
 * By plan: its names at one gateway, whatever port the outside sees. A name that two services want goes to neither: Envoy would
 * refuse it for both, and with it everything else that the gateway serves.
 */
export function gatewayDomains(plans: readonly ServicePlan[], gateway: Gateway): ReadonlyMap<ServicePlan, readonly string[]> {
  const wanted = plans.flatMap((plan) =>
    (plan.ingress ?? [])
      .filter((ingress) => ingress.gateway.name === gateway.name && ingress.gateway.namespace === gateway.namespace)
      .map(({ host }) => ({ plan, host })),
  );
  const byHost = Map.groupBy(wanted, ({ host }) => host);
  const alone = wanted.filter(({ host }) => byHost.get(host)?.length === 1);
  return new Map(
    [...Map.groupBy(alone, ({ plan }) => plan)].map(([plan, those]) => [plan, those.flatMap(({ host }) => [host, `${host}:*`])]),
  );
}
