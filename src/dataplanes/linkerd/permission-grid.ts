/**
 * Who may call, as Linkerd looks it up: one route is found for a request, by its path and then its method, and only the policies of
 * that route count. So there is a cell for each path and method that a rule names, and each cell has the callers of every rule that
 * allows it. Paths that overlap are told apart by nothing but the age of their routes, and are refused.
 */
import { type Exception, inAllow } from '../../plan/fidelity.ts';
import type { AllowRule, Caller, PathMatch } from '../../plan/plan.ts';
import { pathsApart } from '../gateway-api/overlap.ts';
import { callersOf, type Requests } from '../kubernetes/permissions.ts';

export interface Cell {
  readonly requests: Requests;
  /** Empty: nobody. */
  readonly callers: readonly Caller[];
}

interface Row {
  readonly path: PathMatch | undefined;
  readonly cells: readonly Cell[];
}

/** One cell where no rule names a path or a method. */
export function permissionGrid(allow: readonly AllowRule[]): readonly Cell[] {
  return rowsOf(allow).flatMap(({ cells }) => cells);
}

function rowsOf(written: readonly AllowRule[]): readonly Row[] {
  const allow = written.map(anyPathAsNone);
  const paths = distinct(allow.flatMap((rule) => rule.paths ?? []));
  const methods = [...new Set(allow.flatMap((rule) => rule.methods ?? []))].sort();
  const rowOf = (path: PathMatch | undefined): Row => ({
    path,
    cells: [...methods.map((method) => ({ method })), {}]
      .map((requests): Requests => (path ? { ...requests, path } : requests))
      .map((requests) => ({ requests, callers: callersOf(allow, requests) })),
  });
  return [...paths.map(rowOf), rowOf(undefined)];
}

/** Every path begins with `/`. */
function anyPathAsNone(rule: AllowRule): AllowRule {
  if (!rule.paths?.some((path) => 'prefix' in path && path.prefix === '/')) return rule;
  const { paths: _, ...anyPath } = rule;
  return anyPath;
}

const distinct = (paths: readonly PathMatch[]): readonly PathMatch[] =>
  [...new Map(paths.map((path) => [JSON.stringify(path), path])).entries()]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, path]) => path);

const sameCallers = (a: Row, b: Row): boolean =>
  JSON.stringify(a.cells.map(({ callers }) => callers)) === JSON.stringify(b.cells.map(({ callers }) => callers));

const inPaths = (isMeant: (path: PathMatch) => boolean): Exception['at'] => inAllow('paths', ({ paths = [] }) => paths.some(isMeant));

export const overlappingPaths: Exception = {
  code: 'OverlappingPaths',
  sentence:
    'Of two paths in `allow` that match one request Linkerd takes the one whose route is older; name paths that do not overlap, or the same callers and methods for both.',
  at: (plan) => {
    const rows = rowsOf(plan.security?.allow ?? []);
    const torn = rows.filter((row) =>
      rows.some((other) => row !== other && row.path && other.path && !pathsApart(row.path, other.path) && !sameCallers(row, other)),
    );
    return inPaths((path) => torn.some((row) => JSON.stringify(row.path) === JSON.stringify(path)))(plan);
  },
};

export const rootPath: Exception = {
  code: 'RootPathAlone',
  sentence: 'Linkerd cannot tell the path `/` alone from every path; allow the prefix `/`, or leave it out.',
  at: inPaths((path) => 'exact' in path && path.exact === '/'),
};

/** Of the matches of one rule of an HTTPRoute. */
const MAX_CELLS = 64;

export const tooManyPermissions: Exception = {
  code: 'TooManyPermissions',
  sentence: `Linkerd's routes hold at most ${MAX_CELLS} combinations of the paths and methods in \`allow\`; name fewer.`,
  at: (plan) => {
    const isTooMany = permissionGrid(plan.security?.allow ?? []).length > MAX_CELLS;
    return inAllow('callers', () => isTooMany)(plan);
  },
};
