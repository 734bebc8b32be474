/** A plan and a node to render for Envoy, and what is read of the resources that come of it. */
import type { EnvoyNode, EnvoyResource } from '../../../src/dataplanes/envoy/resources.ts';
import type { Json } from '../../../src/journal/documents.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';

export const inbound = { service: 'catalog', version: 'v1', address: '127.0.0.1', port: 15_006, workloadPort: 8080 };
export const node: EnvoyNode = {
  id: 'catalog-v1-0',
  mesh: 'sample',
  dataPlane: 'vms',
  outbound: { address: '127.0.0.1', port: 15_001 },
  inbound,
  identity: { directory: '/var/lib/meshwright/identity' },
};

export const plan = (over: Partial<ServicePlan>): ServicePlan => ({
  mesh: 'sample',
  service: 'catalog',
  namespace: 'shop',
  port: 8080,
  protocol: 'http',
  selector: { app: 'catalog' },
  versions: [{ name: 'v1', labels: { version: 'v1' } }],
  routes: [{ name: 'default', match: {}, split: [{ version: 'v1', weight: 100 }] }],
  dataPlanes: ['vms'],
  ...over,
});

export function member(json: Json | undefined, key: string): Json | undefined {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
    ? Object.entries(json).find(([name]) => name === key)?.[1]
    : undefined;
}

export function list(json: Json | undefined): readonly Json[] {
  return Array.isArray(json) ? json : [];
}

export function virtualHosts(resources: readonly EnvoyResource[]): readonly Json[] {
  return resources.filter((each) => each.type === 'route').flatMap((each) => list(member(each.json, 'virtual_hosts')));
}

export function routesOf(resources: readonly EnvoyResource[], hosts: (host: Json) => boolean = () => true): readonly Json[] {
  return virtualHosts(resources)
    .filter(hosts)
    .flatMap((host) => list(member(host, 'routes')));
}

export function addressesOf(assignment: Json): string[] {
  return list(member(assignment, 'endpoints'))
    .flatMap((locality) => list(member(locality, 'lb_endpoints')))
    .map((each) => member(member(member(each, 'endpoint'), 'address'), 'socket_address'))
    .map((at) => `${member(at, 'address')} ${member(at, 'port_value')}`);
}
