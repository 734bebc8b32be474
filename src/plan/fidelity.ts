/**
 * Fidelity: what of a plan a data plane says exactly, what only nearly, and what it refuses. The fields are those of the plan,
 * each in the smallest piece that one data plane can say and another can't; a mesh's room has one judgement for each.
 */
import type { AllowRule, PathMatch, PlannedRoute, ServicePlan } from './plan.ts';

/** What a plan can ask for, and what it means in a line of the docs. */
export const PLAN_FIELDS = {
  'protocol.http': 'calls are HTTP/1.1',
  'protocol.http2': 'calls are HTTP/2 without TLS of their own',
  'protocol.grpc': 'calls are gRPC',
  'route.split': 'requests are divided over versions by whole percentages',
  'route.path.exact': 'the path is this one',
  'route.path.prefix': 'the path begins with this text (whether `..` is resolved first is not promised)',
  'route.path.regex': 'the whole path matches an RE2 expression',
  'route.methods': 'the method is one of these',
  'route.headers.exact': 'a header has this value',
  'route.headers.prefix': 'a header begins with this text',
  'route.headers.regex': 'the whole value of a header matches an RE2 expression',
  'route.headers.present': 'a header is there',
  'route.headers.absent': 'a header is not there',
  'route.headers.twice': 'two conditions on the value of one header',
  'route.order': 'a request that two routes match goes by the one written first',
  'route.timeout': 'the whole request, retries included, ends after this',
  'route.timeout.none': 'a request may take as long as it likes',
  'route.retries.none': 'nothing is tried again',
  'route.retries.attempts': 'so many tries after the first',
  'route.retries.perTryTimeout': 'each try ends after this',
  'route.retries.on.5xx': 'answers with 5xx, and no answer, are tried again',
  'route.retries.on.connect-failure': 'failed connections are tried again',
  'route.retries.on.gateway-error': '502, 503 and 504 are tried again',
  'route.retries.on.refused-stream': 'streams refused unprocessed are tried again',
  'route.retries.on.reset': 'requests cut off without an answer are tried again',
  'route.retries.on.retriable-4xx': '409 is tried again',
  'route.mirror': 'all requests go to another version too',
  'route.mirror.percent': 'a share of the requests goes to another version too',
  'route.fault.delay': 'a share of the requests waits first',
  'route.fault.abort': 'a share of the requests is answered with a status of our choice',
  connectTimeout: 'a connection is given up after this',
  retryBudget: 'retries under way are a share of the requests under way',
  'circuitBreaker.maxConnections': 'connections at a time',
  'circuitBreaker.maxPendingRequests': 'requests that wait for a connection',
  'circuitBreaker.maxRequests': 'requests at a time',
  'circuitBreaker.maxRequestsPerConnection': 'requests before a connection is closed',
  'outlierDetection.consecutiveErrors': 'an endpoint that fails so often in a row is ejected',
  'outlierDetection.interval': 'how often endpoints are looked at',
  'outlierDetection.ejection': 'how long an endpoint is out at least',
  'outlierDetection.maxEjectionPercent': 'the share of endpoints that may be out',
  'loadBalancing.least-request': 'the endpoint with fewer requests under way',
  'loadBalancing.random': 'any endpoint',
  'loadBalancing.round-robin': 'one endpoint after the other',
  'loadBalancing.hash': 'equal values of a header reach the same endpoint',
  failover: 'endpoints of the first region that has healthy ones',
  'mtls.permissive': 'plaintext and mTLS are taken, nobody is refused',
  'mtls.shadow': 'plaintext and mTLS are taken, who would be refused is reported',
  'mtls.strict': 'only mTLS is taken',
  'allow.nobody': 'no caller is allowed',
  'allow.callers': 'callers are allowed by workload identity',
  'allow.methods': 'callers are allowed these methods',
  'allow.paths.exact': 'callers are allowed this path',
  'allow.paths.prefix': 'callers are allowed paths that begin with this text and do not lead out of it by `..`',
  'allow.paths.regex': 'callers are allowed paths that match an RE2 expression',
  'allow.wildcards': 'a method or path of `allow` holds `*`, `{` or `}`, meant as they stand',
  tokens: 'a call needs a token of one issuer for one audience, whose signature, time, `iss` and `aud` are verified',
  'tokens.roles': 'and one that holds one of these app roles',
  'egress.http': 'an outside host is called by HTTP',
  'egress.tls': 'an outside host is called by TLS, routed by SNI',
  ingress: 'an existing gateway takes calls from outside, by the same routes',
  'telemetry.accessLog.all': 'each request is logged',
  'telemetry.accessLog.errors': 'failed requests are logged',
  'telemetry.tracing': 'a share of the requests is traced',
} as const;

