/**
 * Whether Consul has compiled a service's entries into the discovery chain that they mean: the nearest to its proxies that Consul lets
 * anybody see. Every agent makes what it pushes over xDS from this chain and from nothing else about routes.
 */
import type { Json, JsonObject } from '../../journal/documents.ts';
import type { Live } from './apply.ts';
import { isObject, isSame, type Kind } from './entries.ts';
import type { CompiledChain } from './server.ts';

const CONNECT_TIMEOUT = '5s';

/** What is not yet as the entries say, in words; `undefined` when all is. */
export function notYetCompiled(live: Live, chain: CompiledChain): string | undefined {
  const start = chain.Nodes[chain.StartNode];
  if (chain.Protocol !== fields(live, 'service-defaults').Protocol) return 'the protocol';
  if (start?.Type !== 'router' || !isSame(routesOf(chain, start), wantedRoutes(live))) return 'the routes';
  const targets = Object.values(chain.Nodes).filter(({ Resolver }) => Resolver);
  return targets.every((node) => isResolved(live, chain, node)) ? undefined : 'the subsets';
}

type Node = CompiledChain['Nodes'][string];

const fields = (live: Live, kind: Kind): JsonObject => live.get(kind)?.fields ?? {};

function list(value: JsonObject[string]): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** Each route with where its requests end; the last one is Consul's own. */
function routesOf(chain: CompiledChain, start: Node): Json {
  return (start.Routes ?? []).slice(0, -1).map(({ Definition, NextNode }) => [Definition, endOf(chain, NextNode)]);
}

function endOf(chain: CompiledChain, name: string): Json {
  const node = chain.Nodes[name];
  if (node?.Resolver) return chain.Targets[node.Resolver.Target]?.ServiceSubset ?? null;
  return (node?.Splits ?? []).map(({ Definition }) => Definition);
}

function wantedRoutes(live: Live): Json {
  const splits = list(fields(live, 'service-splitter').Splits);
  return list(fields(live, 'service-router').Routes).map((route) => {
    const subset = isObject(route.Destination) ? route.Destination.ServiceSubset : undefined;
    return [route, subset ?? splits];
  });
}

function isResolved(live: Live, chain: CompiledChain, { Resolver, LoadBalancer }: Node): boolean {
  const { Subsets, ConnectTimeout = CONNECT_TIMEOUT, LoadBalancer: wanted = {} } = fields(live, 'service-resolver');
  const target = chain.Targets[Resolver?.Target ?? ''];
  const subset = target && isObject(Subsets) ? Subsets[target.ServiceSubset] : undefined;
  if (!target || !isObject(subset)) return false;
  return subset.Filter === target.Subset.Filter && ConnectTimeout === Resolver?.ConnectTimeout && isSame(LoadBalancer ?? {}, wanted);
}
