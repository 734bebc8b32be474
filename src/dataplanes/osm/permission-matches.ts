/**
 * Who may call, as OSM looks it up: the first route of an HTTPRouteGroup that matches a request decides, and in which order those of
 * several TrafficTargets come is not said. So no request may match two that have different callers: such rules are refused.
 */
import { type Exception, inAllow } from '../../plan/fidelity.ts';
import type { AllowRule, Caller, PathMatch } from '../../plan/plan.ts';
import { mayBothMatch } from '../gateway-api/overlap.ts';
import { callersOf, type Requests, requestsOf } from '../kubernetes/permissions.ts';
import { beginsWith, literally, whole } from '../kubernetes/regex.ts';

export interface Permission {
  readonly requests: Requests;
  readonly callers: readonly Caller[];
}

/** What the rules name, each once, with the callers of every rule that allows it. */
export function permissionsOf(allow: readonly AllowRule[]): readonly Permission[] {
  const named = new Map(
    allow.flatMap(requestsOf).map((requests) => [JSON.stringify([requests.path ?? null, requests.method ?? null]), requests]),
  );
  return [...named].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, requests]) => ({ requests, callers: callersOf(allow, requests) }));
}

/** SMI leaves it open whether an expression is looked for anywhere in the path; OSM's Envoys match the whole of it. */
export function pathRegex(path: PathMatch): string {
  return 'exact' in path ? whole(literally(path.exact)) : 'prefix' in path ? beginsWith(path.prefix) : whole(path.regex);
}

export const overlappingRules: Exception = {
  code: 'OverlappingRules',
  sentence:
    'Of two rules in `allow` that match one request OSM looks at one, and which one is not said; name paths and methods that do not overlap, or the same callers.',
  at: (plan) => {
    const permissions = permissionsOf(plan.security?.allow ?? []);
    const torn = permissions.filter((one) => permissions.some((other) => one !== other && overlap(one, other) && !sameCallers(one, other)));
    const isTorn = (requests: Requests): boolean => torn.some((each) => JSON.stringify(each.requests) === JSON.stringify(requests));
    return inAllow('callers', (rule) => requestsOf(rule).some(isTorn))(plan);
  },
};

const matchOf = ({ requests: { path, method } }: Permission) => ({
  ...(path ? { path } : {}),
  ...(method === undefined ? {} : { methods: [method] }),
});
const overlap = (a: Permission, b: Permission): boolean => mayBothMatch(matchOf(a), matchOf(b));
const sameCallers = (a: Permission, b: Permission): boolean => JSON.stringify(a.callers) === JSON.stringify(b.callers);
