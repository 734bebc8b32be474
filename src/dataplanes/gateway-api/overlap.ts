/**
 * Whether two matches can hold for one request: only then it matters which of two routes is tried first. It may say yes where the
 * answer is no (a regular expression may match anything), never the other way round.
 */
import type { HeaderMatch, PathMatch, RouteMatch } from '../../plan/plan.ts';

export function mayBothMatch(a: RouteMatch, b: RouteMatch): boolean {
  return !pathsApart(a.path, b.path) && !methodsApart(a.methods, b.methods) && !(a.headers ?? []).some((one) => apartFrom(one, b.headers));
}

/** A mesh may read the prefix `/a/` as the path element `/a`, so that the slash at the end decides nothing. */
export function pathsApart(a: PathMatch | undefined, b: PathMatch | undefined): boolean {
  if (!a || !b || 'regex' in a || 'regex' in b) return false;
  if ('exact' in a) return 'exact' in b ? a.exact !== b.exact : !within(a.exact, b.prefix);
  return 'exact' in b ? !within(b.exact, a.prefix) : !within(a.prefix, b.prefix) && !within(b.prefix, a.prefix);
}

const within = (path: string, prefix: string): boolean => path.startsWith(prefix.replace(/\/$/, ''));

const methodsApart = (a: readonly string[] = [], b: readonly string[] = []): boolean =>
  a.length > 0 && b.length > 0 && !a.some((method) => b.includes(method));

function apartFrom(one: HeaderMatch, others: readonly HeaderMatch[] = []): boolean {
  return others.some((other) => {
    if (one.name !== other.name) return false;
    if ('present' in one || 'present' in other) return isAbsence(one) !== isAbsence(other);
    return 'exact' in one && 'exact' in other && one.exact !== other.exact;
  });
}

const isAbsence = (header: HeaderMatch): boolean => 'present' in header && !header.present;
