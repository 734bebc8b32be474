/**
 * The DestinationRule of a service (networking.istio.io/v1): a subset a version, and how its endpoints are called. Limits stand
 * at the subsets, because Istio takes those of the whole host for the service's own sidecars too (buildInboundCluster), where
 * they would hold for all callers together; Envoy's own defaults are not asked for, since Istio has none of its limits.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import { dnsLabel, metadata, protoDuration } from '../kubernetes/objects.ts';

/** Istio gives each endpoint this label, of the node or WorkloadEntry it is on. */
const REGION = 'topology.kubernetes.io/region';

const SIMPLE = { 'least-request': 'LEAST_REQUEST', random: 'RANDOM', 'round-robin': 'ROUND_ROBIN' } as const;

export function destinationRule(plan: ServicePlan): JsonObject {
  const ofVersion = trafficPolicy({ ...part('connectionPool', connectionPool(plan)), ...retryBudget(plan) });
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: metadata(plan),
    spec: {
      host: plan.service,
      ...trafficPolicy({ ...part('loadBalancer', loadBalancer(plan)), ...part('outlierDetection', outlierDetection(plan)) }),
      subsets: plan.versions.map(({ name, labels }) => ({ name: dnsLabel(name), labels: { ...labels }, ...ofVersion })),
    },
  };
}

const trafficPolicy = (policy: JsonObject): JsonObject => part('trafficPolicy', policy);

/** Istio refuses what is there and empty. */
const part = (name: string, content: JsonObject): JsonObject => (Object.keys(content).length === 0 ? {} : { [name]: content });

function connectionPool({ protocol, connectTimeoutMs, circuitBreaker = {} }: ServicePlan): JsonObject {
  const { maxConnections, maxPendingRequests, maxRequests, maxRequestsPerConnection } = circuitBreaker;
  const tcp = {
    ...(maxConnections === undefined ? {} : { maxConnections }),
    ...(connectTimeoutMs === undefined || connectTimeoutMs === 0 ? {} : { connectTimeout: protoDuration(connectTimeoutMs) }),
  };
  const http = {
    // Both hold for HTTP/1.1 and HTTP/2 alike, whatever they are called.
    ...(maxPendingRequests === undefined ? {} : { http1MaxPendingRequests: maxPendingRequests }),
    ...(maxRequests === undefined ? {} : { http2MaxRequests: maxRequests }),
    ...(maxRequestsPerConnection === undefined ? {} : { maxRequestsPerConnection }),
    ...(protocol === 'http' ? {} : { h2UpgradePolicy: 'UPGRADE' }),
  };
  return { ...part('tcp', tcp), ...part('http', http) };
}

function retryBudget({ retryBudget }: ServicePlan): JsonObject {
  return retryBudget ? { retryBudget: { percent: retryBudget.percent, minRetryConcurrency: retryBudget.minConcurrent } } : {};
}

function loadBalancer({ loadBalancing, failover, outlierDetection }: ServicePlan): JsonObject {
  const [first] = failover ?? [];
  return {
    ...(loadBalancing === undefined
      ? {}
      : loadBalancing.policy === 'hash'
        ? { consistentHash: { httpHeaderName: loadBalancing.header } }
        : { simple: SIMPLE[loadBalancing.policy] }),
    // `failover` of Istio begins with the caller's own region instead; and of one label there can be one value.
    ...(first === undefined ? nearAndFarAlike(outlierDetection) : localities({ enabled: true, failoverPriority: [`${REGION}=${first}`] })),
  };
}

const localities = (localityLbSetting: JsonObject): JsonObject => ({ localityLbSetting });

/** With outlier detection, and only then, Istio would by itself prefer endpoints of the caller's own zone and region. */
const nearAndFarAlike = (outliers: ServicePlan['outlierDetection']): JsonObject => (outliers ? localities({ enabled: false }) : {});

function outlierDetection({ outlierDetection, failover }: ServicePlan): JsonObject {
  if (outlierDetection)
    return {
      consecutive5xxErrors: outlierDetection.consecutiveErrors,
      interval: protoDuration(outlierDetection.intervalMs),
      baseEjectionTime: protoDuration(outlierDetection.ejectionMs),
      maxEjectionPercent: outlierDetection.maxEjectionPercent,
    };
  // Without any, Istio ignores the order of localities; this one ejects nobody.
  return failover ? { consecutive5xxErrors: 0 } : {};
}
