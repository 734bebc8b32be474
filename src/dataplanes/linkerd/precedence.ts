/**
 * Which of two rules Linkerd's proxy takes (linkerd2-proxy, http/route: PathMatch, RequestMatch, find): the longer piece of path
 * that matched, be it by text or by expression, then a method, then more headers; between equals the order within an HTTPRoute,
 * and the older of two HTTPRoutes. Prefixes are written as expressions, so that whatever has a path matches the whole of it.
 */
import type { PathMatch, PlannedRoute, RouteMatch } from '../../plan/plan.ts';

/** `together`: whether two routes are rules of one HTTPRoute. */
export function overtakes(later: PlannedRoute, earlier: PlannedRoute, together: (a: PlannedRoute, b: PlannedRoute) => boolean): boolean {
  const { path: front } = earlier.match;
  const { path: back } = later.match;
  // A route without a path matches the first letter of every path.
  if (front && !back && !mayBeRoot(front)) return false;
  if (!front && back && !isRoot(back)) return true;
  const difference = weight(later.match) - weight(earlier.match);
  return difference > 0 || (difference === 0 && !together(later, earlier));
}

const weight = ({ methods = [], headers = [] }: RouteMatch): number => (methods.length > 0 ? 1_000 : 0) + headers.length;
const isRoot = (path: PathMatch): boolean => 'exact' in path && path.exact === '/';
const mayBeRoot = (path: PathMatch): boolean => isRoot(path) || 'regex' in path || ('prefix' in path && path.prefix === '/');
