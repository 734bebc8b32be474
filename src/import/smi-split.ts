/**
 * What OSM and other implementations of SMI say of routing: TrafficSplits (split.smi-spec.io), and OSM's UpstreamTrafficSettings and
 * Retries (policy.openservicemesh.io). Backends of a split are Services.
 */
import { z } from 'zod';
import { RETRY_CONDITIONS } from '../spec/schema.ts';
import { splitOf, versionsOfBackends } from './backends.ts';
import { became, claim, type DraftRoute, type ImportContext, ofKind, type ServiceDraft } from './draft.ts';
import { reading } from './findings.ts';
import { matches as holdsFor } from './inventory.ts';
import { milliseconds } from './quantities.ts';

const splitSchema = z.object({ service: z.string(), backends: z.array(z.object({ service: z.string(), weight: z.number() })).min(1) });

const settingSchema = z.object({
  host: z.string(),
  connectionSettings: z
    .object({
      tcp: z.object({ maxConnections: z.int().optional(), connectTimeout: z.string().optional() }).optional(),
      http: z
        .object({ maxRequests: z.int().optional(), maxRequestsPerConnection: z.int().optional(), maxPendingRequests: z.int().optional() })
        .optional(),
    })
    .optional(),
});

const retrySchema = z.object({
  source: z.object({ kind: z.string(), name: z.string(), namespace: z.string() }),
  destinations: z.array(z.object({ kind: z.string(), name: z.string(), namespace: z.string() })),
  retryPolicy: z.object({ retryOn: z.string(), perTryTimeout: z.string().optional(), numRetries: z.int().optional() }),
});

export function importTrafficSplits(context: ImportContext): void {
  for (const object of ofKind(context, 'split.smi-spec.io', 'TrafficSplit')) {
    if (object.owner !== undefined) {
      context.say(object, 'not-imported', { message: `a ${object.owner} makes it; what the ${object.owner} asks for is imported` });
      continue;
    }
    const spec = reading(context.say, object, splitSchema);
    const root = spec && context.inventory.serviceOfHost(spec.service, object.namespace);
    if (!spec || !root) continue;
    const draft = context.drafts.of(root);
    if (draft.routesFrom) {
      context.say(object, 'not-imported', {
        service: draft.name,
        field: 'spec',
        message: `${draft.routesFrom.name} divides the requests of ${draft.name} already; OSM takes one of the two, and a spec has one`,
      });
      continue;
    }
    draft.routesFrom = object;
    const backends = spec.backends.map(({ service, weight }) => ({
      namespace: object.namespace,
      name: service.split('.')[0] ?? service,
      weight,
    }));
    const versions = versionsOfBackends(context, object, draft, backends, 'spec.backends');
    const split = splitOf(context, object, draft, { backends, versions, field: 'spec.backends' });
    const route: DraftRoute = { name: 'default', match: {}, ...split };
    claim(context, draft, ['routes', 'routes'], [route], { object, field: 'spec' });
  }
}

/** Settings of a version's Service are those of the service: a spec has them for all versions alike. */
export function importUpstreamTrafficSettings(context: ImportContext): void {
  for (const object of ofKind(context, 'policy.openservicemesh.io', 'UpstreamTrafficSetting')) {
    const spec = reading(context.say, object, settingSchema);
    if (!spec) continue;
    const named = context.inventory.serviceOfHost(spec.host, object.namespace);
    if (!named) {
      context.say(object, 'not-imported', { field: 'spec.host', message: `\`${spec.host}\` is no service of the cluster` });
      continue;
    }
    const draft = context.versionServices.has(`${named.namespace}/${named.name}`)
      ? (ownerOf(context, named) ?? context.drafts.of(named))
      : context.drafts.of(named);
    const { tcp, http } = spec.connectionSettings ?? {};
    const connectTimeoutMs = tcp?.connectTimeout === undefined ? undefined : milliseconds(tcp.connectTimeout);
    if (connectTimeoutMs)
      claim(context, draft, ['connectTimeoutMs', 'connectTimeout'], connectTimeoutMs, {
        object,
        field: 'spec.connectionSettings.tcp.connectTimeout',
      });
    const breaker = {
      ...(tcp?.maxConnections ? { maxConnections: tcp.maxConnections } : {}),
      ...(http?.maxPendingRequests ? { maxPendingRequests: http.maxPendingRequests } : {}),
      ...(http?.maxRequests ? { maxRequests: http.maxRequests } : {}),
      ...(http?.maxRequestsPerConnection ? { maxRequestsPerConnection: http.maxRequestsPerConnection } : {}),
    };
    if (Object.keys(breaker).length > 0)
      claim(context, draft, ['circuitBreaker', 'circuitBreaker'], breaker, { object, field: 'spec.connectionSettings' });
  }
}

/** The service whose version a Service is, by its selector. */
function ownerOf(context: ImportContext, version: { readonly namespace: string; readonly name: string }): ServiceDraft | undefined {
  const selector = context.inventory.service(version)?.selector;
  const there = context.drafts.all().filter(({ namespace, name }) => namespace === version.namespace && name !== version.name);
  const bySelector =
    selector &&
    there.find(({ name, namespace, fields }) =>
      holdsFor(context.inventory.service({ namespace, name })?.selector ?? fields.selector ?? { app: name }, selector),
    );
  return bySelector ?? there.find(({ name }) => version.name.startsWith(`${name}-`));
}

/** OSM has them for one calling account; a spec for all callers. */
export function importOsmRetries(context: ImportContext): void {
  for (const object of ofKind(context, 'policy.openservicemesh.io', 'Retry')) {
    const spec = reading(context.say, object, retrySchema);
    if (!spec) continue;
    const { retryOn, numRetries = 1, perTryTimeout } = spec.retryPolicy;
    const tokens = retryOn.split(',').map((token) => token.trim());
    const on = RETRY_CONDITIONS.filter((condition) => tokens.includes(condition));
    const perTryTimeoutMs = perTryTimeout === undefined ? undefined : milliseconds(perTryTimeout);
    for (const { name, namespace } of spec.destinations) {
      const draft = context.drafts.of({ name, namespace });
      const about = { service: draft.name, into: 'retries', field: 'spec.retryPolicy' };
      const [route, ...more] = draft.fields.routes ?? [{ name: 'default', match: {} }];
      if (on.length === 0 || !route || more.length > 0 || route.retries) {
        context.say(object, 'not-imported', {
          ...about,
          message:
            on.length === 0
              ? `a spec retries on none of ${retryOn}`
              : 'another caller has other retries, and a spec has them for all callers alike',
        });
        continue;
      }
      draft.routesFrom ??= object;
      const retries = { attempts: Math.min(numRetries, 10), ...(perTryTimeoutMs ? { perTryTimeoutMs } : {}), on: [...on].sort() };
      draft.fields.routes = [{ ...route, retries }];
      context.say(
        object,
        ...became(
          about,
          `OSM does this for calls of ${spec.source.namespace}/${spec.source.name} alone, and only where \`enableRetryPolicy\` is on; a spec for all callers`,
        ),
      );
    }
  }
}