export type PlanField = keyof typeof PLAN_FIELDS;

export type Judgement =
  | { readonly kind: 'exact' }
  | { readonly kind: 'approximated'; readonly difference: string }
  /** `sentence` says what the data plane cannot do and what to do instead. */
  | { readonly kind: 'refused'; readonly code: string; readonly sentence: string };

export const exact: Judgement = { kind: 'exact' };
export const approximated = (difference: string): Judgement => ({ kind: 'approximated', difference });
export const refused = (code: string, sentence: string): Judgement => ({ kind: 'refused', code, sentence });

/** What holds of a field but for some of its values: those are refused. */
export type FieldJudgement = Judgement & { readonly except?: readonly Exception[] };

export interface Exception {
  readonly code: string;
  readonly sentence: string;
  /** The places of a plan that it holds for, each the `where` of a use of the field. */
  readonly at: (plan: ServicePlan) => readonly string[];
}

/** `at` of what holds for some routes: a part of each of them, such as `match.path`. */
export const inRoutes =
  (part: string, isMeant: (route: PlannedRoute) => boolean): Exception['at'] =>
  ({ routes }) =>
    routes.filter(isMeant).map((route) => inRoute(route, part));

/** `at` of what holds for some rules of who may call. */
export const inAllow =
  (part: 'callers' | 'methods' | 'paths', isMeant: (rule: AllowRule) => boolean): Exception['at'] =>
  ({ security }) =>
    (security?.allow ?? []).flatMap((rule, index) => (isMeant(rule) ? [`allow.${index}.${part}`] : []));

const inRoute = ({ name }: PlannedRoute, part: string): string => `routes.${name}.${part}`;

export type FidelityTable = Readonly<Record<PlanField, FieldJudgement>>;

/** One use of a field; `where` is its place in the plan, such as `routes.beta.retries.attempts`. */
export interface FieldUse {
  readonly field: PlanField;
  readonly where: string;
}

export interface FidelityEntry extends FieldUse {
  readonly judgement: Judgement;
}

/** In the order of the plan. */
export function judge(plan: ServicePlan, table: FidelityTable): readonly FidelityEntry[] {
  return fieldsUsed(plan).map((use) => ({ ...use, judgement: judgementOf(plan, use, table[use.field]) }));
}

function judgementOf(plan: ServicePlan, { where }: FieldUse, { except = [], ...judgement }: FieldJudgement): Judgement {
  const exception = except.find(({ at }) => at(plan).includes(where));
  return exception ? { kind: 'refused', code: exception.code, sentence: exception.sentence } : judgement;
}

export const isRefusal = (entry: FidelityEntry): entry is FidelityEntry & { judgement: Extract<Judgement, { kind: 'refused' }> } =>
  entry.judgement.kind === 'refused';

export function fieldsUsed(plan: ServicePlan): readonly FieldUse[] {
  return [
    { field: `protocol.${plan.protocol}`, where: 'protocol' } as const,
    ...plan.routes.flatMap(routeFields),
    ...plan.routes.slice(0, -1).map((route) => ({ field: 'route.order', where: inRoute(route, 'order') }) as const),
    ...resilienceFields(plan),
    ...securityFields(plan),
    ...(plan.tokens ? [{ field: 'tokens', where: 'tokens' } as const] : []),
    ...(plan.tokens?.roles ? [{ field: 'tokens.roles', where: 'tokens.roles' } as const] : []),
    ...(plan.egress ?? []).map(({ host, protocol }) => ({ field: `egress.${protocol}`, where: `egress.${host}` }) as const),
    ...(plan.ingress ?? []).map(({ host }) => ({ field: 'ingress', where: `ingress.${host}` }) as const),
    ...(plan.telemetry?.accessLog
      ? [{ field: `telemetry.accessLog.${plan.telemetry.accessLog}`, where: 'telemetry.accessLog' } as const]
      : []),
    ...(plan.telemetry?.tracing ? [{ field: 'telemetry.tracing', where: 'telemetry.tracing' } as const] : []),
  ];
}

