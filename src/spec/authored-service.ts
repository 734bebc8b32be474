/**
 * The `Service` file as people write it, and what it means once shorthands are gone. `name`, `port` and `rollout: canary` make
 * a complete one. What the mesh or another service decides stays open here: `resolve-service.ts` fills it in.
 */
import { z } from 'zod';
import { API_VERSION, eachOnce, present } from './authored-fields.ts';
import { authoredEgressSchema, authoredIngressSchema } from './authored-outside.ts';
import {
  authoredCircuitBreakerSchema,
  authoredFailoverSchema,
  authoredLoadBalancingSchema,
  authoredOutlierDetectionSchema,
  authoredRetryBudgetSchema,
} from './authored-resilience.ts';
import { authoredRolloutSchema, canaryRollout } from './authored-rollout.ts';
import { authoredRetriesSchema, authoredRoutesSchema, checkTryFitsRequest, timeout } from './authored-routes.ts';
import { authoredAllowSchema, authoredMtlsSchema } from './authored-security.ts';
import { authoredTelemetrySchema } from './authored-telemetry.ts';
import { authoredTokensSchema } from './authored-tokens.ts';
import { labelKeySchema, nameSchema, versionSchema } from './names.ts';
import { type AlertSelector, type DeploymentSource, PROTOCOLS, type RetriesSpec, type RouteSpec } from './schema.ts';

const DEFAULT_VERSION_LABEL = 'version';
/** `app` is the service's name. */
const DEFAULT_SELECTOR_LABEL = 'app';
const LABEL_VALUE = /^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$/;
const REPOSITORY = /^[A-Za-z0-9][A-Za-z0-9.-]*(?::\d+)?(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)+$/;

const line = z.string().min(1).max(1024);
const resourceId = line.regex(/^\/subscriptions\/./i, { error: 'give a whole Azure resource id, beginning with `/subscriptions/`' });

const alert = z
  .union(
    [
      line,
      z
        .strictObject({
          rule: line.optional().describe('The name of the alert rule, in any case'),
          target: resourceId.optional().describe('The resource id the alert watches, in any case'),
          dimension: z
            .strictObject({ name: line, value: z.string().max(1024) })
            .optional()
            .describe('A dimension of the alert and its value'),
        })
        .refine((written) => Object.values(written).some((value) => value !== undefined), {
          error: 'give a `rule`, a `target` or a `dimension`: without one it would speak for no alert',
        }),
    ],
    { error: 'give the name of an alert rule, or a `rule`, `target` or `dimension`' },
  )
  .transform((written): AlertSelector => (typeof written === 'string' ? { rule: written } : present(written)));

const repository = line.regex(REPOSITORY, {
  error: 'give the registry and the repository, without a scheme, tag or digest, such as `shop.azurecr.io/catalog`',
});

const resource = line
  .regex(/^\/subscriptions\/./i, { error: 'give the pattern of a whole Azure resource id, beginning with `/subscriptions/`' })
  .refine((pattern) => pattern.split('{version}').length === 2, { error: 'say once where the version stands: `{version}`' })
  .refine((pattern) => pattern.split('/').every((segment) => segment.split(/\*|\{version\}/).length <= 3), {
    error: 'use at most two of `*` and `{version}` between two slashes',
  });

const deployment = z
  .strictObject({
    repository: repository.optional().describe('A container image: its tag is the version'),
    resource: resource.optional().describe('The id of an Azure resource with `{version}` and `*`, which stand for parts of a segment'),
  })
  .transform((written, context): DeploymentSource => {
    if (written.repository !== undefined && written.resource === undefined) return { repository: withHostInLowerCase(written.repository) };
    if (written.resource !== undefined && written.repository === undefined) return { resource: written.resource };
    context.addIssue({ code: 'custom', message: 'give either a `repository` or a `resource`' });
    return z.NEVER;
  });

function withHostInLowerCase(written: string): string {
  const slash = written.indexOf('/');
  return written.slice(0, slash).toLowerCase() + written.slice(slash);
}

