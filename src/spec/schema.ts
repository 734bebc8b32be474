/**
 * The normalized specs: every default filled in, durations in milliseconds, shorthands gone. This is what is stored, hashed
 * and passed between rooms; `serviceSpecSchema` and `meshSpecSchema` read it back from storage strictly. What people
 * write is `authored-service.ts` and `authored-mesh.ts`.
 */
import { z } from 'zod';
import { certificatesSpecSchema } from './certificates-schema.ts';
import { domainSchema, labelKeySchema, nameSchema, versionSchema } from './names.ts';
import {
  allowRuleSchema,
  faultSchema,
  milliseconds,
  mirrorSchema,
  mtlsSchema,
  pathMatchSchema,
  policyFields,
  text,
} from './policy-schema.ts';

export const RETRY_CONDITIONS = ['5xx', 'connect-failure', 'gateway-error', 'refused-stream', 'reset', 'retriable-4xx'] as const;
export const DATA_PLANE_KINDS = ['envoy', 'istio', 'gateway-api', 'linkerd', 'osm', 'consul'] as const;
export const PROTOCOLS = ['http', 'http2', 'grpc'] as const;

const retriesSchema = z.strictObject({
  /** Retries after the first try; 0 switches them off for a route. */
  attempts: z.int().min(0).max(10),
  perTryTimeoutMs: milliseconds.exactOptional(),
  on: z.array(z.enum(RETRY_CONDITIONS)),
});

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
  mirror: mirrorSchema.exactOptional(),
  fault: faultSchema.exactOptional(),
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
  /** What selects its workloads, whatever version; left out: `app` is its name. */
  selector: z.record(labelKeySchema, z.string().max(63)).exactOptional(),
  /** The Kubernetes service account of its workloads; left out: its name. */
  serviceAccount: nameSchema.exactOptional(),
  /** The version to begin with. */
  stable: versionSchema.exactOptional(),
  routes: z.array(routeSpecSchema),
  timeoutMs: milliseconds.exactOptional(),
  retries: retriesSchema.exactOptional(),
  ...policyFields,
  /** Left out: whatever the data plane does by itself. */
  mtls: mtlsSchema.exactOptional(),
  /** Who may call it; with `mtls` and without this: nobody. */
  allow: z.array(allowRuleSchema).exactOptional(),
  rollout: rolloutSchema,
  alerts: z.array(alertSelectorSchema),
  deployments: z.array(deploymentSourceSchema),
});

/** A Kubernetes API server: a kubeconfig that an app setting holds, or an AKS cluster reached through Entra ID. */
const clusterSchema = z.union([z.strictObject({ kubeconfigSetting: text, context: text.exactOptional() }), z.strictObject({ aks: text })]);

const kubernetesFields = {
  name: nameSchema,
  region: text.exactOptional(),
  /** Left out: it can be planned and exported, not applied. */
  cluster: clusterSchema.exactOptional(),
  /** Fields that another manager owns are taken over rather than refused. */
  takeOver: z.boolean(),
  /** False: what proxies serve cannot be seen there, and what was applied counts as served. */
  observe: z.boolean(),
};

/** Names of secrets, in the vault of that address. */
const caSecretsSchema = z.strictObject({ vault: z.url(), rootCert: text, caCert: text, caKey: text, certChain: text });

export const dataPlaneSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('envoy'), name: nameSchema, region: text.exactOptional() }),
  z.strictObject({
    kind: z.literal('istio'),
    ...kubernetesFields,
    /** Where istiod runs; `aks-istio-system` with the AKS add-on. */
    controlPlaneNamespace: nameSchema,
    /** The value of `istio.io/rev`, such as `asm-1-26`. */
    revision: nameSchema.exactOptional(),
    /** The secrets of a Key Vault that the add-on of AKS takes its CA from. */
    caSecrets: caSecretsSchema.exactOptional(),
  }),
  z.strictObject({
    kind: z.literal('gateway-api'),
    ...kubernetesFields,
    controlPlaneNamespace: nameSchema,
    /** Whether fields of the experimental channel may be used. */
    experimental: z.boolean(),
  }),
  /** Left out: `linkerd`. */
  z.strictObject({ kind: z.literal('linkerd'), ...kubernetesFields, controlPlaneNamespace: nameSchema.exactOptional() }),
  z.strictObject({ kind: z.literal('osm'), ...kubernetesFields, controlPlaneNamespace: nameSchema }),
  z.strictObject({
    kind: z.literal('consul'),
    name: nameSchema,
    region: text.exactOptional(),
    /** Its HTTP API; the token is in an app setting. Left out: it can be planned and exported, not applied. */
    address: z.url().exactOptional(),
    tokenSetting: text.exactOptional(),
    /** What happens to a call that no intention speaks of. */
    defaultPolicy: z.enum(['allow', 'deny']),
    takeOver: z.boolean(),
  }),
]);

export const meshSpecSchema = z.strictObject({
  name: nameSchema,
  trustDomain: domainSchema.exactOptional(),
  dataPlanes: z.array(dataPlaneSchema).min(1),
  /** Empty: any team name is taken. */
  teams: z.array(z.strictObject({ name: nameSchema })),
  channels: z.strictObject({ teams: z.strictObject({ webhookSetting: text }).exactOptional() }),
  /** Left out: its workloads have their certificates from elsewhere. */
  certificates: certificatesSpecSchema.exactOptional(),
});

export type DataPlaneSpec = z.infer<typeof dataPlaneSchema>;
export type DataPlaneKind = DataPlaneSpec['kind'];
export type RetriesSpec = z.infer<typeof retriesSchema>;
export type RouteSpec = z.infer<typeof routeSpecSchema>;
export type RolloutSpec = z.infer<typeof rolloutSchema>;
export type RolloutStep = z.infer<typeof stepSchema>;
export type AlertSelector = z.infer<typeof alertSelectorSchema>;
export type DeploymentSource = z.infer<typeof deploymentSourceSchema>;
export type ServiceSpec = z.infer<typeof serviceSpecSchema>;
export type MeshSpec = z.infer<typeof meshSpecSchema>;
