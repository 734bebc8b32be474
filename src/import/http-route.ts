/**
 * HTTPRoutes of Gateway API (gateway.networking.k8s.io) whose parent is a Service, as meshes read them, Linkerd too, and those at a Gateway.
 * All routes of one parent are one list, tried by how closely they match; a spec writes them in that order.
 */
import { z } from 'zod';
import type { HeaderMatch, PathMatch, RouteMatch } from '../plan/plan.ts';
import { type Backend, type BackendVersions, splitOf, versionsOfBackends } from './backends.ts';
import { became, claim, type DraftRoute, type ImportContext, ofKind, type ServiceDraft, type ServiceName } from './draft.ts';
import { reading } from './findings.ts';
import { joinMethods, matchOf } from './istio-match.ts';
import { linkerdRetries, linkerdTimeout } from './linkerd-annotations.ts';
import type { SourceObject } from './objects.ts';
import { pathOfExpression } from './path-expression.ts';
import { milliseconds } from './quantities.ts';

export const GATEWAY_API = 'gateway.networking.k8s.io';

const backend = z.object({
  kind: z.string().default('Service'),
  group: z.string().default(''),
  name: z.string(),
  namespace: z.string().optional(),
  port: z.int().optional(),
});
/** Whatever else is in it is a condition, without which it would match more. */
const matchSchema = z.looseObject({
  path: z.object({ type: z.string().default('PathPrefix'), value: z.string().default('/') }).optional(),
  headers: z.array(z.object({ type: z.string().default('Exact'), name: z.string(), value: z.string() })).optional(),
  method: z.string().optional(),
});
type Match = z.infer<typeof matchSchema>;
const ruleSchema = z.object({
  name: z.string().optional(),
  matches: z.array(matchSchema).optional(),
  backendRefs: z.array(z.object({ ...backend.shape, weight: z.number().optional() })).optional(),
  filters: z
    .array(z.object({ type: z.string(), requestMirror: z.object({ backendRef: backend, percent: z.number().optional() }).optional() }))
    .optional(),
  timeouts: z.object({ request: z.string().optional(), backendRequest: z.string().optional() }).optional(),
  retry: z.object({ attempts: z.int().optional(), codes: z.array(z.int()).optional() }).optional(),
});
type Rule = z.infer<typeof ruleSchema>;
export const httpRouteSchema = z.object({
  parentRefs: z
    .array(
      z.object({
        group: z.string().default(GATEWAY_API),
        kind: z.string().default('Gateway'),
        name: z.string(),
        namespace: z.string().optional(),
        port: z.int().optional(),
      }),
    )
    .optional(),
  hostnames: z.array(z.string()).optional(),
  rules: z.array(ruleSchema).default([]),
});
type HttpRoute = z.infer<typeof httpRouteSchema>;

interface Read {
  readonly object: SourceObject;
  readonly spec: HttpRoute;
}

export function importHttpRoutes(context: ImportContext): void {
  const routes = ofKind(context, GATEWAY_API, 'HTTPRoute').flatMap((object): readonly Read[] => {
    if (object.owner !== undefined) {
      context.say(object, 'not-imported', { message: `a ${object.owner} makes it; what the ${object.owner} asks for is imported` });
      return [];
    }
    // Those of a Server of Linkerd say who may call: they are read with its policy.
    const spec = isOfServer(object) ? undefined : reading(context.say, object, httpRouteSchema);
    return spec ? [{ object, spec }] : [];
  });
  const byService = new Map<string, { readonly name: ServiceName; readonly routes: Read[] }>();
  for (const read of routes)
    for (const parent of read.spec.parentRefs ?? []) {
      if (parent.kind !== 'Service') continue;
      const name = { namespace: parent.namespace ?? read.object.namespace, name: parent.name };
      const key = `${name.namespace}/${name.name}`;
      const entry = byService.get(key) ?? { name, routes: [] };
      entry.routes.push(read);
      byService.set(key, entry);
      if (parent.port !== undefined)
        claim(context, context.drafts.of(name), ['port', 'port'], parent.port, { object: read.object, field: 'spec.parentRefs' });
    }
  for (const { name, routes: own } of byService.values()) ofService(context, context.drafts.of(name), own);
  for (const read of routes) atGateways(context, read);
}

