/**
 * The listeners of a node: outbound for the calls of its own workload (routes by RDS), inbound for calls to it, and that of a
 * gateway for calls from outside. Formats: envoy.config.listener.v3.Listener,
 * envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import { accessLogs } from './access-log.ts';
import { authorizationFilters } from './authorization.ts';
import { protoDuration } from './duration.ts';
import { socketAddress } from './endpoints.ts';
import { FAULT_FILTER, GATEWAY, INBOUND, OUTBOUND } from './naming.ts';
import type { Endpoint, Identity } from './resources.ts';
import { downstreamTls } from './tls.ts';
import { tokenFilters } from './tokens.ts';

type Address = Pick<Endpoint, 'address' | 'port'>;

const WEBSOCKET: JsonObject = { upgrade_type: 'websocket' };
/** Only where a route has it: to outside hosts by TLS. */
const CONNECT: JsonObject = { upgrade_type: 'CONNECT', enabled: false };

/** Does nothing by itself: routes say which faults. */
const fault: JsonObject = {
  name: FAULT_FILTER,
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault' },
};

export function outboundListener(at: Address): JsonObject {
  const manager = connectionManager(OUTBOUND, { upgrade_configs: [WEBSOCKET, CONNECT], ...httpFilters([fault]), ...routesByRds(OUTBOUND) });
  return listener(OUTBOUND, 'OUTBOUND', at, { filter_chains: [{ filters: [manager] }] });
}

/** Whoever calls is a stranger: what it says of where it came from is not believed. */
export function gatewayListener(at: Address): JsonObject {
  const manager = connectionManager(GATEWAY, {
    use_remote_address: true,
    upgrade_configs: [WEBSOCKET],
    ...httpFilters([fault]),
    ...routesByRds(GATEWAY),
  });
  return listener(GATEWAY, 'OUTBOUND', at, { filter_chains: [{ filters: [manager] }] });
}

function routesByRds(name: string): JsonObject {
  // 0: the listener opens once its routes are here, however long that takes, rather than answering 404 meanwhile.
  return { rds: { route_config_name: name, config_source: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' } } };
}

/**
 * With an identity it takes mTLS whatever the plan says, so that callers may begin with it before the plan does; only a
 * `strict` plan takes nothing else. No time-out and no retries: the caller's side has them, and a second retry loop would
 * multiply the first. undefined: a `strict` service without an identity, which must not be served at all.
 */
export function inboundListener(
  at: Address,
  plan: ServicePlan,
  identity: Identity | undefined,
  refusalsToken?: string,
): JsonObject | undefined {
  const manager = (callers: JsonObject) => inboundManager(plan, callers, accessLogs(plan, refusalsToken));
  const strict = plan.security?.stage === 'strict';
  if (identity === undefined) {
    return strict ? undefined : listener(INBOUND, 'INBOUND', at, { filter_chains: [{ filters: [manager({})] }] });
  }
  const overTls = {
    filters: [
      manager({
        // The workload learns who calls from this header; one that a caller sent is taken away, on plaintext too.
        forward_client_cert_details: 'SANITIZE_SET',
        set_current_client_cert_details: { uri: true },
        ...lifeOfConnections(identity),
      }),
    ],
    transport_socket: downstreamTls(identity),
  };
  if (strict) return listener(INBOUND, 'INBOUND', at, { filter_chains: [overTls] });
  return listener(INBOUND, 'INBOUND', at, {
    listener_filters: [
      {
        name: 'envoy.filters.listener.tls_inspector',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector' },
      },
    ],
    filter_chains: [
      { name: 'mtls', filter_chain_match: { transport_protocol: 'tls' }, ...overTls },
      { name: 'plaintext', filters: [manager({})] },
    ],
  });
}

/** Envoy's own time for callers to leave by themselves. */
const DRAIN_MS = 5_000;

/**
 * Callers that are none of our Envoys may never leave. Those that are have left before (`clusters.ts`): a request that meets the end of
 * an HTTP/1 connection would be lost. First they are told, by `connection: close` or GOAWAY; what is under way is answered.
 */
function lifeOfConnections({ lives }: Identity): JsonObject {
  if (lives === undefined) return {};
  const { leafLifeMs, skewMs } = lives;
  const drainMs = Math.min(DRAIN_MS, Math.floor(skewMs / 2));
  return {
    common_http_protocol_options: { max_connection_duration: protoDuration(leafLifeMs + skewMs - drainMs) },
    drain_timeout: protoDuration(drainMs),
  };
}

function inboundManager(plan: ServicePlan, callers: JsonObject, logs: readonly JsonObject[]): JsonObject {
  const route = { match: { prefix: '/' }, route: { cluster: INBOUND, timeout: '0s' } };
  return connectionManager(INBOUND, {
    ...callers,
    ...(logs.length === 0 ? {} : { access_log: logs }),
    upgrade_configs: [WEBSOCKET],
    // Who calls is known before what it brings is looked at.
    ...httpFilters([...authorizationFilters(plan.security), ...tokenFilters(plan.tokens)]),
    route_config: { name: INBOUND, virtual_hosts: [{ name: INBOUND, domains: ['*'], routes: [route] }] },
  });
}

function listener(name: string, direction: 'INBOUND' | 'OUTBOUND', at: Address, chains: JsonObject): JsonObject {
  return {
    name,
    address: socketAddress(at),
    traffic_direction: direction,
    // With SO_REUSEPORT two Envoys of one machine could share a port without a word; without it the second one is refused.
    enable_reuse_port: false,
    ...chains,
  };
}

function httpFilters(before: readonly JsonObject[]): JsonObject {
  const router = { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' };
  return { http_filters: [...before, { name: 'envoy.filters.http.router', typed_config: router }] };
}

function connectionManager(name: string, own: JsonObject): JsonObject {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      stat_prefix: name,
      codec_type: 'AUTO',
      // Without it methods that Envoy doesn't know (QUERY, M-SEARCH) are a 400.
      http_protocol_options: { allow_custom_methods: true },
      // Envoy would end every stream that is quiet for 5 minutes, which no plan has asked for.
      stream_idle_timeout: '0s',
      // Matches mean what they say whatever dots a path holds.
      normalize_path: true,
      // The workload's `server` header is its own.
      server_header_transformation: 'PASS_THROUGH',
      ...own,
    },
  };
}
