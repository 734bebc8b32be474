/**
 * The RouteConfiguration of calls to other services: a virtual host a service, its routes in the plan's order. Format:
 * envoy.config.route.v3. A route names only the clusters that get traffic: what keeps a cluster warm is that it is served
 * (for every version of the plan), and a way back must not depend on the suspect version's cluster having been accepted.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { HeaderMatch, PathMatch, PlannedRetries, PlannedRoute, RouteMatch, ServicePlan, WeightedVersion } from '../../plan/plan.ts';
import { clusterName, compareText, OUTBOUND, plansByName, qualifiedName } from './naming.ts';

export function routeConfiguration(plans: readonly ServicePlan[]): JsonObject {
  const namesOf = Map.groupBy(plansByName(plans), ([, plan]) => plan);
  const hosts = [...namesOf].map(([plan, names]) => virtualHost(plan, names.map(([name]) => name).sort(compareText)));
  return { name: OUTBOUND, virtual_hosts: hosts.sort((a, b) => compareText(String(a.name), String(b.name))) };
}

function virtualHost(plan: ServicePlan, names: readonly string[]): JsonObject {
  return {
    name: qualifiedName(plan),
    domains: names.flatMap((name) => [name, `${name}:${plan.port}`]),
    routes: plan.routes.map((route) => ({
      name: route.name,
      match: routeMatch(route.match),
      route: {
        ...destination(plan, route.split),
        // Left out it would be Envoy's default of 15 s; 0 is none.
        timeout: protoDuration(route.timeoutMs ?? 0),
        ...retryPolicy(route),
      },
    })),
  };
}

function destination(plan: ServicePlan, split: readonly WeightedVersion[]): JsonObject {
  const receiving = split.filter((each) => each.weight > 0).sort((a, b) => compareText(a.version, b.version));
  const clusters = receiving.map((each) => ({ name: clusterName(plan, each.version), weight: each.weight }));
  const [first] = clusters;
  if (clusters.length === 1 && first !== undefined) return { cluster: first.name };
  return { weighted_clusters: { clusters } };
}

function routeMatch(match: RouteMatch): JsonObject {
  const headers = [...methodMatch(match.methods), ...(match.headers ?? []).map(headerMatch)];
  return { ...pathMatch(match.path), ...(headers.length === 0 ? {} : { headers }) };
}

function pathMatch(path: PathMatch | undefined): JsonObject {
  if (path === undefined) return { prefix: '/' };
  if ('exact' in path) return { path: path.exact };
  if ('prefix' in path) return { prefix: path.prefix };
  return { safe_regex: { regex: path.regex } };
}

/** Header conditions must all hold, so several methods are one condition. */
function methodMatch(methods: readonly string[] | undefined): JsonObject[] {
  if (methods === undefined || methods.length === 0) return [];
  const sorted = [...methods].sort(compareText);
  const [only] = sorted;
  const match = sorted.length === 1 && only !== undefined ? { exact: only } : { safe_regex: { regex: sorted.map(literalRegex).join('|') } };
  return [{ name: ':method', string_match: match }];
}

/** A method is an HTTP token, whose letters include `.`, `*`, `+`, `|` and `^`. */
function literalRegex(text: string): string {
  return text.replace(/[^A-Za-z0-9]/g, (letter) => `\\${letter}`);
}

function headerMatch(match: HeaderMatch): JsonObject {
  if ('present' in match) return { name: match.name, present_match: match.present };
  if ('exact' in match) return { name: match.name, string_match: { exact: match.exact } };
  if ('prefix' in match) return { name: match.name, string_match: { prefix: match.prefix } };
  return { name: match.name, string_match: { safe_regex: { regex: match.regex } } };
}

function retryPolicy(route: PlannedRoute): JsonObject {
  const retries = route.retries;
  if (retries === undefined || retries.attempts === 0 || retries.on.length === 0) return {};
  return {
    retry_policy: {
      retry_on: [...retries.on].sort(compareText).join(','),
      num_retries: retries.attempts,
      ...perTryTimeout(retries),
      // A retry that meets the endpoint that just failed is a wasted one.
      retry_host_predicate: [
        {
          name: 'envoy.retry_host_predicates.previous_hosts',
          typed_config: { '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate' },
        },
      ],
      host_selection_retry_max_attempts: '5',
    },
  };
}

function perTryTimeout(retries: PlannedRetries): JsonObject {
  if (retries.perTryTimeoutMs === undefined || retries.perTryTimeoutMs === 0) return {};
  return { per_try_timeout: protoDuration(retries.perTryTimeoutMs) };
}

/** google.protobuf.Duration in JSON: seconds with 0 or 3 decimals. */
function protoDuration(ms: number): string {
  return `${ms % 1000 === 0 ? ms / 1000 : (ms / 1000).toFixed(3)}s`;
}
