/**
 * The normalized form of what a service asks for beside versions and routes: resilience, who may call it, what leaves and
 * enters the mesh, telemetry. Durations are milliseconds, shares are percentages. The plan says the same things in the same
 * words, so that `src/plan` reads these types too.
 */
import { z } from 'zod';
import { DOMAIN, domainSchema, nameSchema, versionSchema } from './names.ts';

export const MAX_DURATION_MS = 30 * 86_400_000;
export const milliseconds = z.int().min(0).max(MAX_DURATION_MS);
export const text = z.string().min(1).max(1024);
export const pathMatchSchema = z.union([
  z.strictObject({ exact: text }),
  z.strictObject({ prefix: text }),
  z.strictObject({ regex: text }),
]);

export const percent = z.int().min(1).max(100);
export const count = z.int().min(1).max(1_000_000);

/** A copy of `percent` of a route's requests goes to `version` too; nobody waits for its answers. */
export const mirrorSchema = z.strictObject({ version: versionSchema, percent });

/** Done to `percent` of a route's requests before they are sent: waiting, or answering with `status` in the service's place. */
export const faultSchema = z.strictObject({
  delay: z.strictObject({ ms: milliseconds.min(1), percent }).exactOptional(),
  abort: z.strictObject({ status: z.int().min(200).max(599), percent }).exactOptional(),
});

/** Retries under way at a time: `percent` of the requests under way, and always `minConcurrent`. */
const retryBudgetSchema = z.strictObject({ percent, minConcurrent: count });

/** Limits of one caller to one version of the service; what is over them is refused at once (503). */
const circuitBreakerSchema = z.strictObject({
  maxConnections: count.exactOptional(),
  /** Requests that wait for a connection. */
  maxPendingRequests: count.exactOptional(),
  /** Requests under way. */
  maxRequests: count.exactOptional(),
  /** After so many a connection is closed. */
  maxRequestsPerConnection: count.exactOptional(),
});

/** An endpoint that answered `consecutiveErrors` times in a row with 5xx, or not at all, gets no requests for a while. */
const outlierDetectionSchema = z.strictObject({
  consecutiveErrors: count,
  /** How often it is looked at. */
  intervalMs: milliseconds.min(1),
  /** For how long the first time; then longer each time. */
  ejectionMs: milliseconds.min(1),
  /** Of all endpoints at most so many at a time. */
  maxEjectionPercent: percent,
});

export const LOAD_BALANCING = ['least-request', 'random', 'round-robin'] as const;
const loadBalancingSchema = z.union([
  z.strictObject({ policy: z.enum(LOAD_BALANCING) }),
  /** Equal values of the header reach the same endpoint, as long as the endpoints are the same. */
  z.strictObject({ policy: z.literal('hash'), header: text }),
]);

/** Regions by rising distance: calls go to endpoints of the first one that has healthy ones. */
const failoverSchema = z.array(text).min(1).max(16);

export const STAGES = ['permissive', 'shadow', 'strict'] as const;
/**
 * `permissive`: plaintext and mTLS are taken, `allow` is not looked at. `shadow`: the same, and who `allow` would refuse is
 * reported. `strict`: only mTLS is taken, and only from callers that `allow` names.
 */
export const mtlsSchema = z.strictObject({ stage: z.enum(STAGES), trustDomain: domainSchema });

/** A workload identity, `spiffe://<trust domain>/ns/<namespace>/sa/<serviceAccount>`; `service` where it is one of the mesh. */
const callerSchema = z.strictObject({ namespace: nameSchema, serviceAccount: nameSchema, service: nameSchema.exactOptional() });

/** Any of the callers, with any of the methods, on any of the paths; left out is any. */
export const allowRuleSchema = z.strictObject({
  callers: z.array(callerSchema).min(1),
  methods: z.array(text).min(1).exactOptional(),
  paths: z.array(pathMatchSchema).min(1).exactOptional(),
});

/** Of a host with a name: whose certificate it has can be verified. */
export const httpsAddress = z
  .url({ protocol: /^https$/, hostname: DOMAIN, abort: true, error: 'give an https address of a host with a name' })
  .max(1024)
  // As it is resolved: `127.1` too.
  .refine((address) => !z.ipv4().safeParse(new URL(address).hostname).success, { error: 'give an https address of a host with a name' })
  .refine((address) => !address.includes('@') && !address.includes('#'), { error: 'give it without a user and without a fragment' });

/** A call needs a token of `issuer` for `audience`, signed by a key of `jwks`, with any of `roles`; `iss` and `aud` are exactly these. */
export const tokensSchema = z.strictObject({
  issuer: text,
  audience: text,
  jwks: httpsAddress,
  /** Sorted; left out: none is asked for. */
  roles: z.array(text).min(1).exactOptional(),
});

/** A host outside the mesh that the service calls; `tls`: the workload speaks TLS itself, and is routed by its SNI. */
export const egressSchema = z.strictObject({ host: domainSchema, port: z.int().min(1).max(65_535), protocol: z.enum(['http', 'tls']) });

/** A name under which an existing gateway of the data plane takes calls to the service from outside, by the same routes. */
const ingressSchema = z.strictObject({ host: domainSchema, gateway: z.strictObject({ name: nameSchema, namespace: nameSchema }) });

/** Off until asked for. `errors`: answers with 5xx, and requests without an answer. `percent` of the requests that nobody decided on before are traced. */
const telemetrySchema = z.strictObject({
  accessLog: z.enum(['all', 'errors']).exactOptional(),
  tracing: z.strictObject({ percent }).exactOptional(),
});

export type Mirror = z.infer<typeof mirrorSchema>;
export type Fault = z.infer<typeof faultSchema>;
export type RetryBudget = z.infer<typeof retryBudgetSchema>;
export type CircuitBreaker = z.infer<typeof circuitBreakerSchema>;
export type OutlierDetection = z.infer<typeof outlierDetectionSchema>;
export type LoadBalancing = z.infer<typeof loadBalancingSchema>;
export type MtlsStage = (typeof STAGES)[number];
export type Caller = z.infer<typeof callerSchema>;
export type AllowRule = z.infer<typeof allowRuleSchema>;
export type Tokens = Readonly<z.infer<typeof tokensSchema>>;
export type Egress = z.infer<typeof egressSchema>;
export type Ingress = z.infer<typeof ingressSchema>;
export type Telemetry = z.infer<typeof telemetrySchema>;

/** What a service's spec and its plan have in common; nothing is there that was not asked for. */
export const policyFields = {
  connectTimeoutMs: milliseconds.exactOptional(),
  retryBudget: retryBudgetSchema.exactOptional(),
  circuitBreaker: circuitBreakerSchema.exactOptional(),
  outlierDetection: outlierDetectionSchema.exactOptional(),
  loadBalancing: loadBalancingSchema.exactOptional(),
  failover: failoverSchema.exactOptional(),
  egress: z.array(egressSchema).min(1).exactOptional(),
  ingress: z.array(ingressSchema).min(1).exactOptional(),
  telemetry: telemetrySchema.exactOptional(),
  tokens: tokensSchema.exactOptional(),
};