const selector = z
  .record(labelKeySchema, z.string().max(63).regex(LABEL_VALUE, { error: 'this can be no value of a label' }))
  .refine((labels) => Object.keys(labels).length > 0, { error: 'name at least one label: without one every workload would be meant' });

interface WrittenResilience {
  readonly timeout?: number | undefined;
  readonly connectTimeout?: number | undefined;
  readonly retries?: RetriesSpec | undefined;
  readonly retryBudget?: object | undefined;
  readonly routes?: readonly RouteSpec[] | undefined;
}

/** What would have no effect, or never end as it is meant, is a slip of the pen. */
function checkResilience(
  { timeout: whole, connectTimeout, retries, retryBudget, routes = [] }: WrittenResilience,
  context: z.RefinementCtx,
): void {
  if (connectTimeout !== undefined && whole !== undefined && connectTimeout > whole) {
    const message = 'connecting may not take longer than `timeout`, which covers the whole request';
    context.addIssue({ code: 'custom', path: ['connectTimeout'], message });
  }
  routes.forEach((route, index) => {
    const perTry = (route.retries ?? retries)?.perTryTimeoutMs;
    const limit = route.timeoutMs ?? whole;
    const own = [route.retries, route.timeoutMs].filter((each) => each !== undefined);
    // Where a route has both, or neither, it is said of the one place that has them.
    if (own.length !== 1 || perTry === undefined || limit === undefined || perTry <= limit) return;
    const message =
      route.retries === undefined
        ? 'one try of the service may take longer than this, which covers all of them; give the route `retries` of its own'
        : "one try may not take longer than the service's `timeout`, which covers all of them; give the route a `timeout` of its own";
    const field = route.retries === undefined ? ['timeout'] : ['retries', 'perTryTimeout'];
    context.addIssue({ code: 'custom', path: ['routes', index, ...field], message });
  });
  const retrying = [retries, ...routes.map((route) => route.retries)].some((each) => each !== undefined && each.attempts > 0);
  if (retryBudget !== undefined && !retrying) {
    context.addIssue({ code: 'custom', path: ['retryBudget'], message: 'nothing is tried again that it could limit: give `retries` too' });
  }
}

function checkLabels(
  written: { selector?: Readonly<Record<string, string>> | undefined; versionLabel?: string | undefined },
  context: z.RefinementCtx,
): void {
  const label = written.versionLabel ?? DEFAULT_VERSION_LABEL;
  if (written.selector === undefined && label === DEFAULT_SELECTOR_LABEL) {
    const message = `without a \`selector\` \`${label}\` selects its workloads, whatever version; give a \`selector\`, or another label here`;
    context.addIssue({ code: 'custom', path: ['versionLabel'], message });
  }
  if (written.selector !== undefined && label in written.selector) {
    const message = `\`${label}\` tells its versions apart; select the workloads of all versions by another label`;
    context.addIssue({ code: 'custom', path: ['selector', label], message });
  }
}

/** All traffic begins at `stable`, but for routes that are pinned. */
function checkMirrors(
  { stable, routes = [] }: { stable?: string | undefined; routes?: readonly RouteSpec[] | undefined },
  context: z.RefinementCtx,
): void {
  routes.forEach(({ version, mirror }, index) => {
    if (mirror === undefined || version !== undefined || mirror.version !== stable) return;
    const message = `the route sends its requests to \`${stable}\`, the stable version, already; mirror them to another version`;
    context.addIssue({ code: 'custom', path: ['routes', index, 'mirror'], message });
  });
}

