/**
 * The Open Service Mesh renderer: a Service and an UpstreamTrafficSetting for each version, the one TrafficSplit of the service,
 * TrafficTargets with their HTTPRouteGroups, and Egress. Formats: split.smi-spec.io/v1alpha2 (the only one that OSM 1.2 serves),
 * access.smi-spec.io/v1alpha3, specs.smi-spec.io/v1alpha4, policy.openservicemesh.io/v1alpha1.
 */
import { createHash } from 'node:crypto';
import type { JsonObject } from '../../journal/documents.ts';
import type { Caller, Egress, PlannedSecurity, PlannedVersion, ServicePlan } from '../../plan/plan.ts';
import { dnsLabel, metadata, protoDuration, versionService, versionServiceName } from '../kubernetes/objects.ts';
import { type Permission, pathRegex, permissionsOf } from './permission-matches.ts';

const POLICY = 'policy.openservicemesh.io/v1alpha1';

/** Kubernetes objects in the order in which they must be applied: Services before the split that names them, routes before their targets. */
export function renderOsm(plan: ServicePlan): readonly JsonObject[] {
  return [
    ...plan.versions.map((version) => osmService(plan, version)),
    ...plan.versions.flatMap((version) => upstreamTrafficSetting(plan, version)),
    trafficSplit(plan),
    ...(plan.security?.stage === 'strict' ? permissions(plan, plan.security) : []),
    ...(plan.egress ?? []).map((egress) => egressPolicy(plan, egress)),
  ];
}

/** OSM takes a port whose protocol it does not know for none at all; HTTP/2 is passed on as it comes. */
function osmService(plan: ServicePlan, version: PlannedVersion): JsonObject {
  return versionService(plan.protocol === 'http2' ? { ...plan, protocol: 'http' } : plan, version);
}

/** The one route of a plan that was not refused. `service` is the bare name: OSM looks for the root among names, not hosts. */
function trafficSplit(plan: ServicePlan): JsonObject {
  const split = plan.routes.at(-1)?.split ?? [];
  const backends = split.map(({ version, weight }) => ({ service: versionServiceName(plan, version), weight }));
  return {
    apiVersion: 'split.smi-spec.io/v1alpha2',
    kind: 'TrafficSplit',
    metadata: metadata(plan),
    spec: { service: plan.service, backends },
  };
}

function upstreamTrafficSetting(plan: ServicePlan, version: PlannedVersion): JsonObject[] {
  const { maxConnections, ...http } = plan.circuitBreaker ?? {};
  const connectTimeout = plan.connectTimeoutMs ? protoDuration(plan.connectTimeoutMs) : undefined;
  const tcp = { ...(maxConnections === undefined ? {} : { maxConnections }), ...(connectTimeout === undefined ? {} : { connectTimeout }) };
  const connectionSettings = {
    ...(Object.keys(tcp).length === 0 ? {} : { tcp }),
    ...(Object.keys(http).length === 0 ? {} : { http: { ...http } }),
  };
  if (Object.keys(connectionSettings).length === 0) return [];
  const name = versionServiceName(plan, version.name);
  const host = `${name}.${plan.namespace}.svc.cluster.local`;
  return [{ apiVersion: POLICY, kind: 'UpstreamTrafficSetting', metadata: metadata(plan, name), spec: { host, connectionSettings } }];
}

/** None at all for nobody: whom no TrafficTarget names is refused. */
function permissions(plan: ServicePlan, security: PlannedSecurity): JsonObject[] {
  const bySet = Map.groupBy(permissionsOf(security.allow), ({ callers }) => JSON.stringify(callers));
  return [...bySet.values()].flatMap((permitted) => {
    const callers = permitted[0]?.callers ?? [];
    return [httpRouteGroup(plan, permitted), trafficTarget(plan, security, permitted, callers)];
  });
}

const matchName = (index: number): string => `allowed-${index}`;

function httpRouteGroup(plan: ServicePlan, permitted: readonly Permission[]): JsonObject {
  const matches = permitted.map(({ requests: { path, method } }, index) => ({
    name: matchName(index),
    pathRegex: path ? pathRegex(path) : '.*',
    methods: [method ?? '*'],
  }));
  return {
    apiVersion: 'specs.smi-spec.io/v1alpha4',
    kind: 'HTTPRouteGroup',
    metadata: metadata(plan, permitName(plan, permitted)),
    spec: { matches },
  };
}

function trafficTarget(
  plan: ServicePlan,
  security: PlannedSecurity,
  permitted: readonly Permission[],
  callers: readonly Caller[],
): JsonObject {
  const name = permitName(plan, permitted);
  return {
    apiVersion: 'access.smi-spec.io/v1alpha3',
    kind: 'TrafficTarget',
    metadata: metadata(plan, name),
    spec: {
      destination: { kind: 'ServiceAccount', name: security.serviceAccount, namespace: plan.namespace },
      sources: callers.map(({ namespace, serviceAccount }) => ({ kind: 'ServiceAccount', name: serviceAccount, namespace })),
      rules: [{ kind: 'HTTPRouteGroup', name, matches: permitted.map((_, index) => matchName(index)) }],
    },
  };
}

/** By what is permitted to whom, so that a change is written beside what was, and no request is without its rule in between. */
function permitName({ service }: ServicePlan, permitted: readonly Permission[]): string {
  return dnsLabel(`${service}-callers-${createHash('sha256').update(JSON.stringify(permitted)).digest('hex').slice(0, 8)}`);
}

/** Speaks for the service's account, without which it is refused. */
function egressPolicy(plan: ServicePlan, { host, port, protocol }: Egress): JsonObject {
  const account = plan.security?.serviceAccount ?? plan.service;
  return {
    apiVersion: POLICY,
    kind: 'Egress',
    metadata: metadata(plan, dnsLabel(`${plan.service}-${host}-${port}`)),
    spec: {
      sources: [{ kind: 'ServiceAccount', name: account, namespace: plan.namespace }],
      hosts: [host],
      ports: [{ number: port, protocol: protocol === 'tls' ? 'https' : 'http' }],
    },
  };
}
