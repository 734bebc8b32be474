/** Cases of the fields that say what leaves and enters the mesh, and what is told about it. */
import type { Json, JsonObject } from '../../../src/journal/documents.ts';
import type { Telemetry } from '../../../src/plan/plan.ts';
import { type FieldCase, NAMESPACE } from './field-case.ts';
import type { Held } from './held.ts';
import { routed, virtualHostOf } from './outbound.ts';
import { at, messages, number, text, texts } from './proto-json.ts';
import type { Seen } from './seen.ts';

const HOSTS = ['a.example.com', 'b.example.com'] as const;
const [first, second] = HOSTS;

/** Where a cluster leads that is resolved by DNS, or `where` if it leads to where the caller wanted anyway. */
function outside(held: Held, name: string | undefined, where: string): Json {
  const cluster = held.clusters.get(name ?? '');
  if (text(cluster, 'type') === 'ORIGINAL_DST') return where;
  const address = messages(cluster, 'load_assignment', 'endpoints')
    .flatMap((group) => messages(group, 'lb_endpoints'))
    .map((endpoint) => at(endpoint, 'endpoint', 'address', 'socket_address'))[0];
  return address === undefined ? null : `${text(address, 'address')}:${number(address, 'port_value')}`;
}

const forEachHost = (leads: (host: string) => Json): Json => Object.fromEntries(HOSTS.map((host) => [host, leads(host)]));

const byHost = ({ own }: Seen): Json =>
  forEachHost((host) => {
    const route = routed(virtualHostOf(own, host) ?? {}, { method: 'GET', path: '/', headers: {} });
    return outside(own, Object.keys(route?.split ?? {})[0], 'wherever the caller wants');
  });

/** By the filter chain that takes a TLS greeting with this server name. */
const bySni = ({ own }: Seen): Json => {
  const chains = own.listeners.flatMap((listener) => messages(listener, 'filter_chains'));
  return forEachHost((host) => {
    const chain = chains.find((each) => texts(each, 'filter_chain_match', 'server_names').includes(host));
    const proxy = messages(chain, 'filters').find((filter) => (text(filter, 'typed_config', '@type') ?? '').endsWith('TcpProxy'));
    const where = `${host}:${number(chain, 'filter_chain_match', 'destination_port')}`;
    return outside(own, text(proxy, 'typed_config', 'cluster'), where);
  });
};

function egress(protocol: 'http' | 'tls', port: number): FieldCase['values'] {
  const value = (host: string) => ({
    plan: { egress: [{ host, port, protocol }] },
    reads: Object.fromEntries(HOSTS.map((each) => [each, each === host ? `${host}:${port}` : null])),
  });
  return [value(first), value(second)];
}

/** Where the gateway sends what comes in for each host; a condition of a route holds there too. */
const entering = (seen: Seen): Json => {
  const enters = (host: string, path: string): string => {
    try {
      return seen.enters(host, { path });
    } catch {
      return 'nowhere';
    }
  };
  return Object.fromEntries(HOSTS.map((host) => [host, [enters(host, '/'), enters(host, '/beta')]]));
};

const inviting = (host: string) => ({
  plan: {
    routes: [{ name: 'beta', match: { path: { exact: '/beta' } }, split: [{ version: 'v2', weight: 100 }] }],
    ingress: [{ host, gateway: { name: 'gateway', namespace: NAMESPACE } }],
  },
  reads: Object.fromEntries(HOSTS.map((each) => [each, each === host ? ['v1', 'v2'] : ['nowhere', 'nowhere']])),
});

/** What is logged of a call that is let in: `all` of them, or those that a filter takes. */
const logged = (seen: Seen): Json => {
  const [log] = seen.receivesPlaintext().accessLog;
  if (log === undefined) return 'nothing';
  return log.filter === undefined ? 'everything' : describedFilter(log);
};

/** Filters that take answers from 500 on, as the meshes spell it. */
function describedFilter(log: JsonObject): string {
  const words = JSON.stringify(log.filter);
  return /response\.code\s*>=\s*500/.test(words) || /"op":"GE".*"default_value":500/.test(words) ? '5xx' : words;
}

const telling = (telemetry: Telemetry | undefined, reads: Json) => ({ plan: telemetry === undefined ? {} : { telemetry }, reads });

export const boundaryCases = {
  'egress.http': { needs: 'receiver', read: byHost, values: egress('http', 8080) },
  'egress.tls': { needs: 'receiver', read: bySni, values: egress('tls', 8443) },
  ingress: { needs: 'gateway', read: entering, values: [inviting(first), inviting(second)] },
  'telemetry.accessLog.all': {
    needs: 'receiver',
    read: logged,
    values: [telling({ accessLog: 'all' }, 'everything'), telling(undefined, 'nothing')],
  },
  'telemetry.accessLog.errors': {
    needs: 'receiver',
    read: logged,
    values: [telling({ accessLog: 'errors' }, '5xx'), telling(undefined, 'nothing')],
  },
  'telemetry.tracing': {
    needs: 'receiver',
    read: (seen) => number(seen.receivesPlaintext().tracing, 'random_sampling') ?? null,
    values: [telling({ tracing: { percent: 5 } }, 5), telling({ tracing: { percent: 25 } }, 25)],
  },
} satisfies Record<string, FieldCase>;