const parentsSchema = z.object({ parentRefs: z.array(z.looseObject({ kind: z.string().optional() })).min(1) });
const isOfServer = ({ spec }: SourceObject): boolean =>
  parentsSchema.safeParse(spec).data?.parentRefs.every(({ kind }) => kind === 'Server') ?? false;

function ofService(context: ImportContext, draft: ServiceDraft, routes: readonly Read[]): void {
  const [first] = routes;
  if (!first) return;
  if (draft.routesFrom) {
    for (const { object } of routes)
      context.say(object, 'not-imported', {
        service: draft.name,
        field: 'spec.rules',
        message: `${draft.routesFrom.kind} ${draft.routesFrom.name} routes this service already, and is kept`,
      });
    return;
  }
  draft.routesFrom = first.object;
  const written = routes.flatMap(({ object, spec }) => routesOf(context, object, draft, spec.rules));
  claim(context, draft, ['routes', 'routes'], byCloseness(written), { object: first.object, field: 'spec.rules' });
  for (const { object } of routes.slice(1)) context.say(object, 'imported', { service: draft.name, into: 'routes', field: 'spec.rules' });
}

function atGateways(context: ImportContext, { object, spec }: Read): void {
  const gateways = (spec.parentRefs ?? []).filter(({ kind }) => kind === 'Gateway');
  if (gateways.length === 0) return;
  const own = spec.rules.flatMap(({ backendRefs = [] }) => backendRefs);
  const draft = servedBy(
    context,
    object,
    own.map(({ name, namespace }) => ({ name, namespace: namespace ?? object.namespace })),
  );
  for (const host of spec.hostnames ?? [])
    for (const { name, namespace } of gateways) {
      const about = { service: draft?.name ?? '', into: `ingress.${host}`, field: 'spec.hostnames' };
      if (!draft || host.includes('*')) {
        context.say(object, 'not-imported', {
          field: about.field,
          message: draft ? `\`${host}\`: a spec names hosts one by one` : 'no one service of the import has these backends',
        });
        continue;
      }
      draft.ingress.push({ host, gateway: { namespace: namespace ?? object.namespace, name } });
      context.say(object, ...became(about, 'the gateway goes by the routes that the service has inside the mesh; see that they are these'));
    }
  if (!spec.hostnames)
    context.say(object, 'not-imported', {
      field: 'spec.hostnames',
      message: 'a spec names the hosts of a service at a gateway; this route has none',
    });
}

/** The service whose versions, or which itself, gets these calls. */
function servedBy(context: ImportContext, object: SourceObject, backends: readonly ServiceName[]): ServiceDraft | undefined {
  const itself = context.drafts
    .all()
    .filter((draft) =>
      backends.some(({ namespace, name }) => draft.namespace === namespace && (draft.name === name || name.startsWith(`${draft.name}-`))),
    );
  if (itself.length === 1) return itself[0];
  const [only, ...more] = backends;
  return itself.length === 0 && only && more.length === 0 && context.inventory.service(only)
    ? context.drafts.of({ namespace: object.namespace, name: only.name })
    : undefined;
}

function routesOf(context: ImportContext, object: SourceObject, draft: ServiceDraft, rules: readonly Rule[]): readonly DraftRoute[] {
  const named = rules.flatMap(({ backendRefs = [], filters = [] }) => [
    ...backendRefs,
    ...filters.flatMap(({ requestMirror }) => requestMirror?.backendRef ?? []),
  ]);
  const services = named
    .filter(({ kind }) => kind === 'Service')
    .map(({ name, namespace }) => ({ name, namespace: namespace ?? object.namespace }));
  const versions = versionsOfBackends(context, object, draft, services, 'spec.rules');
  return rules.flatMap((rule, index) => routesOfRule({ context, object, draft, versions }, rules, rule, index));
}

