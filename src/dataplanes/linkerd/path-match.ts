/**
 * How a path is matched in the HTTPRoutes that Linkerd reads. A prefix of Gateway API would match whole elements only, and its
 * `Exact` knows fewer letters than paths have: both are expressions then, which the proxy matches against the whole path.
 */
import type { JsonObject } from '../../journal/documents.ts';
import { type Exception, inAllow, inRoutes } from '../../plan/fidelity.ts';
import type { PathMatch } from '../../plan/plan.ts';
import { isGatewayPath } from '../gateway-api/http-route.ts';
import { beginsWith, below, literally, whole } from '../kubernetes/regex.ts';

export function pathMatch(path: PathMatch): JsonObject {
  if ('exact' in path && isGatewayPath(path.exact)) return { type: 'Exact', value: path.exact };
  const expression = 'exact' in path ? whole(literally(path.exact)) : 'prefix' in path ? beginsWith(path.prefix) : whole(path.regex);
  return { type: 'RegularExpression', value: expression };
}

/** For who may call: the proxy compares paths as they come, so that what leads out of a prefix by `..` must not match it. */
export function allowedPath(path: PathMatch): JsonObject {
  return 'prefix' in path ? { type: 'RegularExpression', value: below(path.prefix) } : pathMatch(path);
}

/** Of the value of a path in an HTTPRoute's CRD. */
const MAX_LETTERS = 1_024;
const isLong = ({ value }: JsonObject): boolean => typeof value === 'string' && value.length > MAX_LETTERS;
const long = {
  code: 'PathTooLong',
  sentence: `An HTTPRoute takes paths of at most ${MAX_LETTERS} letters, and written as an expression for Linkerd this one has more; match on less of it.`,
};

export const longPath: Exception = {
  ...long,
  at: inRoutes('match.path', ({ match: { path } }) => path !== undefined && isLong(pathMatch(path))),
};

export const longAllowedPath: Exception = {
  ...long,
  at: inAllow('paths', ({ paths = [] }) => paths.some((path) => isLong(allowedPath(path)))),
};
