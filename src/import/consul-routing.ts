/**
 * Consul's service-router, -splitter, -resolver and -defaults (as consul-k8s has them). Callers are routed by the router first, then by the
 * splitter; subsets of the resolver are versions. Names of services are the same in all namespaces.
 */
import { z } from 'zod';
import type { HeaderMatch, PathMatch } from '../plan/plan.ts';
import { RETRY_CONDITIONS, type RetriesSpec } from '../spec/schema.ts';
import { splitOfVersions } from './backends.ts';
import { became, claim, type DraftRoute, type ImportContext, ofKind, type ServiceDraft } from './draft.ts';
import { reading } from './findings.ts';
import { matchOf } from './istio-match.ts';
import type { SourceObject } from './objects.ts';
import { pathOfExpression } from './path-expression.ts';
import { milliseconds } from './quantities.ts';

export const CONSUL = 'consul.hashicorp.com';
/** Envoy's, which hold where an entry says nothing. */
const REQUEST_TIMEOUT_MS = 15_000;

const duration = z.union([z.string(), z.number().transform((nanoseconds) => `${nanoseconds}ns`)]);
const resolverSchema = z.object({
  subsets: z.record(z.string(), z.object({ filter: z.string().optional() })).optional(),
  connectTimeout: duration.optional(),
  loadBalancer: z
    .object({
      policy: z.string().optional(),
      hashPolicies: z.array(z.object({ field: z.string().optional(), fieldValue: z.string().optional() })).optional(),
    })
    .optional(),
});
const splitterSchema = z.object({
  splits: z.array(z.object({ weight: z.number().default(0), service: z.string().optional(), serviceSubset: z.string().optional() })),
});
const httpMatchSchema = z.looseObject({
  pathExact: z.string().optional(),
  pathPrefix: z.string().optional(),
  pathRegex: z.string().optional(),
  methods: z.array(z.string()).optional(),
  header: z
    .array(
      z.looseObject({
        name: z.string(),
        present: z.boolean().optional(),
        exact: z.string().optional(),
        prefix: z.string().optional(),
        regex: z.string().optional(),
        invert: z.boolean().optional(),
      }),
    )
    .optional(),
});
const routerSchema = z.object({
  routes: z.array(
    z.object({
      match: z.object({ http: httpMatchSchema.optional() }).optional(),
      destination: z
        .object({
          service: z.string().optional(),
          serviceSubset: z.string().optional(),
          requestTimeout: duration.optional(),
          idleTimeout: duration.optional(),
          numRetries: z.int().optional(),
          retryOn: z.array(z.string()).optional(),
          retryOnConnectFailure: z.boolean().optional(),
        })
        .optional(),
    }),
  ),
});
type Route = z.infer<typeof routerSchema>['routes'][number];
const defaultsSchema = z.object({
  protocol: z.string().optional(),
  localRequestTimeoutMs: z.number().optional(),
  mutualTLSMode: z.string().optional(),
});

const LOAD_BALANCERS: Readonly<Record<string, 'least-request' | 'random' | 'round-robin'>> = {
  least_request: 'least-request',
  random: 'random',
  round_robin: 'round-robin',
};

const draftOf = (context: ImportContext, object: SourceObject): ServiceDraft =>
  context.drafts.of({ namespace: object.namespace, name: object.name });

export function importConsulRouting(context: ImportContext): void {
  for (const object of ofKind(context, CONSUL, 'ServiceDefaults')) defaults(context, object);
  const subsets = new Map<string, string>();
  for (const object of ofKind(context, CONSUL, 'ServiceResolver')) resolver(context, object, subsets);
  const splits = new Map<ServiceDraft, Pick<DraftRoute, 'split'>>();
  for (const object of ofKind(context, CONSUL, 'ServiceSplitter')) {
    const spec = reading(context.say, object, splitterSchema);
    if (!spec) continue;
    const draft = draftOf(context, object);
    const elsewhere = spec.splits.find(({ service }) => service !== undefined && service !== '' && service !== object.name);
    const versions = spec.splits.map(({ weight, serviceSubset = '' }) => ({
      weight,
      version: subsets.get(`${draft.namespace}/${draft.name}/${serviceSubset}`) ?? '',
    }));
    if (elsewhere || versions.some(({ version }) => version === '')) {
      const why = elsewhere
        ? `it sends requests to ${elsewhere.service}, and a spec divides them over versions of one service`
        : 'no resolver here says which version each subset is; give it too';
      context.say(object, 'not-imported', { service: draft.name, field: 'spec.splits', message: why });
      continue;
    }
    const split = splitOfVersions(context, object, draft, versions, 'spec.splits');
    if (!split) continue;
    splits.set(draft, split);
    draft.routesFrom ??= object;
    context.say(object, 'imported', { service: draft.name, into: 'stable', field: 'spec.splits' });
  }
  for (const object of ofKind(context, CONSUL, 'ServiceRouter')) router(context, object, subsets, splits);
  for (const [draft, split] of splits) {
    if (draft.fields.routes || !draft.routesFrom) continue;
    draft.fields.routes = [{ name: 'default', match: {}, timeoutMs: REQUEST_TIMEOUT_MS, ...split }];
    sayDefault(context, draft.routesFrom, draft);
  }
}

