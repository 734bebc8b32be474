/**
 * The conditions of an HTTPMatchRequest (networking.istio.io) as those of a route. Entries of `match` are alternatives, fields of one all
 * hold; alternatives that differ in their method alone are one route of a spec, others are one each.
 */
import { isDeepStrictEqual } from 'node:util';
import type { HeaderMatch, PathMatch, RouteMatch } from '../plan/plan.ts';
import type { HttpMatch, StringMatch } from './istio-schema.ts';

const KNOWN = ['name', 'uri', 'method', 'headers', 'withoutHeaders'];
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

export type MatchReading =
  | { readonly ok: true; readonly match: RouteMatch }
  | { readonly ok: false; readonly field: string; readonly why: string };

/** A condition that a spec does not have is a reason, never left out. */
export function readMatch(written: HttpMatch): MatchReading {
  const refused = (field: string, why: string): MatchReading => ({ ok: false, field, why });
  const unknown = Object.entries(written).find(([key, value]) => !KNOWN.includes(key) && value !== undefined && !isMesh(key, value));
  if (unknown) return refused(unknown[0], 'a route of a spec has no such condition');
  const path = written.uri ? pathOf(written.uri) : undefined;
  if (written.uri && !path) return refused('uri', 'it is no `exact`, `prefix` or `regex`');
  const methods = written.method ? methodsOf(written.method) : undefined;
  if (written.method && !methods) return refused('method', 'a route of a spec names methods one by one');
  const headers: HeaderMatch[] = [];
  for (const [name, condition] of Object.entries(written.headers ?? {})) {
    const match = headerOf(name.toLowerCase(), condition);
    if (!match) return refused(`headers.${name}`, 'it is no `exact`, `prefix` or `regex`');
    headers.push(match);
  }
  for (const [name, condition] of Object.entries(written.withoutHeaders ?? {})) {
    if (Object.keys(condition).length > 0)
      return refused(`withoutHeaders.${name}`, 'a spec says that a header is absent, not which value it must not have');
    headers.push({ name: name.toLowerCase(), present: false });
  }
  const twice = headers.find(({ name }, index) => headers.findIndex((other) => other.name === name) !== index);
  if (twice) return refused(`headers.${twice.name}`, 'a spec takes one condition a header; join them in one `regex`');
  return { ok: true, match: matchOf(path, methods, headers) };
}

/** Everything begins with `/`. */
export function matchOf(path: PathMatch | undefined, methods: readonly string[] | undefined, headers: readonly HeaderMatch[]): RouteMatch {
  return {
    ...(path === undefined || ('prefix' in path && path.prefix === '/') ? {} : { path }),
    ...(methods === undefined ? {} : { methods: [...new Set(methods)].sort() }),
    ...(headers.length === 0 ? {} : { headers: headers.toSorted((a, b) => (a.name < b.name ? -1 : 1)) }),
  };
}

/** Alternatives that differ in their methods alone, joined. */
export function joinMethods(alternatives: readonly RouteMatch[]): readonly RouteMatch[] {
  const joined: RouteMatch[] = [];
  for (const match of alternatives) {
    const last = joined.at(-1);
    if (last?.methods && match.methods && isDeepStrictEqual({ ...last, methods: [] }, { ...match, methods: [] }))
      joined[joined.length - 1] = { ...last, methods: [...new Set([...last.methods, ...match.methods])].sort() };
    else joined.push(match);
  }
  return joined;
}

/** Nothing that is not in the mesh calls by these routes. */
const isMesh = (key: string, value: unknown): boolean => key === 'gateways' && isDeepStrictEqual(value, ['mesh']);

function pathOf({ exact, prefix, regex }: StringMatch): PathMatch | undefined {
  if (exact !== undefined) return { exact };
  if (prefix !== undefined) return { prefix };
  return regex === undefined ? undefined : { regex };
}

function methodsOf({ exact, regex }: StringMatch): readonly string[] | undefined {
  const named = exact !== undefined ? [exact] : regex?.replace(/^\^?\(?(.*?)\)?\$?$/, '$1').split('|');
  return named?.every((method) => TOKEN.test(method) && !/[.*+^]/.test(method)) ? named.map((method) => method.toUpperCase()) : undefined;
}

function headerOf(name: string, condition: StringMatch): HeaderMatch | undefined {
  const { exact, prefix, regex } = condition;
  if (exact !== undefined) return { name, exact };
  if (prefix !== undefined && prefix !== '') return { name, prefix };
  if (regex !== undefined) return { name, regex };
  return Object.keys(condition).length === 0 || prefix === '' ? { name, present: true } : undefined;
}
