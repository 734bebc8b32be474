/**
 * Which of two rules of an HTTPRoute a request goes by: Gateway API compares how closely they match, and looks at their order only
 * between equals (HTTPRouteRule.matches: exact path, then the longer prefix, then a method, then more headers).
 */
import type { PlannedRoute, RouteMatch, ServicePlan } from '../../plan/plan.ts';
import { mayBothMatch } from './overlap.ts';

/** Places of routes that a later route would overtake for some request; `overtakes` is asked only of routes that one request may match. */
export function overtaken(
  { routes }: Pick<ServicePlan, 'routes'>,
  overtakes: (later: PlannedRoute, earlier: PlannedRoute) => boolean,
): readonly string[] {
  const isOvertaken = (route: PlannedRoute, behind: readonly PlannedRoute[]): boolean =>
    behind.some((later) => mayBothMatch(route.match, later.match) && overtakes(later, route));
  return routes.filter((route, index) => isOvertaken(route, routes.slice(index + 1))).map(({ name }) => `routes.${name}.order`);
}

export function closer(a: PlannedRoute, b: PlannedRoute): boolean {
  const left = closeness(a.match);
  const right = closeness(b.match);
  const decisive = left.findIndex((each, index) => each !== right[index]);
  return (left[decisive] ?? 0) > (right[decisive] ?? 0);
}

/** Paths by regular expression have no place in this order, and are refused. */
function closeness({ path, methods = [], headers = [] }: RouteMatch): readonly number[] {
  const exact = path && 'exact' in path ? path.exact.length : 0;
  const prefix = path && 'prefix' in path ? Math.max(1, path.prefix.replace(/\/$/, '').length) : 1;
  return [exact, prefix, methods.length > 0 ? 1 : 0, headers.length];
}
