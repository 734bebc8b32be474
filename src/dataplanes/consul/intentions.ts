/**
 * Who may call, as service intentions (`agent/xds/rbac.go` says what proxies make of them). Consul knows callers as services, by the
 * name in their certificate. What is not allowed is denied in words, whatever Consul's default is and whoever else writes an
 * intention for all services: `*` of this service outranks any of `*`.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { AllowRule, PlannedSecurity } from '../../plan/plan.ts';

const EVERYBODY_ELSE: JsonObject = { Name: '*', Action: 'deny' };
/** A prefix `/` would leave out the `*` of OPTIONS. */
const ANYTHING_ELSE: JsonObject = { Action: 'deny', HTTP: { PathRegex: '.*' } };

/** The fields of a service-intentions entry. For callers that are services of the mesh; others have no name here. */
export function intentions({ allow }: PlannedSecurity): JsonObject {
  const callers = new Map<string, AllowRule[]>();
  for (const rule of allow)
    for (const { service } of rule.callers) if (service !== undefined) callers.set(service, [...(callers.get(service) ?? []), rule]);
  const names = [...callers.keys()].sort();
  return { Sources: [...names.map((name) => source(name, callers.get(name) ?? [])), EVERYBODY_ELSE] };
}

function source(name: string, rules: readonly AllowRule[]): JsonObject {
  const anything = rules.some(({ methods, paths }) => methods === undefined && paths === undefined);
  return anything ? { Name: name, Action: 'allow' } : { Name: name, Permissions: [...rules.flatMap(permissions), ANYTHING_ELSE] };
}

/** One permission takes one path. */
function permissions({ methods, paths }: AllowRule): JsonObject[] {
  const how = methods === undefined ? {} : { Methods: [...methods] };
  return (paths ?? [undefined]).map((path) => ({ Action: 'allow', HTTP: { ...(path === undefined ? {} : pathCondition(path)), ...how } }));
}

/** Of an intention or a route alike; `regex` matches the whole path without the query. */
export function pathCondition(path: NonNullable<AllowRule['paths']>[number]): JsonObject {
  if ('exact' in path) return { PathExact: path.exact };
  return 'prefix' in path ? { PathPrefix: path.prefix } : { PathRegex: path.regex };
}
