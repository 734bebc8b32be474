/**
 * Expressions of meshes that have nothing else for paths, as what they mean: a path of its own, the beginning of one, or an
 * expression, each of the whole path.
 */
import { prefixOf } from '../dataplanes/kubernetes/regex.ts';
import type { PathMatch } from '../plan/plan.ts';

/** `undefined`: every path. */
export function pathOfExpression(expression: string): PathMatch | undefined {
  const bare = /^\^\(\?:(.*)\)\$$/.exec(expression)?.[1] ?? expression.replace(/^\^/, '').replace(/(?<!\\)\$$/, '');
  if (bare === '.*') return undefined;
  const whole = literal(bare);
  if (whole?.startsWith('/')) return { exact: whole };
  const below = prefixOf(bare);
  if (below !== undefined) return { prefix: below };
  const begin = bare.endsWith('.*') ? literal(bare.slice(0, -2)) : undefined;
  return begin?.startsWith('/') ? { prefix: begin } : { regex: bare };
}

/** The one text it matches; `undefined` when there are others. A dot that is not escaped is meant as one in `/a.b` by nobody here. */
function literal(expression: string): string | undefined {
  if (/(?<!\\)(?:\\\\)*[.*+?()[\]{}|^$]/.test(expression) || /\\[A-Za-z0-9]/.test(expression)) return undefined;
  return expression.replace(/\\(.)/g, '$1');
}
