/**
 * The RouteConfigurations of calls to other services: a virtual host a service, its routes in the plan's order, with what is
 * done to requests before they are sent. Formats: envoy.config.route.v3, envoy.extensions.filters.http.fault.v3.HTTPFault. A
 * route names only the clusters that get traffic: what keeps a cluster warm is that it is served (for every version of the
 * plan), and a way back must not depend on the suspect version's cluster having been accepted.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { HeaderMatch, PathMatch, PlannedRetries, PlannedRoute, RouteMatch, ServicePlan, WeightedVersion } from '../../plan/plan.ts';
import { normalized } from '../normal-path.ts';
import { protoDuration } from './duration.ts';
import { clusterName, compareText, FAULT_FILTER, GATEWAY, OUTBOUND, plansByName, qualifiedName } from './naming.ts';
import { oncePerPlan } from './once.ts';
import { type Gateway, gatewayDomains, outsideHosts, outsideVirtualHosts } from './outside.ts';

/** `identity`: whether the callers have one. */
export interface Callers {
  readonly identity: boolean;
}

export function routeConfiguration(plans: readonly ServicePlan[], callers: Callers): JsonObject {
  const namesOf = Map.groupBy(plansByName(plans), ([, plan]) => plan);
  const hosts = [...namesOf].map(([plan, names]) => {
    const sorted = names.map(([name]) => name).sort(compareText);
    return virtualHost(
      plan,
      sorted.flatMap((name) => [name, `${name}:${plan.port}`]),
      callers,
    );
  });
  const all = [...hosts, ...outsideVirtualHosts(outsideHosts(plans))];
  return { name: OUTBOUND, virtual_hosts: all.sort((a, b) => compareText(String(a.name), String(b.name))) };
}

/** What a gateway takes from outside: the services that name it, by their own routes. */
export function gatewayRoutes(plans: readonly ServicePlan[], gateway: Gateway, callers: Callers): JsonObject {
  const hosts = [...gatewayDomains(plans, gateway)].map(([plan, domains]) => virtualHost(plan, domains, callers));
  return { name: GATEWAY, virtual_hosts: hosts.sort((a, b) => compareText(String(a.name), String(b.name))) };
}

const virtualHost = oncePerPlan(makeVirtualHost, (domains, { identity }) => `${identity}\0${domains.join('\0')}`);

function makeVirtualHost(plan: ServicePlan, domains: readonly string[], { identity }: Callers): JsonObject {
  const name = qualifiedName(plan);
  // Sent in plaintext it would be refused, and read on the way.
  if (plan.security?.stage === 'strict' && !identity) return { name, domains, routes: [withoutIdentity(name)] };
  return {
    name,
    domains,
    routes: plan.routes.map((route) => ({
      name: route.name,
      match: routeMatch(route.match),
      route: {
        ...destination(plan, route.split),
        // Left out it would be Envoy's default of 15 s; 0 is none.
        timeout: protoDuration(route.timeoutMs ?? 0),
        ...retryPolicy(route),
        ...mirroring(plan, route),
        ...hashing(plan),
      },
      ...faults(route),
    })),
  };
}

function withoutIdentity(name: string): JsonObject {
  const text = `${name} takes mTLS only, and this Envoy has no identity: start it with one (meshwright envoy bootstrap --identity).\n`;
  return { match: { prefix: '/' }, direct_response: { status: 503, body: { inline_string: text } } };
}

function destination(plan: ServicePlan, split: readonly WeightedVersion[]): JsonObject {
  const receiving = split.filter((each) => each.weight > 0).sort((a, b) => compareText(a.version, b.version));
  const clusters = receiving.map((each) => ({ name: clusterName(plan, each.version), weight: each.weight }));
  const [first] = clusters;
  if (clusters.length === 1 && first !== undefined) return { cluster: first.name };
  return { weighted_clusters: { clusters } };
}

function mirroring(plan: ServicePlan, { mirror }: PlannedRoute): JsonObject {
  if (mirror === undefined) return {};
  return {
    request_mirror_policies: [
      {
        cluster: clusterName(plan, mirror.version),
        runtime_fraction: { default_value: percentage(mirror.percent) },
        // The copy is the same request, to the same host.
        disable_shadow_host_suffix_append: true,
      },
    ],
  };
}

function hashing({ loadBalancing }: ServicePlan): JsonObject {
  if (loadBalancing?.policy !== 'hash') return {};
  return { hash_policy: [{ header: { header_name: loadBalancing.header } }] };
}

/** The filter of this name is in every outbound listener, and does nothing without this. */
function faults({ fault }: PlannedRoute): JsonObject {
  if (fault?.delay === undefined && fault?.abort === undefined) return {};
  const { delay, abort } = fault;
  return {
    typed_per_filter_config: {
      [FAULT_FILTER]: {
        '@type': 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault',
        ...(delay === undefined ? {} : { delay: { fixed_delay: protoDuration(delay.ms), percentage: percentage(delay.percent) } }),
        ...(abort === undefined ? {} : { abort: { http_status: abort.status, percentage: percentage(abort.percent) } }),
      },
    },
  };
}

function percentage(numerator: number): JsonObject {
  return { numerator, denominator: 'HUNDRED' };
}

function routeMatch(match: RouteMatch): JsonObject {
  const headers = [...methodMatch(match.methods), ...(match.headers ?? []).map(headerMatch)];
  return { ...pathMatch(match.path), ...(headers.length === 0 ? {} : { headers }) };
}

function pathMatch(path: PathMatch | undefined): JsonObject {
  if (path === undefined) return { prefix: '/' };
  if ('exact' in path) return { path: normalized(path.exact) };
  if ('prefix' in path) return { prefix: normalized(path.prefix) };
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
