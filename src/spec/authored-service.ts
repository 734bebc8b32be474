/**
 * The `Service` file as people write it, and what it means once shorthands are gone. `name`, `port` and `rollout: canary` make
 * a complete one. `dataPlanes` stays open here: its default is the mesh's, which `read-spec.ts` knows.
 */
import { z } from 'zod';
import { API_VERSION, eachOnce, present } from './authored-fields.ts';
import { authoredRolloutSchema, canaryRollout } from './authored-rollout.ts';
import { authoredRetriesSchema, authoredRoutesSchema, checkTryFitsRequest, timeout } from './authored-routes.ts';
import { labelKeySchema, nameSchema, versionSchema } from './names.ts';
import { type AlertSelector, type DeploymentSource, PROTOCOLS, type ServiceSpec } from './schema.ts';

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
    stable: versionSchema.optional().describe('The version to begin with'),
    routes: authoredRoutesSchema.optional().describe('Tried in order before the route for everything else'),
    timeout: timeout.optional().describe('The whole request, retries included'),
    retries: authoredRetriesSchema.optional(),
    rollout: authoredRolloutSchema.optional().describe('How a new version gets its traffic (canary)'),
    alerts: z.array(alert).max(100).optional().describe('Which alerts speak for it; a plain text is the name of a rule'),
    deployments: z.array(deployment).max(100).optional().describe('Which pushes and writes mean a new version of it'),
  })
  .superRefine(checkTryFitsRequest)
  .transform((written): Omit<ServiceSpec, 'dataPlanes'> & { readonly dataPlanes: readonly string[] | undefined } => ({
    name: written.name,
    ...present({ team: written.team }),
    namespace: written.namespace ?? 'default',
    port: written.port,
    protocol: written.protocol ?? 'http',
    dataPlanes: written.dataPlanes,
    versionLabel: written.versionLabel ?? 'version',
    ...present({ stable: written.stable }),
    routes: written.routes ?? [],
    ...present({ timeoutMs: written.timeout, retries: written.retries }),
    rollout: written.rollout ?? canaryRollout({}),
    alerts: written.alerts ?? [],
    deployments: written.deployments ?? [],
  }));
