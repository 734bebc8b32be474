/** The parts of Istio's objects that a spec can say (networking.istio.io and security.istio.io, v1, v1beta1 and v1alpha3 alike). */
import { z } from 'zod';

const texts = z.record(z.string(), z.string());
const percentage = z.object({ value: z.number().default(0) });
/** One of `exact`, `prefix` and `regex`; none of them asks for presence. */
const stringMatch = z.looseObject({ exact: z.string().optional(), prefix: z.string().optional(), regex: z.string().optional() });
export type StringMatch = z.infer<typeof stringMatch>;

const destination = z.object({
  host: z.string(),
  subset: z.string().optional(),
  port: z.object({ number: z.int().optional() }).optional(),
});

/** Whatever else is in it is a condition, without which it would match more. */
export const httpMatchSchema = z.looseObject({
  name: z.string().optional(),
  uri: stringMatch.optional(),
  method: stringMatch.optional(),
  headers: z.record(z.string(), stringMatch).optional(),
  withoutHeaders: z.record(z.string(), stringMatch).optional(),
});
export type HttpMatch = z.infer<typeof httpMatchSchema>;

export const httpRetriesSchema = z.object({
  attempts: z.int().default(0),
  perTryTimeout: z.string().optional(),
  retryOn: z.string().optional(),
});

export const httpRouteSchema = z.object({
  name: z.string().optional(),
  match: z.array(httpMatchSchema).optional(),
  route: z.array(z.object({ destination, weight: z.number().optional() })).optional(),
  timeout: z.string().optional(),
  retries: httpRetriesSchema.optional(),
  fault: z
    .object({
      delay: z.object({ fixedDelay: z.string().optional(), percentage: percentage.optional() }).optional(),
      abort: z.object({ httpStatus: z.int().optional(), percentage: percentage.optional() }).optional(),
    })
    .optional(),
  mirrors: z.array(z.object({ destination, percentage: percentage.optional() })).optional(),
  mirror: destination.optional(),
  mirrorPercentage: percentage.optional(),
});
export type HttpRoute = z.infer<typeof httpRouteSchema>;

export const virtualServiceSchema = z.object({
  hosts: z.array(z.string()).min(1),
  gateways: z.array(z.string()).optional(),
  http: z.array(httpRouteSchema).optional(),
});

const trafficPolicySchema = z.object({
  connectionPool: z
    .object({
      tcp: z.object({ maxConnections: z.int().optional(), connectTimeout: z.string().optional() }).optional(),
      http: z
        .object({
          http1MaxPendingRequests: z.int().optional(),
          http2MaxRequests: z.int().optional(),
          maxRequestsPerConnection: z.int().optional(),
          h2UpgradePolicy: z.enum(['UPGRADE']).optional(),
        })
        .optional(),
    })
    .optional(),
  outlierDetection: z
    .object({
      consecutive5xxErrors: z.int().optional(),
      interval: z.string().optional(),
      baseEjectionTime: z.string().optional(),
      maxEjectionPercent: z.int().optional(),
    })
    .optional(),
  loadBalancer: z
    .object({
      simple: z.string().optional(),
      consistentHash: z.object({ httpHeaderName: z.string().optional() }).optional(),
      localityLbSetting: z.object({ enabled: z.boolean().optional(), failoverPriority: z.array(z.string()).optional() }).optional(),
    })
    .optional(),
  retryBudget: z.object({ percent: z.number().default(20), minRetryConcurrency: z.int().default(3) }).optional(),
  tls: z.object({ mode: z.string().optional() }).optional(),
});
export type TrafficPolicy = z.infer<typeof trafficPolicySchema>;

export const destinationRuleSchema = z.object({
  host: z.string(),
  trafficPolicy: trafficPolicySchema.optional(),
  subsets: z.array(z.object({ name: z.string(), labels: texts.default({}), trafficPolicy: trafficPolicySchema.optional() })).optional(),
});

const selector = z.object({ matchLabels: texts.default({}) });

export const peerAuthenticationSchema = z.object({
  selector: selector.optional(),
  mtls: z.object({ mode: z.enum(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT']).default('UNSET') }).optional(),
});

/** Conditions that are not known here would widen what is allowed: they stay in what is read, and are looked for. */
const list = z.array(z.string());
const source = z.looseObject({ principals: list.optional(), serviceAccounts: list.optional() });
const operation = z.looseObject({ methods: list.optional(), paths: list.optional(), ports: list.optional() });
const rule = z.looseObject({
  from: z.array(z.looseObject({ source })).optional(),
  to: z.array(z.looseObject({ operation })).optional(),
});
export type AuthorizationRule = z.infer<typeof rule>;

export const authorizationPolicySchema = z.object({
  selector: selector.optional(),
  action: z.enum(['ALLOW', 'DENY', 'AUDIT', 'CUSTOM']).optional(),
  rules: z.array(rule).optional(),
  targetRefs: z.array(z.looseObject({})).optional(),
  targetRef: z.looseObject({}).optional(),
  provider: z.looseObject({}).optional(),
});

export const serviceEntrySchema = z.object({
  hosts: z.array(z.string()),
  ports: z.array(z.object({ number: z.int(), protocol: z.string(), name: z.string().optional() })).optional(),
  location: z.enum(['MESH_EXTERNAL', 'MESH_INTERNAL']).optional(),
  resolution: z.enum(['DNS', 'DNS_ROUND_ROBIN', 'NONE', 'STATIC', 'DYNAMIC_DNS']).optional(),
  exportTo: z.array(z.string()).optional(),
});