interface Given {
  readonly context: ImportContext;
  readonly object: SourceObject;
  readonly draft: ServiceDraft;
  readonly versions: BackendVersions;
}

function routesOfRule(given: Given, rules: readonly Rule[], rule: Rule, index: number): readonly DraftRoute[] {
  const { context, object, draft, versions } = given;
  const at = `spec.rules[${index}]`;
  const name = rule.name ?? nameOf(object, draft, rules.length === 1 ? '' : `-${index + 1}`);
  if (!rule.backendRefs || rule.backendRefs.length === 0) {
    context.say(object, 'not-imported', {
      service: draft.name,
      field: at,
      message: 'it sends requests nowhere, or elsewhere; a spec routes them to versions',
    });
    return [];
  }
  const readings = (rule.matches ?? [{}]).map((match) => readMatch(given, match, `${at}.matches`));
  const alternatives = joinMethods(readings.flatMap((each) => each ?? []));
  const backends: Backend[] = rule.backendRefs.map(({ name: service, namespace, weight }) => ({
    name: service,
    namespace: namespace ?? object.namespace,
    weight: weight ?? 1,
  }));
  const sent = splitOf(context, object, draft, { backends: equalized(backends, rule.backendRefs), versions, field: `${at}.backendRefs` });
  if (!sent) return [];
  const timeout = rule.timeouts?.request === undefined ? linkerdTimeout(given) : milliseconds(rule.timeouts.request);
  if (rule.timeouts?.request !== undefined)
    context.say(object, 'imported', { service: draft.name, into: 'timeout', field: `${at}.timeouts.request` });
  const retries = retriesOf(given, rule, at);
  const mirror = mirrorOf(given, rule, at);
  const action = { ...sent, ...(timeout ? { timeoutMs: timeout } : {}), ...(retries ? { retries } : {}), ...(mirror ? { mirror } : {}) };
  return alternatives.map((match, place) => ({ name: place === 0 ? name : `${name}-${place + 1}`, match, ...action }));
}

function nameOf({ name }: SourceObject, draft: ServiceDraft, number: string): string {
  const begin = `${draft.name}-`;
  return `${name === draft.name ? 'route' : name.startsWith(begin) ? name.slice(begin.length) : name}${number}`;
}

/** Weights that nobody wrote are alike, and no proportions that had to be rounded. */
function equalized(backends: readonly Backend[], written: readonly { readonly weight?: number | undefined }[]): readonly Backend[] {
  return backends.length === 1 && written[0]?.weight === undefined ? backends.map((each) => ({ ...each, weight: 100 })) : backends;
}

function readMatch(
  { context, object, draft }: Given,
  { path, headers = [], method, ...others }: Match,
  field: string,
): RouteMatch | undefined {
  const lost = (message: string): undefined => {
    context.say(object, 'not-imported', {
      service: draft.name,
      field,
      message: `${message}; without it this would match more, so that it is left out`,
    });
    return undefined;
  };
  const [unknown] = Object.keys(others);
  if (unknown) return lost(`a route of a spec has no condition such as \`${unknown}\``);
  const found = path ? pathOf(path.type, path.value) : undefined;
  if (found?.difference !== undefined)
    context.say(object, 'approximated', { service: draft.name, into: 'routes', field, message: found.difference });
  const read = headers.map(({ type, name, value }) => headerOf(name.toLowerCase(), type, value));
  const twice = read.find(({ name }, place) => read.findIndex((other) => other.name === name) !== place);
  if (twice) return lost(`a spec takes one condition on \`${twice.name}\``);
  return matchOf(found?.path, method === undefined ? undefined : [method], read);
}

function pathOf(type: string, value: string): { readonly path: PathMatch | undefined; readonly difference?: string } {
  if (type === 'Exact') return { path: { exact: value } };
  if (type === 'RegularExpression') return { path: pathOfExpression(value) };
  if (value === '/') return { path: undefined };
  return {
    path: { prefix: value },
    difference: `\`${value}\` is a prefix of whole elements here, and of letters in a spec: \`${value.replace(/\/$/, '')}x\` matches there too`,
  };
}

