/**
 * Who may call what, turned round: meshes whose rules name requests first, and then the callers allowed them, look at one rule for
 * a request, so that it has to hold the callers of all rules that allow it.
 */
import type { Exception } from '../../plan/fidelity.ts';
import type { AllowRule, Caller, PathMatch } from '../../plan/plan.ts';
import { leadsUpwards } from './regex.ts';

/** Left out is any. */
export interface Requests {
  readonly path?: PathMatch;
  readonly method?: string;
}

/** What a rule allows, by path and method. */
export function requestsOf({ paths, methods }: AllowRule): readonly Requests[] {
  const byPath: readonly Requests[] = paths ? paths.map((path) => ({ path })) : [{}];
  return byPath.flatMap((requests) => (methods ? methods.map((method) => ({ ...requests, method })) : [requests]));
}

/** The callers allowed all of these requests, each once, sorted. */
export function callersOf(allow: readonly AllowRule[], { path, method }: Requests): readonly Caller[] {
  const callers = allow.filter((rule) => coversPath(rule, path) && coversMethod(rule, method)).flatMap((rule) => rule.callers);
  const byName = new Map(callers.map(({ namespace, serviceAccount }) => [`${namespace}/${serviceAccount}`, { namespace, serviceAccount }]));
  return [...byName].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, caller]) => caller);
}

const coversMethod = ({ methods }: AllowRule, method: string | undefined): boolean =>
  methods === undefined || (method !== undefined && methods.includes(method));

function coversPath({ paths }: AllowRule, path: PathMatch | undefined): boolean {
  return paths === undefined || (path !== undefined && paths.some((each) => covers(each, path)));
}

function covers(wide: PathMatch, narrow: PathMatch): boolean {
  if ('regex' in wide) return 'regex' in narrow && wide.regex === narrow.regex;
  if ('exact' in wide) return 'exact' in narrow && wide.exact === narrow.exact;
  const text = 'exact' in narrow ? narrow.exact : 'prefix' in narrow ? narrow.prefix : undefined;
  return text?.startsWith(wide.prefix) ?? false;
}

/** For proxies that compare paths as they come. */
export const unresolvedPath: Exception = {
  code: 'PathNotResolved',
  sentence:
    'The proxies compare paths as they come, and whether this one leads upwards is up to who reads it; write it without `.` and `..` elements, backslashes, and escaped dots and slashes.',
  at: ({ security }) =>
    (security?.allow ?? []).flatMap(({ paths = [] }, index) => (paths.some(isUnresolved) ? [`allow.${index}.paths`] : [])),
};

const isUnresolved = (path: PathMatch): boolean => !('regex' in path) && leadsUpwards('exact' in path ? path.exact : path.prefix);
