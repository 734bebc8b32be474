/**
 * How a path is matched in the HTTPRoutes that Linkerd reads. A prefix of Gateway API would match whole elements only, and its
 * `Exact` knows fewer letters than paths have: both are expressions then, which the proxy matches against the whole path.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { PathMatch } from '../../plan/plan.ts';
import { isGatewayPath } from '../gateway-api/http-route.ts';
import { beginsWith, literally, whole } from '../kubernetes/regex.ts';

export function pathMatch(path: PathMatch): JsonObject {
  if ('exact' in path && isGatewayPath(path.exact)) return { type: 'Exact', value: path.exact };
  const expression = 'exact' in path ? whole(literally(path.exact)) : 'prefix' in path ? beginsWith(path.prefix) : whole(path.regex);
  return { type: 'RegularExpression', value: expression };
}