function headerOf(name: string, type: string, value: string): HeaderMatch {
  if (type !== 'RegularExpression') return { name, exact: value };
  if (value === '.*') return { name, present: true };
  if (value === '^$') return { name, exact: '' };
  const bare = /^\^\(\?:(.*)\)\$$/.exec(value)?.[1] ?? value;
  const begin = bare.endsWith('.*') ? bare.slice(0, -2) : '';
  if (begin !== '' && !/(?<!\\)[.*+?()[\]{}|^$]/.test(begin) && !/\\[A-Za-z0-9]/.test(begin))
    return { name, prefix: begin.replace(/\\(.)/g, '$1') };
  return { name, regex: bare };
}

/** Gateway API cannot say that nothing is tried again, which a spec does. */
function retriesOf(given: Given, { retry, timeouts }: Rule, at: string): DraftRoute['retries'] {
  const { context, object, draft } = given;
  if (!retry) {
    const annotated = linkerdRetries(given);
    if (!annotated)
      context.say(object, 'approximated', {
        service: draft.name,
        into: 'retries',
        field: at,
        message:
          'what the implementation tries again by itself (Istio: twice, what failed to connect) is not written here; by the spec nothing is',
      });
    return annotated;
  }
  const { codes = [], attempts = 1 } = retry;
  const has = (...wanted: readonly number[]): boolean => wanted.every((code) => codes.includes(code));
  const on = [
    'connect-failure' as const,
    ...(has(500, 502, 503, 504) ? ['5xx' as const] : codes.some((code) => code >= 502 && code <= 504) ? ['gateway-error' as const] : []),
    'refused-stream' as const,
    ...(has(409) ? ['retriable-4xx' as const] : []),
  ].sort();
  const perTry = timeouts?.backendRequest === undefined ? undefined : milliseconds(timeouts.backendRequest);
  context.say(object, 'approximated', {
    service: draft.name,
    into: 'retries',
    field: `${at}.retry`,
    message: `codes ${codes.join(', ')} are ${on.join(', ')} in a spec`,
  });
  return { attempts: Math.min(attempts, 10), ...(perTry ? { perTryTimeoutMs: perTry } : {}), on };
}

function mirrorOf({ context, object, draft, versions }: Given, { filters = [] }: Rule, at: string): DraftRoute['mirror'] {
  const [first, ...more] = filters.flatMap(({ requestMirror }) => requestMirror ?? []);
  const others = filters.filter(({ requestMirror }) => !requestMirror).map(({ type }) => type);
  if (others.length > 0 || more.length > 0)
    context.say(object, 'not-imported', {
      service: draft.name,
      field: `${at}.filters`,
      message: `a spec has one mirror and no ${[...others, ...more.map(() => 'second RequestMirror')].join(', ')}; requests go on without`,
    });
  const version = first && versions.get(`${first.backendRef.namespace ?? object.namespace}/${first.backendRef.name}`);
  if (!first || version === undefined) return undefined;
  context.say(object, 'imported', { service: draft.name, into: 'mirror', field: `${at}.filters` });
  return { version, percent: Math.max(1, Math.min(100, Math.round(first.percent ?? 100))) };
}

/** As HTTPRoute has it: exact paths, then longer prefixes, a method, more headers; what is alike in their order. */
function byCloseness(routes: readonly DraftRoute[]): readonly DraftRoute[] {
  const rank = ({ match }: DraftRoute): readonly number[] => {
    const path = match.path === undefined ? -1 : 'exact' in match.path ? 10_000 : 'regex' in match.path ? 5_000 : match.path.prefix.length;
    return [path, match.methods ? 1 : 0, match.headers?.length ?? 0];
  };
  return routes.toSorted((a, b) => {
    const [left, right] = [rank(a), rank(b)];
    const at = left.findIndex((each, index) => each !== right[index]);
    return at === -1 ? 0 : (right[at] ?? 0) - (left[at] ?? 0);
  });
}
