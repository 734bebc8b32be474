/**
 * The two listeners of a node: outbound for the calls of its own workload (routes by RDS), inbound for calls to it. Formats:
 * envoy.config.listener.v3.Listener, envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.
 * Access logs are off; a plan will ask for them.
 */
import type { Json, JsonObject } from '../../journal/documents.ts';
import { socketAddress } from './clusters.ts';
import { INBOUND, OUTBOUND } from './naming.ts';
import type { Endpoint } from './resources.ts';

type Address = Pick<Endpoint, 'address' | 'port'>;

export function outboundListener(at: Address): JsonObject {
  return listener(OUTBOUND, 'OUTBOUND', at, {
    rds: {
      route_config_name: OUTBOUND,
      // 0: the listener opens once its routes are here, however long that takes, rather than answering 404 meanwhile.
      config_source: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' },
    },
  });
}

/** No time-out and no retries here: the caller's side has them, and a second retry loop would multiply the first. */
export function inboundListener(at: Address): JsonObject {
  const route = { match: { prefix: '/' }, route: { cluster: INBOUND, timeout: '0s' } };
  return listener(INBOUND, 'INBOUND', at, {
    route_config: { name: INBOUND, virtual_hosts: [{ name: INBOUND, domains: ['*'], routes: [route] }] },
  });
}

function listener(name: string, direction: 'INBOUND' | 'OUTBOUND', at: Address, routes: JsonObject): JsonObject {
  return {
    name,
    address: socketAddress(at),
    traffic_direction: direction,
    // With SO_REUSEPORT two Envoys of one machine could share a port without a word; without it the second one is refused.
    enable_reuse_port: false,
    filter_chains: [
      { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: connectionManager(name, routes) }] },
    ],
  };
}

function connectionManager(name: string, routes: JsonObject): Json {
  return {
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
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
    ...routes,
  };
}
