/**
 * DestinationRules (networking.istio.io): which subset is which version, and how endpoints are called. A spec says that for all versions
 * of a service alike.
 */
import { isDeepStrictEqual } from 'node:util';
import type { LoadBalancing, OutlierDetection } from '../spec/policy-schema.ts';
import { type Claim, claim, type ImportContext, ofKind, type ServiceDraft, type ServiceName } from './draft.ts';
import { reading } from './findings.ts';
import { versionsOf } from './inventory.ts';
import { destinationRuleSchema, type TrafficPolicy } from './istio-schema.ts';
import type { SourceObject } from './objects.ts';
import { milliseconds } from './quantities.ts';

/** By service and subset. */
export type SubsetVersions = ReadonlyMap<string, string>;
export const subsetKey = ({ namespace, name }: ServiceName, subset: string): string => `${namespace}/${name}/${subset}`;

const REGION = 'topology.kubernetes.io/region=';
const SIMPLE: Readonly<Record<string, LoadBalancing>> = {
  LEAST_REQUEST: { policy: 'least-request' },
  LEAST_CONN: { policy: 'least-request' },
  RANDOM: { policy: 'random' },
  ROUND_ROBIN: { policy: 'round-robin' },
};
/** Istio's, for what is left out (`pilot/pkg/networking/core/cluster_traffic_policy.go`); a spec has the same. */
const OUTLIERS: OutlierDetection = { consecutiveErrors: 5, intervalMs: 10_000, ejectionMs: 30_000, maxEjectionPercent: 10 };

export function importDestinationRules(context: ImportContext): SubsetVersions {
  const versions = new Map<string, string>();
  for (const object of ofKind(context, 'networking.istio.io', 'DestinationRule')) {
    if (object.owner !== undefined) {
      context.say(object, 'not-imported', { message: `a ${object.owner} makes it; what the ${object.owner} asks for is imported` });
      continue;
    }
    const spec = reading(context.say, object, destinationRuleSchema);
    if (!spec) continue;
    const name = context.inventory.serviceOfHost(spec.host, object.namespace);
    if (!name) {
      context.say(object, 'not-imported', {
        field: 'spec.host',
        message: `\`${spec.host}\` is no service of the cluster; a spec says how services are called`,
      });
      continue;
    }
    const draft = context.drafts.of(name);
    const subsets = spec.subsets ?? [];
    for (const [subset, version] of subsetsOf(context, object, draft, subsets)) versions.set(subsetKey(name, subset), version);
    if (spec.trafficPolicy) policy(context, object, draft, spec.trafficPolicy, 'spec.trafficPolicy', true);
    const [first] = subsets;
    subsets.forEach((subset, index) => {
      const field = `spec.subsets[${index}].trafficPolicy`;
      if (!subset.trafficPolicy) return;
      if (isDeepStrictEqual(subset.trafficPolicy, first?.trafficPolicy)) {
        if (index === 0) policy(context, object, draft, subset.trafficPolicy, field, false);
      } else
        context.say(object, 'not-imported', {
          service: draft.name,
          field,
          message: 'a spec says it for all versions alike, as the first subset has it',
        });
    });
  }
  return versions;
}

function subsetsOf(
  context: ImportContext,
  object: SourceObject,
  draft: ServiceDraft,
  subsets: readonly { readonly name: string; readonly labels: Readonly<Record<string, string>> }[],
): ReadonlyMap<string, string> {
  if (subsets.length === 0) return new Map();
  const root = context.inventory.service(draft);
  const { label, versions, selector } = versionsOf(new Map(subsets.map(({ name, labels }) => [name, labels])), root?.selector);
  if (label === undefined) {
    const message =
      'no one label tells these subsets apart as versions; what is routed to them is not imported. Give the workloads a label such as `version`';
    context.say(object, 'question', { service: draft.name, into: 'versionLabel', field: 'spec.subsets', message });
    return new Map();
  }
  claim(context, draft, ['versionLabel', 'versionLabel'], label, { object, field: 'spec.subsets' });
  if (!root && Object.keys(selector).length > 0)
    claim(context, draft, ['selector', 'selector'], selector, { object, field: 'spec.subsets' });
  return versions;
}