function routeFields(route: PlannedRoute): FieldUse[] {
  const { path, methods = [], headers = [] } = route.match;
  const valued = headers.filter((each) => !('present' in each)).map(({ name }) => name);
  const uses: FieldUse[] = [];
  const use = (field: PlanField, part: string): void => void uses.push({ field, where: inRoute(route, part) });
  if (path) use(`route.path.${kindOfPath(path)}`, 'match.path');
  if (methods.length > 0) use('route.methods', 'match.methods');
  for (const header of headers) use(headerField(header), `match.headers.${header.name}`);
  for (const name of new Set(valued.filter((each, index) => valued.indexOf(each) !== index)))
    use('route.headers.twice', `match.headers.${name}`);
  if (route.split.length > 1) use('route.split', 'split');
  use(route.timeoutMs ? 'route.timeout' : 'route.timeout.none', 'timeout');
  if (!route.retries || route.retries.attempts === 0 || route.retries.on.length === 0) use('route.retries.none', 'retries');
  else {
    use('route.retries.attempts', 'retries.attempts');
    for (const condition of route.retries.on) use(`route.retries.on.${condition}`, 'retries.on');
    if (route.retries.perTryTimeoutMs) use('route.retries.perTryTimeout', 'retries.perTryTimeout');
  }
  if (route.mirror) use(route.mirror.percent === 100 ? 'route.mirror' : 'route.mirror.percent', 'mirror');
  if (route.fault?.delay) use('route.fault.delay', 'fault.delay');
  if (route.fault?.abort) use('route.fault.abort', 'fault.abort');
  return uses;
}

function headerField(header: NonNullable<PlannedRoute['match']['headers']>[number]): PlanField {
  if ('present' in header) return header.present ? 'route.headers.present' : 'route.headers.absent';
  return 'exact' in header ? 'route.headers.exact' : 'prefix' in header ? 'route.headers.prefix' : 'route.headers.regex';
}

const kindOfPath = (path: PathMatch): 'exact' | 'prefix' | 'regex' => ('exact' in path ? 'exact' : 'prefix' in path ? 'prefix' : 'regex');

function resilienceFields(plan: ServicePlan): FieldUse[] {
  const { circuitBreaker, outlierDetection } = plan;
  const limits = ['maxConnections', 'maxPendingRequests', 'maxRequests', 'maxRequestsPerConnection'] as const;
  const outlier = ['consecutiveErrors', 'interval', 'ejection', 'maxEjectionPercent'] as const;
  return [
    ...(plan.connectTimeoutMs ? [{ field: 'connectTimeout', where: 'connectTimeout' } as const] : []),
    ...(plan.retryBudget ? [{ field: 'retryBudget', where: 'retryBudget' } as const] : []),
    ...limits
      .filter((limit) => circuitBreaker?.[limit] !== undefined)
      .map((limit) => ({ field: `circuitBreaker.${limit}`, where: `circuitBreaker.${limit}` }) as const),
    ...(outlierDetection ? outlier.map((part) => ({ field: `outlierDetection.${part}`, where: `outlierDetection.${part}` }) as const) : []),
    ...(plan.loadBalancing ? [{ field: `loadBalancing.${plan.loadBalancing.policy}`, where: 'loadBalancing' } as const] : []),
    ...(plan.failover ? [{ field: 'failover', where: 'failover' } as const] : []),
  ];
}

function securityFields({ security }: ServicePlan): FieldUse[] {
  if (!security) return [];
  const stage: FieldUse = { field: `mtls.${security.stage}`, where: 'mtls' };
  if (security.stage === 'permissive') return [stage];
  if (security.allow.length === 0) return [stage, { field: 'allow.nobody', where: 'allow' }];
  const rules = security.allow.flatMap(({ methods = [], paths = [] }, index): FieldUse[] => [
    { field: 'allow.callers', where: `allow.${index}.callers` },
    ...(methods.length > 0 ? [{ field: 'allow.methods', where: `allow.${index}.methods` } as const] : []),
    ...paths.map((path) => ({ field: `allow.paths.${kindOfPath(path)}`, where: `allow.${index}.paths` }) as const),
    ...(methods.some(holdsWildcard) ? [{ field: 'allow.wildcards', where: `allow.${index}.methods` } as const] : []),
    ...(paths.flatMap(literalText).some(holdsWildcard) ? [{ field: 'allow.wildcards', where: `allow.${index}.paths` } as const] : []),
  ]);
  return [stage, ...rules];
}

const holdsWildcard = (text: string): boolean => /[*{}]/.test(text);
const literalText = (path: PathMatch): readonly string[] => ('exact' in path ? [path.exact] : 'prefix' in path ? [path.prefix] : []);