export const authoredServiceSchema = z
  .strictObject({
    apiVersion: z.literal(API_VERSION),
    kind: z.literal('Service'),
    name: nameSchema.describe('What events, alerts and people call the service'),
    team: nameSchema.optional().describe('Who owns it'),
    namespace: nameSchema.optional().describe('Where it lives in its clusters (default)'),
    port: z.int().min(1).max(65_535).describe('The port its callers use'),
    protocol: z.enum(PROTOCOLS).optional().describe('What it speaks (http)'),
    dataPlanes: z
      .array(nameSchema)
      .min(1)
      .superRefine(eachOnce((name) => name, [], 'name each data plane once'))
      .optional()
      .describe('Where it lives (all of the mesh)'),
    versionLabel: labelKeySchema.optional().describe('The label whose value is the version of a workload (version)'),
    selector: selector.optional().describe('The labels of its workloads, whatever version (app: its name)'),
    serviceAccount: nameSchema.optional().describe('The Kubernetes service account of its workloads (its name)'),
    stable: versionSchema.optional().describe('The version to begin with'),
    routes: authoredRoutesSchema.optional().describe('Tried in order before the route for everything else'),
    timeout: timeout.optional().describe('The whole request, retries included'),
    retries: authoredRetriesSchema.optional(),
    connectTimeout: timeout.optional().describe('After this a connection is given up'),
    retryBudget: authoredRetryBudgetSchema
      .optional()
      .describe('Retries under way as a share of the requests under way; a number is the percentage'),
    circuitBreaker: authoredCircuitBreakerSchema
      .optional()
      .describe('Limits of one caller to one version; what is over them is refused at once'),
    outlierDetection: authoredOutlierDetectionSchema
      .optional()
      .describe('Endpoints that fail get no requests for a while; `true` for the defaults'),
    loadBalancing: authoredLoadBalancingSchema.optional().describe('Which endpoint of a version gets a request'),
    failover: authoredFailoverSchema.optional().describe('Regions by rising distance: calls go to the first that has healthy endpoints'),
    mtls: authoredMtlsSchema
      .optional()
      .describe(
        "permissive: plaintext is taken too; shadow: the same, and who `allow` would refuse is reported; strict: only mTLS, only who `allow` names (the mesh's)",
      ),
    allow: authoredAllowSchema
      .optional()
      .describe('Who may call it: names of services, or `from` with `methods` and `paths`; in strict everybody else is refused'),
    tokens: authoredTokensSchema.optional(),
    egress: authoredEgressSchema.optional().describe('Hosts outside the mesh that it calls; a plain text is called by TLS at 443'),
    ingress: authoredIngressSchema.optional().describe('Gateways that take calls to it from outside'),
    telemetry: authoredTelemetrySchema.optional().describe("Its own, switch by switch (the mesh's)"),
    rollout: authoredRolloutSchema.optional().describe('How a new version gets its traffic (canary)'),
    alerts: z.array(alert).max(100).optional().describe('Which alerts speak for it; a plain text is the name of a rule'),
    deployments: z.array(deployment).max(100).optional().describe('Which pushes and writes mean a new version of it'),
  })
  .superRefine(checkTryFitsRequest)
  .superRefine(checkResilience)
  .superRefine(checkLabels)
  .superRefine(checkMirrors)
  .transform((written) => ({
    name: written.name,
    ...present({ team: written.team }),
    namespace: written.namespace ?? 'default',
    port: written.port,
    protocol: written.protocol ?? 'http',
    dataPlanes: written.dataPlanes,
    versionLabel: written.versionLabel ?? DEFAULT_VERSION_LABEL,
    ...present({ selector: written.selector, serviceAccount: written.serviceAccount, stable: written.stable }),
    routes: written.routes ?? [],
    ...present({ timeoutMs: written.timeout, retries: written.retries, connectTimeoutMs: written.connectTimeout }),
    ...present({ retryBudget: written.retryBudget, circuitBreaker: written.circuitBreaker, outlierDetection: written.outlierDetection }),
    ...present({ loadBalancing: written.loadBalancing, failover: written.failover }),
    mtls: written.mtls,
    allow: written.allow,
    ...present({ tokens: written.tokens }),
    egress: written.egress,
    ingress: written.ingress,
    telemetry: written.telemetry,
    rollout: written.rollout ?? canaryRollout({}),
    alerts: written.alerts ?? [],
    deployments: written.deployments ?? [],
  }));

/** A service before its mesh and its neighbours are known. */
export type WrittenService = z.output<typeof authoredServiceSchema>;