function policy(
  context: ImportContext,
  object: SourceObject,
  draft: ServiceDraft,
  written: TrafficPolicy,
  field: string,
  ofHost: boolean,
): void {
  const claiming = (part: string, difference?: string): Claim => ({
    object,
    field: `${field}.${part}`,
    ...(difference === undefined ? {} : { difference }),
  });
  limits(context, draft, written, claiming, ofHost);
  outliers(context, draft, written, claiming);
  balancing(context, object, draft, written, claiming);
  if (written.retryBudget) {
    const { percent, minRetryConcurrency } = written.retryBudget;
    const whole = Math.min(100, Math.max(1, Math.round(percent)));
    const budget = { percent: whole, minConcurrent: Math.max(1, minRetryConcurrency) };
    claim(
      context,
      draft,
      ['retryBudget', 'retryBudget'],
      budget,
      claiming('retryBudget', whole === percent ? undefined : `${whole} % of the requests, a whole percentage`),
    );
  }
  const mode = written.tls?.mode;
  if (mode === 'ISTIO_MUTUAL') context.say(object, 'imported', { service: draft.name, field: `${field}.tls` });
  else if (mode !== undefined)
    context.say(object, 'not-imported', {
      service: draft.name,
      field: `${field}.tls`,
      security: true,
      message: `calls by \`${mode}\` rather than the mesh's own mTLS are not said by a spec; once this rule is gone, calls are by mTLS wherever there is a sidecar to take it`,
    });
}

type Claiming = (part: string, difference?: string) => Claim;

function limits(context: ImportContext, draft: ServiceDraft, { connectionPool }: TrafficPolicy, claiming: Claiming, ofHost: boolean): void {
  const { tcp, http } = connectionPool ?? {};
  const connectTimeoutMs = tcp?.connectTimeout === undefined ? undefined : milliseconds(tcp.connectTimeout);
  if (connectTimeoutMs)
    claim(context, draft, ['connectTimeoutMs', 'connectTimeout'], connectTimeoutMs, claiming('connectionPool.tcp.connectTimeout'));
  const circuitBreaker = {
    ...positive('maxConnections', tcp?.maxConnections),
    ...positive('maxPendingRequests', http?.http1MaxPendingRequests),
    ...positive('maxRequests', http?.http2MaxRequests),
    ...positive('maxRequestsPerConnection', http?.maxRequestsPerConnection),
  };
  const whole =
    'limits of the whole host hold in Istio at the sidecars of the service too, for all callers together; a spec has them for each caller and version';
  if (Object.keys(circuitBreaker).length > 0)
    claim(context, draft, ['circuitBreaker', 'circuitBreaker'], circuitBreaker, claiming('connectionPool', ofHost ? whole : undefined));
  if (http?.h2UpgradePolicy !== undefined && !context.inventory.service(draft))
    claim(context, draft, ['protocol', 'protocol'], 'http2', claiming('connectionPool.http.h2UpgradePolicy'));
}

const positive = <Key extends string>(key: Key, value: number | undefined): Partial<Record<Key, number>> =>
  value === undefined || value <= 0 ? {} : one(key, value);

function one<Key extends string>(key: Key, value: number): Partial<Record<Key, number>> {
  const entry: Partial<Record<Key, number>> = {};
  entry[key] = value;
  return entry;
}

/** 0 errors are no detection. */
function outliers(context: ImportContext, draft: ServiceDraft, { outlierDetection: written }: TrafficPolicy, claiming: Claiming): void {
  if (!written || written.consecutive5xxErrors === 0) return;
  const detection = {
    consecutiveErrors: written.consecutive5xxErrors ?? OUTLIERS.consecutiveErrors,
    intervalMs: (written.interval && milliseconds(written.interval)) || OUTLIERS.intervalMs,
    ejectionMs: (written.baseEjectionTime && milliseconds(written.baseEjectionTime)) || OUTLIERS.ejectionMs,
    maxEjectionPercent: written.maxEjectionPercent || OUTLIERS.maxEjectionPercent,
  };
  claim(context, draft, ['outlierDetection', 'outlierDetection'], detection, claiming('outlierDetection'));
}

function balancing(
  context: ImportContext,
  object: SourceObject,
  draft: ServiceDraft,
  { loadBalancer: written }: TrafficPolicy,
  claiming: Claiming,
): void {
  const { simple, consistentHash, localityLbSetting } = written ?? {};
  const header = consistentHash?.httpHeaderName;
  const balanced: LoadBalancing | undefined =
    header !== undefined ? { policy: 'hash', header: header.toLowerCase() } : simple === undefined ? undefined : SIMPLE[simple];
  if (balanced) claim(context, draft, ['loadBalancing', 'loadBalancing'], balanced, claiming('loadBalancer'));
  else if (simple !== undefined && simple !== 'UNSPECIFIED')
    context.say(object, 'not-imported', {
      service: draft.name,
      field: `${claiming('loadBalancer.simple').field}`,
      message: `a spec has no \`${simple}\``,
    });
  const regions = (localityLbSetting?.failoverPriority ?? []).flatMap((label) =>
    label.startsWith(REGION) ? [label.slice(REGION.length)] : [],
  );
  if (regions.length > 0)
    claim(context, draft, ['failover', 'failover'], regions, claiming('loadBalancer.localityLbSetting.failoverPriority'));
  else if (localityLbSetting?.failoverPriority)
    context.say(object, 'not-imported', {
      service: draft.name,
      field: claiming('loadBalancer.localityLbSetting').field,
      message: 'a spec names regions by rising distance; these are labels of which it does not know the value',
    });
}
