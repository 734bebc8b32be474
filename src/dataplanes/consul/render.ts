/**
 * The Consul renderer: service-defaults, intentions, a resolver with a subset a version, one splitter and one router. Pure; what
 * Consul's proxies make of each field is read from its source (`agent/consul/discoverychain`, `agent/xds`).
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import { type Entry, entryJson, goDuration, type Kind, MESH, SERVICE } from './entries.ts';
import { intentions } from './intentions.ts';
import { router } from './router.ts';
import { filterOf, subsetName } from './subsets.ts';

/** No time-out of a plan is longer. */
const LONGEST_MS = 30 * 86_400_000;
const LOAD_BALANCERS = { 'least-request': 'least_request', random: 'random', 'round-robin': 'round_robin' } as const;

/** Config entries as `PUT /v1/config` takes them, in the order of writing. */
export function renderConsul(plan: ServicePlan): readonly JsonObject[] {
  return consulEntries(plan).map(entryJson);
}

/** In the order of writing. */
export function consulEntries(plan: ServicePlan): readonly Entry[] {
  const entry = (kind: Kind, fields: JsonObject): Entry => ({
    kind,
    name: plan.service,
    meta: { [MESH]: plan.mesh, [SERVICE]: plan.service },
    fields,
  });
  return [
    entry('service-resolver', resolver(plan)),
    entry('service-defaults', defaults(plan)),
    ...(plan.security?.stage === 'strict' ? [entry('service-intentions', intentions(plan.security))] : []),
    entry('service-splitter', splitter(plan)),
    entry('service-router', router(plan)),
  ];
}

function defaults({ protocol, security }: ServicePlan): JsonObject {
  return {
    Protocol: protocol,
    // The proxy of the called service would end every request after 15 s; the caller's knows the time-out of the route.
    LocalRequestTimeoutMs: LONGEST_MS,
    ...(security?.stage === 'strict' ? { MutualTLSMode: 'strict' } : {}),
  };
}

function resolver(plan: ServicePlan): JsonObject {
  const subsets = plan.versions.map((version): [string, JsonObject] => [subsetName(version.name), { Filter: filterOf(version) }]);
  return {
    Subsets: Object.fromEntries(subsets),
    ...(plan.connectTimeoutMs ? { ConnectTimeout: goDuration(plan.connectTimeoutMs) } : {}),
    ...loadBalancer(plan),
  };
}

function loadBalancer({ loadBalancing }: ServicePlan): JsonObject {
  if (loadBalancing === undefined) return {};
  if (loadBalancing.policy !== 'hash') return { LoadBalancer: { Policy: LOAD_BALANCERS[loadBalancing.policy] } };
  return { LoadBalancer: { Policy: 'ring_hash', HashPolicies: [{ Field: 'header', FieldValue: loadBalancing.header }] } };
}

/** The split of the last route; the others have the same, or one version. */
function splitter({ routes }: ServicePlan): JsonObject {
  const split = routes.at(-1)?.split ?? [];
  return { Splits: split.map(({ version, weight }) => ({ Weight: weight, ServiceSubset: subsetName(version) })) };
}
