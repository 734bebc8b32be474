/**
 * The bootstrap an Envoy is started with: who it is, and where its configuration comes from (ADS over gRPC, state of the
 * world). Format: envoy.config.bootstrap.v3.Bootstrap. Holds the node's token when one is given: write the file for its owner only.
 */
import { isIP } from 'node:net';
import type { JsonObject } from '../../journal/documents.ts';
import { socketAddress } from './endpoints.ts';
import { XDS_CLUSTER } from './naming.ts';
import { nodeMessage } from './node-metadata.ts';
import type { EnvoyNode } from './resources.ts';

export interface BootstrapOptions {
  readonly node: EnvoyNode;
  /** `address` is an IP address or a host name. */
  readonly xds: { readonly address: string; readonly port: number };
  readonly admin?: { readonly address: string; readonly port: number };
  /** Sent as `authorization: Bearer <token>` with every stream. */
  readonly token?: string;
}

/** Canonical proto JSON, to be written to a `.json` file as it is. */
export function renderBootstrap({ node, xds, admin, token }: BootstrapOptions): JsonObject {
  // 0: an Envoy that starts while the server is away waits for it, and is not `ready` before it can route.
  const fromAds = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' };
  return {
    node: nodeMessage(node),
    ...(admin === undefined ? {} : { admin: { address: socketAddress(admin) } }),
    dynamic_resources: {
      ads_config: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [
          {
            // Envoy's own back-off rises to 30 s, which is how long a rollout would wait after the server's restart.
            envoy_grpc: { cluster_name: XDS_CLUSTER, retry_policy: { retry_back_off: { base_interval: '0.250s', max_interval: '2s' } } },
            ...(token === undefined ? {} : { initial_metadata: [{ key: 'authorization', value: `Bearer ${token}` }] }),
          },
        ],
      },
      cds_config: fromAds,
      lds_config: fromAds,
    },
    static_resources: { clusters: [xdsCluster(xds)] },
    // Envoy refuses regular expressions of over 100 RE2 instructions, and the whole route configuration with them; RE2 has a limit of its own.
    layered_runtime: { layers: [{ name: 'meshwright', static_layer: { 're2.max_program_size.error_level': 1_000_000 } }] },
  };
}

function xdsCluster(xds: { readonly address: string; readonly port: number }): JsonObject {
  return {
    name: XDS_CLUSTER,
    ...(isIP(xds.address) === 0 ? { type: 'STRICT_DNS', dns_lookup_family: 'ALL' } : { type: 'STATIC' }),
    connect_timeout: '1s',
    load_assignment: { cluster_name: XDS_CLUSTER, endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(xds) } }] }] },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        // A server that vanished without closing is noticed within 15 s.
        explicit_http_config: { http2_protocol_options: { connection_keepalive: { interval: '10s', timeout: '5s' } } },
      },
    },
  };
}
