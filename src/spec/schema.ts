/**
 * The normalized specs: every default filled in, durations in milliseconds, shorthands gone. This is what is stored, hashed
 * and passed between rooms; `serviceSpecSchema` and `meshSpecSchema` read it back from storage strictly. What people
 * write is `authored-service.ts` and `authored-mesh.ts`.
 */
import { z } from 'zod';
import { domainSchema, labelKeySchema, nameSchema, versionSchema } from './names.ts';

export const MAX_DURATION_MS = 30 * 86_400_000;
export const RETRY_CONDITIONS = ['5xx', 'connect-failure', 'gateway-error', 'refused-stream', 'reset', 'retriable-4xx'] as const;
export const DATA_PLANE_KINDS = ['envoy', 'istio'] as const;
export const PROTOCOLS = ['http', 'http2', 'grpc'] as const;

const milliseconds = z.int().min(0).max(MAX_DURATION_MS);
const text = z.string().min(1).max(1024);

const retriesSchema = z.strictObject({
  /** Retries after the first try; 0 switches them off for a route. */
  attempts: z.int().min(0).max(10),
  perTryTimeoutMs: milliseconds.exactOptional(),
  on: z.array(z.enum(RETRY_CONDITIONS)),
});

const pathMatchSchema = z.union([z.strictObject({ exact: text }), z.strictObject({ prefix: text }), z.strictObject({ regex: text })]);

const headerName = z.string().min(1).max(256);
const headerMatchSchema = z.union([
  z.strictObject({ name: headerName, exact: z.string().max(1024) }),
  z.strictObject({ name: headerName, prefix: text }),
  z.strictObject({ name: headerName, regex: text }),
  z.strictObject({ name: headerName, present: z.boolean() }),
]);

const routeSpecSchema = z.strictObject({
  name: nameSchema,
  match: z.strictObject({
    path: pathMatchSchema.exactOptional(),
    methods: z.array(z.string()).exactOptional(),
    headers: z.array(headerMatchSchema).exactOptional(),
  }),
  /** All of this route's requests go to this version, whatever a rollout does. */
  version: versionSchema.exactOptional(),
  timeoutMs: milliseconds.exactOptional(),
  retries: retriesSchema.exactOptional(),
});

export const stepSchema = z.strictObject({
  weight: z.int().min(1).max(100),
  /** How long it is watched once every data plane has been seen to serve it. */
  holdMs: milliseconds,
  /** How long the step may take in all, convergence included, before the way back. */
  deadlineMs: milliseconds,
});

export const rolloutSchema = z.strictObject({
  strategy: z.literal('canary'),
  /** Weights rise strictly; the last one is 100. */
  steps: z.array(stepSchema).min(1),
  pauseDeadlineMs: milliseconds,
  startDeadlineMs: milliseconds,
  returnDeadlineMs: milliseconds,
});

/** All given fields must hold of an alert. */
const alertSelectorSchema = z.strictObject({
  rule: text.exactOptional(),
  target: text.exactOptional(),
  dimension: z.strictObject({ name: text, value: z.string().max(1024) }).exactOptional(),
});

const deploymentSourceSchema = z.union([z.strictObject({ repository: text }), z.strictObject({ resource: text })]);

export const serviceSpecSchema = z.strictObject({
  name: nameSchema,
  team: nameSchema.exactOptional(),
  namespace: nameSchema,
  port: z.int().min(1).max(65_535),
  protocol: z.enum(PROTOCOLS),
  /** Sorted; at least one. */
  dataPlanes: z.array(nameSchema).min(1),
  versionLabel: labelKeySchema,
  /** The version to begin with. */
  stable: versionSchema.exactOptional(),
  routes: z.array(routeSpecSchema),
  timeoutMs: milliseconds.exactOptional(),
  retries: retriesSchema.exactOptional(),
  rollout: rolloutSchema,
  alerts: z.array(alertSelectorSchema),
  deployments: z.array(deploymentSourceSchema),
});

export const meshSpecSchema = z.strictObject({
  name: nameSchema,
  trustDomain: domainSchema.exactOptional(),
  dataPlanes: z.array(z.strictObject({ name: nameSchema, kind: z.enum(DATA_PLANE_KINDS), region: text.exactOptional() })).min(1),
  /** Empty: any team name is taken. */
  teams: z.array(z.strictObject({ name: nameSchema })),
  channels: z.strictObject({ teams: z.strictObject({ webhookSetting: text }).exactOptional() }),
});

export type RetriesSpec = z.infer<typeof retriesSchema>;
export type RouteSpec = z.infer<typeof routeSpecSchema>;
export type RolloutSpec = z.infer<typeof rolloutSchema>;
export type RolloutStep = z.infer<typeof stepSchema>;
export type AlertSelector = z.infer<typeof alertSelectorSchema>;
export type DeploymentSource = z.infer<typeof deploymentSourceSchema>;
export type ServiceSpec = z.infer<typeof serviceSpecSchema>;
export type MeshSpec = z.infer<typeof meshSpecSchema>;
