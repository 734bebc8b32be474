/**
 * Parts of an HTTPRoute (gateway.networking.k8s.io/v1) that all meshes read which take one: matches, backends, and the limits of
 * its CRD, which decide what is refused. Linkerd's room writes its routes with them too.
 */
import type { JsonObject } from '../../journal/documents.ts';
import { type Exception, inRoutes } from '../../plan/fidelity.ts';
import type { HeaderMatch, PathMatch, PlannedRoute, RouteMatch, ServicePlan } from '../../plan/plan.ts';
import { versionServiceName } from '../kubernetes/objects.ts';
import { beginsWith, whole } from '../kubernetes/regex.ts';

const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;
const MAX_RULES = 16;
const MAX_MATCHES = 128;
const MAX_BACKENDS = 16;
const MAX_HEADERS = 16;

/** The service itself; `group` has to be there, as it would be Gateway API's own. */
export function serviceParent({ service, port }: ServicePlan): JsonObject {
  return { group: '', kind: 'Service', name: service, port };
}

/** Versions at 0 stay: the Service of each is there, and a rollout's next write changes numbers only. */
export function backendRefs(plan: ServicePlan, { split }: PlannedRoute): JsonObject[] {
  return split.map(({ version, weight }) => ({ ...versionBackend(plan, version), weight }));
}

/** Defaults of the CRD are written out here and below, so that what is read back is what was written. */
export function versionBackend(plan: ServicePlan, version: string): JsonObject {
  return { group: '', kind: 'Service', name: versionServiceName(plan, version), port: plan.port };
}

/** Alternatives, so that each method has one. */
export function requestMatches({ path, methods = [], headers = [] }: RouteMatch, pathOf: (path: PathMatch) => JsonObject): JsonObject[] {
  const conditions = {
    path: path ? pathOf(path) : { type: 'PathPrefix', value: '/' },
    ...(headers.length === 0 ? {} : { headers: headers.map(headerMatch) }),
  };
  return methods.length === 0 ? [conditions] : methods.map((method) => ({ ...conditions, method }));
}

function headerMatch(match: HeaderMatch): JsonObject {
  // The CRD wants a value of an exact match.
  if ('exact' in match && match.exact !== '') return { type: 'Exact', name: match.name, value: match.exact };
  const value = 'exact' in match ? '^$' : 'prefix' in match ? beginsWith(match.prefix) : 'regex' in match ? whole(match.regex) : '.*';
  return { type: 'RegularExpression', name: match.name, value };
}

/** The CRD's own conditions on paths that are no regular expressions. */
const PATH = /^\/(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*$/;
const NO_PATH = /\/\/|\/\.\.?(\/|$)|%2f/i;
export const isGatewayPath = (path: string): boolean => PATH.test(path) && !NO_PATH.test(path);

export const tooManyVersions = {
  code: 'TooManyVersions',
  sentence: `An HTTPRoute divides requests over at most ${MAX_BACKENDS} versions; finish a rollout before the next.`,
  at: inRoutes('split', ({ split }) => split.length > MAX_BACKENDS),
};

export const tooManyRoutes = {
  code: 'TooManyRoutes',
  sentence: `An HTTPRoute holds at most ${MAX_RULES} routes, the last one included, and ${MAX_MATCHES} alternatives; join routes, or make two services of it.`,
  at: ({ routes }: ServicePlan) => {
    const matches = routes.reduce((total, { match }) => total + Math.max(1, match.methods?.length ?? 0), 0);
    return routes.length > MAX_RULES || matches > MAX_MATCHES ? routes.map(({ name }) => `routes.${name}.order`) : [];
  },
};

export const tooManyHeaders = {
  code: 'TooManyHeaders',
  sentence: `An HTTPRoute takes conditions on at most ${MAX_HEADERS} headers of a request; match on fewer.`,
  at: inRoutes('order', ({ match: { headers = [] } }) => headers.length > MAX_HEADERS),
};

export const unknownMethod = {
  code: 'UnknownMethod',
  sentence: `An HTTPRoute knows the methods ${HTTP_METHODS.join(', ')}; match such requests by path or header.`,
  at: inRoutes('match.methods', ({ match }) => namesUnknownMethod(match)),
};

/** Of a route or of a rule in `allow`. */
export const namesUnknownMethod = ({ methods = [] }: Pick<RouteMatch, 'methods'>): boolean =>
  !methods.every((method) => HTTP_METHODS.some((known) => known === method));

export const noGatewayPath = {
  code: 'PathNotInGatewayApi',
  sentence:
    'An HTTPRoute takes paths of the letters that URLs are made of, without empty, `.` or `..` elements and `%2F`; match by header instead.',
  at: inRoutes('match.path', ({ match: { path } }) => {
    const text = path && ('exact' in path ? path.exact : 'prefix' in path ? path.prefix : undefined);
    return text !== undefined && !isGatewayPath(text);
  }),
};

export const emptyHeader: Exception = {
  code: 'EmptyHeaderValue',
  sentence: 'An HTTPRoute has no match for an empty value but an expression: say `regex: ^$`, which implementations may read.',
  at: ({ routes }) =>
    routes.flatMap(({ name, match: { headers = [] } }) =>
      headers.filter((header) => 'exact' in header && header.exact === '').map((header) => `routes.${name}.match.headers.${header.name}`),
    ),
};
