/**
 * Clusters: one for each version of a service, with the limits, the choice of endpoints and the mTLS that its plan asks for, and
 * the node's own for the workload beside it. Formats: envoy.config.cluster.v3.Cluster,
 * envoy.extensions.upstreams.http.v3.HttpProtocolOptions. Endpoints are in `endpoints.ts`.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { CircuitBreaker, LoadBalancing, OutlierDetection, Protocol, ServicePlan } from '../../plan/plan.ts';
import { protoDuration } from './duration.ts';
import { loadAssignment, TAKES_MTLS } from './endpoints.ts';
import { clusterName, INBOUND } from './naming.ts';
import { oncePerPlan } from './once.ts';
import type { EnvoyResource, Identity } from './resources.ts';
import { upstreamTls } from './tls.ts';

const UNLIMITED = 4_294_967_295;

/** A cluster of one version; its endpoints come by EDS. `identity` is the caller's, who without one speaks plaintext. */
export function versionCluster(plan: ServicePlan, version: string, identity?: Identity): EnvoyResource {
  if (identity === undefined || plan.security === undefined) return forEverybody(plan, version);
  const made = withIdentity.get(identity) ?? clustersFor(identity);
  withIdentity.set(identity, made);
  return made(plan, version);
}

const clustersFor = (identity?: Identity) =>
  oncePerPlan(
    (plan: ServicePlan, version: string): EnvoyResource => ({
      type: 'cluster',
      name: clusterName(plan, version),
      json: cluster(plan, version, identity),
    }),
    (version) => version,
  );
const forEverybody = clustersFor();
/** There may be a directory for each workload that ever was: what is made for one is gone with whoever holds its identity. */
const withIdentity = new WeakMap<Identity, typeof forEverybody>();

function cluster(plan: ServicePlan, version: string, identity: Identity | undefined): JsonObject {
  const { circuitBreaker, connectTimeoutMs, outlierDetection } = plan;
  return {
    name: clusterName(plan, version),
    type: 'EDS',
    eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } },
    // Left out: long enough for one lost SYN, which is sent again after a second.
    connect_timeout: connectTimeoutMs === undefined || connectTimeoutMs === 0 ? '2s' : protoDuration(connectTimeoutMs),
    lb_policy: LB_POLICIES[plan.loadBalancing?.policy ?? 'least-request'],
    ...(outlierDetection === undefined && plan.failover === undefined ? {} : { common_lb_config: ONLY_HEALTHY }),
    circuit_breakers: { thresholds: [{ ...limits(circuitBreaker), ...retryBudget(plan) }] },
    ...(outlierDetection === undefined ? {} : { outlier_detection: ejection(outlierDetection) }),
    // With time-outs off, only this notices a peer that vanished without a word.
    upstream_connection_options: { tcp_keepalive: { keepalive_probes: 3, keepalive_time: 30, keepalive_interval: 10 } },
    ...transport(plan, identity),
    // Below the hour after which the other side's Envoy closes, so that no request meets a closing connection.
    typed_extension_protocol_options: protocolOptions(plan.protocol, {
      idle_timeout: '300s',
      ...(circuitBreaker?.maxRequestsPerConnection === undefined
        ? {}
        : { max_requests_per_connection: circuitBreaker.maxRequestsPerConnection }),
      ...lifeOfConnections(plan, identity),
    }),
  };
}

const LB_POLICIES: Readonly<Record<LoadBalancing['policy'], string>> = {
  'least-request': 'LEAST_REQUEST',
  random: 'RANDOM',
  'round-robin': 'ROUND_ROBIN',
  hash: 'RING_HASH',
};

/** Below half of them healthy Envoy would send to all again, ejected or far away; and the second of two that are ejected within a second would stay until its end. */
const ONLY_HEALTHY: JsonObject = { healthy_panic_threshold: { value: 0 }, update_merge_window: '0s' };

/** Envoy's own limits (1,024 connections and requests, 3 retries at a time) would refuse calls that no plan limits. */
function limits({ maxConnections, maxPendingRequests, maxRequests }: CircuitBreaker = {}): JsonObject {
  return {
    max_connections: maxConnections ?? UNLIMITED,
    max_pending_requests: maxPendingRequests ?? UNLIMITED,
    max_requests: maxRequests ?? UNLIMITED,
  };
}

function retryBudget({ retryBudget: budget }: ServicePlan): JsonObject {
  if (budget === undefined) return { max_retries: UNLIMITED };
  return { retry_budget: { budget_percent: { value: budget.percent }, min_retry_concurrency: budget.minConcurrent } };
}

/** What Envoy itself could not get an answer for counts as 5xx, in the same row. */
function ejection({ consecutiveErrors, intervalMs, ejectionMs, maxEjectionPercent }: OutlierDetection): JsonObject {
  return {
    consecutive_5xx: consecutiveErrors,
    enforcing_consecutive_5xx: 100,
    interval: protoDuration(intervalMs),
    base_ejection_time: protoDuration(ejectionMs),
    max_ejection_percent: maxEjectionPercent,
    // On by default, and asked for by nobody.
    enforcing_success_rate: 0,
  };
}

/** Until `strict` an endpoint gets mTLS that says it takes it. A caller without an identity has no way to a strict service: `routes.ts`. */
function transport({ security, namespace }: ServicePlan, identity: Identity | undefined): JsonObject {
  if (security === undefined || identity === undefined) return {};
  const tls = upstreamTls(identity, namespace, security);
  return security.stage === 'strict'
    ? { transport_socket: tls }
    : { transport_socket_matches: [{ name: 'mtls', match: TAKES_MTLS, transport_socket: tls }] };
}

/** Nothing is verified again once a connection is open. The caller lets go of it, between two requests: whoever it called could not know of one on its way. */
function lifeOfConnections({ security }: ServicePlan, identity: Identity | undefined): JsonObject {
  if (security === undefined || identity?.lives === undefined) return {};
  return { max_connection_duration: protoDuration(identity.lives.leafLifeMs) };
}

/** The workload beside the node. `protocol` absent: no plan says yet, so it is spoken to as its caller speaks. */
export function inboundCluster(workloadPort: number, protocol: Protocol | undefined): JsonObject {
  return {
    name: INBOUND,
    type: 'STATIC',
    connect_timeout: '2s',
    circuit_breakers: { thresholds: [{ ...limits(), max_retries: UNLIMITED }] },
    // Servers close idle connections early (Node after 5 s, gunicorn after 2 s), and a request that meets the closing is lost. Connecting anew over loopback is cheap.
    typed_extension_protocol_options: protocolOptions(protocol, { idle_timeout: '1s' }),
    load_assignment: loadAssignment(INBOUND, [{ address: '127.0.0.1', port: workloadPort }]),
  };
}

/** A host outside the mesh, by its name. */
export function outsideCluster(name: string, host: string, port: number): JsonObject {
  return {
    name,
    type: 'LOGICAL_DNS',
    dns_lookup_family: 'ALL',
    connect_timeout: '2s',
    circuit_breakers: { thresholds: [{ ...limits(), max_retries: UNLIMITED }] },
    typed_extension_protocol_options: protocolOptions('http', { idle_timeout: '30s' }),
    load_assignment: loadAssignment(name, [{ address: host, port }]),
  };
}

function protocolOptions(protocol: Protocol | undefined, common: JsonObject): JsonObject {
  return {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      common_http_protocol_options: common,
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