function sayDefault({ say }: ImportContext, object: SourceObject, draft: ServiceDraft): void {
  const message = 'where no route says otherwise Envoy ends requests after 15 s by itself: the spec says so';
  say(object, 'approximated', { service: draft.name, into: 'timeout', field: 'spec', message });
}

function defaults(context: ImportContext, object: SourceObject): void {
  const spec = reading(context.say, object, defaultsSchema);
  if (!spec) return;
  const draft = draftOf(context, object);
  const { protocol } = spec;
  if (protocol === 'http' || protocol === 'http2' || protocol === 'grpc')
    claim(context, draft, ['protocol', 'protocol'], protocol, { object, field: 'spec.protocol' });
  else if (protocol !== undefined)
    context.say(object, 'not-imported', {
      service: draft.name,
      into: 'protocol',
      field: 'spec.protocol',
      message: `a spec speaks of HTTP, and no ${protocol}`,
    });
}

/** One condition on the Meta of instances, as filters of versions are written. */
const FILTER = /^\s*"?Service\.Meta(?:\.([A-Za-z0-9_-]+)|\["([A-Za-z0-9_-]+)"\])\s*==\s*"?([A-Za-z0-9][A-Za-z0-9._-]*)"?\s*$/;

function resolver(context: ImportContext, object: SourceObject, subsets: Map<string, string>): void {
  const spec = reading(context.say, object, resolverSchema);
  if (!spec) return;
  const draft = draftOf(context, object);
  for (const [name, { filter = '' }] of Object.entries(spec.subsets ?? {})) {
    const [, plain, quoted, version] = FILTER.exec(filter) ?? [];
    const label = plain ?? quoted;
    const field = `spec.subsets.${name}.filter`;
    if (label === undefined || version === undefined) {
      context.say(object, 'not-imported', {
        service: draft.name,
        field,
        message: `\`${filter}\` is not one condition on the Meta of instances, by which a spec tells versions apart`,
      });
      continue;
    }
    claim(context, draft, ['versionLabel', 'versionLabel'], label, { object, field });
    if (draft.fields.versionLabel === label) subsets.set(`${draft.namespace}/${draft.name}/${name}`, version);
  }
  const connectTimeoutMs = spec.connectTimeout === undefined ? undefined : milliseconds(spec.connectTimeout);
  if (connectTimeoutMs)
    claim(context, draft, ['connectTimeoutMs', 'connectTimeout'], connectTimeoutMs, { object, field: 'spec.connectTimeout' });
  const { policy, hashPolicies = [] } = spec.loadBalancer ?? {};
  const header = hashPolicies.find(({ field }) => field === 'header')?.fieldValue;
  const known = LOAD_BALANCERS[policy ?? ''];
  if (known) claim(context, draft, ['loadBalancing', 'loadBalancing'], { policy: known }, { object, field: 'spec.loadBalancer' });
  else if (header !== undefined)
    claim(
      context,
      draft,
      ['loadBalancing', 'loadBalancing'],
      { policy: 'hash', header: header.toLowerCase() },
      { object, field: 'spec.loadBalancer' },
    );
  else if (policy)
    context.say(object, 'not-imported', {
      service: draft.name,
      field: 'spec.loadBalancer',
      message: `a spec has no \`${policy}\` like this`,
    });
}

