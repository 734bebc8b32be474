/** The conditions of a route as HTTPMatchRequests (networking.istio.io/v1): entries are alternatives, fields of one all hold. */
import type { JsonObject } from '../../journal/documents.ts';
import type { HeaderMatch, PathMatch, RouteMatch } from '../../plan/plan.ts';
import { normalized } from '../normal-path.ts';

/** Empty: the route matches everything. Each method has an entry, with all the other conditions repeated. */
export function matchRequests(match: RouteMatch): JsonObject[] {
  const conditions = { ...pathCondition(match.path), ...headerConditions(match.headers ?? []) };
  const methods = match.methods ?? [];
  if (methods.length > 0) return methods.map((method) => ({ ...conditions, method: { exact: method } }));
  return Object.keys(conditions).length === 0 ? [] : [conditions];
}

function pathCondition(path: PathMatch | undefined): JsonObject {
  if (path === undefined) return {};
  if ('regex' in path) return { uri: { regex: path.regex } };
  return { uri: 'exact' in path ? { exact: normalized(path.exact) } : { prefix: normalized(path.prefix) } };
}

function headerConditions(matches: readonly HeaderMatch[]): JsonObject {
  const headers = [
    ...Map.groupBy(
      matches.filter((match) => !isAbsence(match)),
      (match) => match.name,
    ),
  ].map(([name, conditions]): [string, JsonObject] => [name, stringMatch(conditions.find(isAboutValue))]);
  const withoutHeaders = matches.filter(isAbsence).map((match): [string, JsonObject] => [match.name, {}]);
  return {
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers) }),
    ...(withoutHeaders.length === 0 ? {} : { withoutHeaders: Object.fromEntries(withoutHeaders) }),
  };
}

/** An empty StringMatch asks for the header's presence; a condition on its value says that already. */
function stringMatch(match: HeaderMatch | undefined): JsonObject {
  if (match === undefined || 'present' in match) return {};
  const { name: _, ...condition } = match;
  return condition;
}

function isAbsence(match: HeaderMatch): boolean {
  return 'present' in match && !match.present;
}

function isAboutValue(match: HeaderMatch): boolean {
  return !('present' in match);
}
