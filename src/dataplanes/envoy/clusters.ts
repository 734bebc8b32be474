/**
 * Clusters and their ClusterLoadAssignments: one of each per version of a service, and the node's own cluster for the
 * workload beside it. Formats: envoy.config.cluster.v3.Cluster, envoy.config.endpoint.v3.ClusterLoadAssignment,
 * envoy.extensions.upstreams.http.v3.HttpProtocolOptions.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { Protocol } from '../../plan/plan.ts';
import { compareText, INBOUND } from './naming.ts';
import type { Endpoint } from './resources.ts';

type Address = Pick<Endpoint, 'address' | 'port'>;

const UNLIMITED = 4_294_967_295;

/**
 * Envoy's own limits (1,024 connections and requests, 3 retries at a time) would refuse calls that no plan limits.
 */
const NO_CIRCUIT_BREAKER: JsonObject = {
  thresholds: [{ max_connections: UNLIMITED, max_pending_requests: UNLIMITED, max_requests: UNLIMITED, max_retries: UNLIMITED }],
};

/** A cluster of one version; its endpoints come by EDS. */
export function versionCluster(name: string, protocol: Protocol): JsonObject {
  return {
    name,
    type: 'EDS',
    eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } },
    // Long enough for one lost SYN, which is sent again after a second.
    connect_timeout: '2s',
    lb_policy: 'LEAST_REQUEST',
    circuit_breakers: NO_CIRCUIT_BREAKER,
    // With time-outs off, only this notices a peer that vanished without a word.
    upstream_connection_options: { tcp_keepalive: { keepalive_probes: 3, keepalive_time: 30, keepalive_interval: 10 } },
    // Below the hour after which the other side's Envoy closes, so that no request meets a closing connection.
    typed_extension_protocol_options: protocolOptions(protocol, '300s'),
  };
}

/** Duplicates are given once; an empty list is an assignment without endpoints, which Envoy needs to warm the cluster. */
export function loadAssignment(clusterName: string, addresses: readonly Address[]): JsonObject {
  const unique = new Map(addresses.map((each) => [`${each.address} ${each.port}`, each]));
  const sorted = [...unique.values()].sort((a, b) => compareText(a.address, b.address) || a.port - b.port);
  const lbEndpoints = sorted.map((each) => ({ endpoint: { address: socketAddress(each) } }));
  return { cluster_name: clusterName, endpoints: lbEndpoints.length === 0 ? [] : [{ lb_endpoints: lbEndpoints }] };
}

/** The workload beside the node. `protocol` absent: no plan says yet, so it is spoken to as its caller speaks. */
export function inboundCluster(workloadPort: number, protocol: Protocol | undefined): JsonObject {
  return {
    name: INBOUND,
    type: 'STATIC',
    connect_timeout: '2s',
    circuit_breakers: NO_CIRCUIT_BREAKER,
    // Servers close idle connections early (Node after 5 s, gunicorn after 2 s), and a request that meets the closing is lost. Connecting anew over loopback is cheap.
    typed_extension_protocol_options: protocolOptions(protocol, '1s'),
    load_assignment: loadAssignment(INBOUND, [{ address: '127.0.0.1', port: workloadPort }]),
  };
}

export function socketAddress(at: Address): JsonObject {
  return { socket_address: { address: at.address, port_value: at.port } };
}

function protocolOptions(protocol: Protocol | undefined, idleTimeout: string): JsonObject {
  return {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      common_http_protocol_options: { idle_timeout: idleTimeout },
      ...upstreamProtocol(protocol),
    },
  };
}

function upstreamProtocol(protocol: Protocol | undefined): JsonObject {
  switch (protocol) {
    case undefined:
      return { use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} } };
    case 'http':
      return { explicit_http_config: { http_protocol_options: {} } };
    case 'http2':
    case 'grpc':
      return { explicit_http_config: { http2_protocol_options: {} } };
  }
}