function router(
  context: ImportContext,
  object: SourceObject,
  subsets: ReadonlyMap<string, string>,
  splits: ReadonlyMap<ServiceDraft, Pick<DraftRoute, 'split'>>,
): void {
  const spec = reading(context.say, object, routerSchema);
  if (!spec) return;
  const draft = draftOf(context, object);
  draft.routesFrom = object;
  const divided = splits.get(draft) ?? {};
  const routes = spec.routes.flatMap((route, index): readonly DraftRoute[] => {
    const field = `spec.routes[${index}]`;
    const lost = (part: string, message: string): readonly DraftRoute[] => {
      context.say(object, 'not-imported', {
        service: draft.name,
        field: `${field}.${part}`,
        message: `${message}; its requests go by the routes after it`,
      });
      return [];
    };
    const { service, serviceSubset } = route.destination ?? {};
    if (service && service !== object.name)
      return lost('destination.service', `it sends requests to ${service}, and a spec routes those of one service`);
    const version = serviceSubset ? subsets.get(`${draft.namespace}/${draft.name}/${serviceSubset}`) : undefined;
    if (serviceSubset && version === undefined) return lost('destination.serviceSubset', 'no resolver here says which version it is');
    const match = conditionsOf(route.match?.http);
    if (typeof match === 'string') return lost('match.http', match);
    return [
      {
        name: `route-${index + 1}`,
        match,
        ...(version === undefined ? divided : { split: [{ version, weight: 100 }] }),
        ...actionOf(context, object, draft, route.destination, field),
      },
    ];
  });
  // Consul adds this one itself.
  const whole = routes.some(({ match }) => Object.keys(match).length === 0);
  if (!whole) sayDefault(context, object, draft);
  const all = whole ? routes : [...routes, { name: 'default', match: {}, timeoutMs: REQUEST_TIMEOUT_MS, ...divided }];
  claim(context, draft, ['routes', 'routes'], all, { object, field: 'spec.routes' });
}

/** A sentence when there is a condition that a spec does not have. */
function conditionsOf(http: z.infer<typeof httpMatchSchema> | undefined): DraftRoute['match'] | string {
  if (!http) return {};
  const unknown = Object.keys(http).find((key) => !['pathExact', 'pathPrefix', 'pathRegex', 'methods', 'header'].includes(key));
  if (unknown) return `a route of a spec has no condition such as \`${unknown}\``;
  const headers: HeaderMatch[] = [];
  for (const condition of http.header ?? []) {
    const { name: written, present, exact, prefix, regex, invert = false } = condition;
    const name = written.toLowerCase();
    if (invert && present !== true) return `a spec says that \`${name}\` is absent, not which value it must not have`;
    if (headers.some((each) => each.name === name)) return `a spec takes one condition on \`${name}\`; join them in one \`regex\``;
    if (present) headers.push({ name, present: !invert });
    else if (exact) headers.push({ name, exact });
    else if (prefix) headers.push({ name, prefix });
    else if (regex) headers.push(regex === '()' ? { name, exact: '' } : { name, regex });
    else return `a route of a spec has no such condition on \`${name}\``;
  }
  const methods = http.methods && http.methods.length > 0 ? http.methods : undefined;
  return matchOf(consulPath(http), methods, headers);
}

export function consulPath({
  pathExact,
  pathPrefix,
  pathRegex,
}: {
  readonly pathExact?: string | undefined;
  readonly pathPrefix?: string | undefined;
  readonly pathRegex?: string | undefined;
}): PathMatch | undefined {
  if (pathExact) return { exact: pathExact };
  if (pathPrefix) return { prefix: pathPrefix };
  return pathRegex ? pathOfExpression(pathRegex) : undefined;
}

function actionOf(
  context: ImportContext,
  object: SourceObject,
  draft: ServiceDraft,
  destination: Route['destination'],
  field: string,
): Pick<DraftRoute, 'timeoutMs' | 'retries'> {
  const { requestTimeout, numRetries = 0, retryOn = [], retryOnConnectFailure } = destination ?? {};
  const about = { service: draft.name, into: 'timeout', field: `${field}.destination.requestTimeout` };
  const written = requestTimeout === undefined || requestTimeout === '0s' ? undefined : requestTimeout;
  const timeoutMs = written === undefined ? REQUEST_TIMEOUT_MS : written.startsWith('-') ? undefined : milliseconds(written);
  context.say(
    object,
    ...became(
      about,
      written === undefined ? 'nothing is written, and Envoy ends requests after 15 s by itself: the spec says so' : undefined,
    ),
  );
  const tokens = [...retryOn, ...(retryOnConnectFailure ? ['connect-failure'] : [])];
  const on = RETRY_CONDITIONS.filter((condition) => tokens.includes(condition));
  const others = tokens.filter((token) => !RETRY_CONDITIONS.some((condition) => condition === token));
  if (others.length > 0)
    context.say(object, 'not-imported', {
      ...about,
      into: 'retries',
      field: `${field}.destination.retryOn`,
      message: `a spec does not retry on ${others.join(', ')}`,
    });
  const retries: RetriesSpec | undefined = on.length > 0 ? { attempts: Math.min(10, numRetries || 1), on: [...on].sort() } : undefined;
  return { ...(timeoutMs ? { timeoutMs } : {}), ...(retries ? { retries } : {}) };
}
