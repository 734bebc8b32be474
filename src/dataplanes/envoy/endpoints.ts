/**
 * ClusterLoadAssignments: where the workloads of a cluster answer, in the order of regions where a plan has one. Format:
 * envoy.config.endpoint.v3.ClusterLoadAssignment.
 */
import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '../../journal/documents.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import { compareText } from './naming.ts';
import type { Endpoint, EnvoyResource } from './resources.ts';

type Address = Pick<Endpoint, 'address' | 'port'>;
type Target = Pick<Endpoint, 'address' | 'port' | 'region' | 'mtls'>;

/** What an endpoint's metadata says where it takes mTLS, and a cluster's `transport_socket_matches` looks for. */
export const TAKES_MTLS: JsonObject = { mtls: true };

/** At 140 %, Envoy's own, a region with less than 72 % of its endpoints healthy would share its calls with the next. */
const FIRST_WITH_ANY_HEALTHY: JsonObject = { overprovisioning_factor: 100_000 };

/** By plan and version: the last one made. Endpoints come and go while a plan stays, so only that one is kept. */
const lastMade = new WeakMap<ServicePlan, Map<string, { readonly targets: readonly Target[]; readonly made: EnvoyResource }>>();

/** Of the cluster `name` of one version of the plan: the same object for the same targets in the same order. */
export function versionAssignment(plan: ServicePlan, name: string, targets: readonly Target[]): EnvoyResource {
  const ofPlan = lastMade.get(plan) ?? new Map<string, { readonly targets: readonly Target[]; readonly made: EnvoyResource }>();
  lastMade.set(plan, ofPlan);
  const last = ofPlan.get(name);
  if (last && (last.targets === targets || isDeepStrictEqual(last.targets, targets))) return last.made;
  const made: EnvoyResource = { type: 'endpoints', name, json: loadAssignment(name, targets, plan) };
  ofPlan.set(name, { targets, made });
  return made;
}

/** Duplicates are given once; an empty list is an assignment without endpoints, which Envoy needs to warm the cluster. */
export function loadAssignment(
  clusterName: string,
  targets: readonly Target[],
  { failover }: Pick<ServicePlan, 'failover'> = {},
): JsonObject {
  const sorted = targets.toSorted(byAddress);
  const unique = sorted.filter((each, index) => {
    const before = sorted[index - 1];
    return before === undefined || before.address !== each.address || before.port !== each.port;
  });
  if (failover === undefined) {
    return { cluster_name: clusterName, endpoints: unique.length === 0 ? [] : [{ lb_endpoints: unique.map(lbEndpoint) }] };
  }
  // Those that say no region, or one that is not in the list, are the farthest.
  const byDistance = Map.groupBy(unique, ({ region }) => (region !== undefined && failover.includes(region) ? region : undefined));
  const present = [...failover, undefined].flatMap((region) => {
    const those = byDistance.get(region);
    return those === undefined ? [] : [{ region, those }];
  });
  return {
    cluster_name: clusterName,
    // Priorities may not be skipped.
    endpoints: present.map(({ region, those }, priority) => ({
      ...(region === undefined ? {} : { locality: { region } }),
      priority,
      lb_endpoints: those.map(lbEndpoint),
    })),
    policy: FIRST_WITH_ANY_HEALTHY,
  };
}

/** Said before any plan asks for mTLS: connections that are open when it is said later stay in plaintext for as long as they live. */
function lbEndpoint(target: Target): JsonObject {
  const metadata = { filter_metadata: { 'envoy.transport_socket_match': TAKES_MTLS } };
  return { endpoint: { address: socketAddress(target) }, ...(target.mtls === true ? { metadata } : {}) };
}

export function socketAddress(at: Address): JsonObject {
  return { socket_address: { address: at.address, port_value: at.port } };
}

function byAddress(a: Target, b: Target): number {
  return (
    compareText(a.address, b.address) ||
    a.port - b.port ||
    compareText(a.region ?? '', b.region ?? '') ||
    Number(a.mtls ?? false) - Number(b.mtls ?? false)
  );
}
