/**
 * The neutral plan of one service: what every data plane renders, in no data plane's words. Durations are milliseconds,
 * weights are whole percentages that sum to 100 in every split. Built by `plan-service.ts`; holds no endpoints (those are
 * found by each data plane in its own way, by the labels of a version).
 */
import type {
  AllowRule,
  CircuitBreaker,
  Egress,
  Fault,
  Ingress,
  LoadBalancing,
  Mirror,
  MtlsStage,
  OutlierDetection,
  RetryBudget,
  Telemetry,
  Tokens,
} from '../spec/policy-schema.ts';
import type { RETRY_CONDITIONS } from '../spec/schema.ts';

export type {
  AllowRule,
  Caller,
  CircuitBreaker,
  Egress,
  Fault,
  Ingress,
  LoadBalancing,
  Mirror,
  OutlierDetection,
  RetryBudget,
  Telemetry,
  Tokens,
} from '../spec/policy-schema.ts';

export interface ServicePlan {
  readonly mesh: string;
  readonly service: string;
  readonly namespace: string;
  readonly port: number;
  readonly protocol: Protocol;
  /** What selects its workloads, whatever version. */
  readonly selector: Readonly<Record<string, string>>;
  /** Every version that a split names, and stable; sorted by name. */
  readonly versions: readonly PlannedVersion[];
  /** Tried in order; the last one matches everything (`match` is empty). */
  readonly routes: readonly PlannedRoute[];
  /** Names of the data planes this service lives on, sorted. */
  readonly dataPlanes: readonly string[];
  /** Left out here and below: whatever the data plane does by itself, without limits where it can be without. */
  readonly connectTimeoutMs?: number;
  readonly retryBudget?: RetryBudget;
  readonly circuitBreaker?: CircuitBreaker;
  readonly outlierDetection?: OutlierDetection;
  readonly loadBalancing?: LoadBalancing;
  readonly failover?: readonly string[];
  readonly security?: PlannedSecurity;
  /** Asked of every call, whatever the stage of mTLS; as `security`, never approximated. */
  readonly tokens?: Tokens;
  /** Sorted by host and port. */
  readonly egress?: readonly Egress[];
  /** Sorted by host and gateway. */
  readonly ingress?: readonly Ingress[];
  readonly telemetry?: Telemetry;
}

/** Nothing here may be approximated by a data plane: it is said exactly, or the plan is refused. */
export interface PlannedSecurity {
  readonly stage: MtlsStage;
  readonly trustDomain: string;
  /** With the namespace of the service the identity of its workloads: `spiffe://<trustDomain>/ns/<namespace>/sa/<serviceAccount>`. */
  readonly serviceAccount: string;
  /** A call is good that any of the rules names; none: nobody may call. Not looked at when `permissive`. */
  readonly allow: readonly AllowRule[];
}

export type Protocol = 'http' | 'http2' | 'grpc';

export interface PlannedVersion {
  readonly name: string;
  /** What selects its workloads. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface PlannedRoute {
  readonly name: string;
  readonly match: RouteMatch;
  /** Sorted by version name; only versions of `versions`; sums to 100; may hold zeros. */
  readonly split: readonly WeightedVersion[];
  /** The whole request, retries included; absent = the data plane's own default is switched off. */
  readonly timeoutMs?: number;
  /** Absent = no retries (written out where a data plane retries by default, as Istio does). */
  readonly retries?: PlannedRetries;
  readonly mirror?: Mirror;
  readonly fault?: Fault;
}

export interface WeightedVersion {
  readonly version: string;
  readonly weight: number;
}

/** All given conditions must hold. */
export interface RouteMatch {
  readonly path?: PathMatch;
  readonly methods?: readonly string[];
  readonly headers?: readonly HeaderMatch[];
}

/** `regex` is RE2 and matches the whole path, without the query. */
export type PathMatch = { readonly exact: string } | { readonly prefix: string } | { readonly regex: string };

/** `name` is lower case; `regex` is RE2 and matches the whole value. */
export type HeaderMatch = { readonly name: string } & (
  | { readonly exact: string }
  | { readonly prefix: string }
  | { readonly regex: string }
  | { readonly present: boolean }
);

export interface PlannedRetries {
  /** Retries after the first try. */
  readonly attempts: number;
  readonly perTryTimeoutMs?: number;
  /** Sorted. */
  readonly on: readonly RetryCondition[];
}

export type RetryCondition = (typeof RETRY_CONDITIONS)[number];
