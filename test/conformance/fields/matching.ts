/** Whether a text, a header, a path matches, as Envoy decides it: envoy.type.matcher.v3 and the matchers of config.route.v3. */
import type { JsonObject } from '../../../src/journal/documents.ts';
import { at, isObject, knownFields, text } from './proto-json.ts';

export interface Request {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

/** RE2, of the whole text; what is used here means the same in JavaScript. */
export const fullMatch = (regex: string, value: string): boolean => new RegExp(`^(?:${regex})$`, 'u').test(value);

/** envoy.type.matcher.v3.StringMatcher */
export function matchesString(matcher: JsonObject, value: string): boolean {
  knownFields('A StringMatcher', matcher, ['exact', 'prefix', 'suffix', 'contains', 'safe_regex', 'ignore_case']);
  const ignoring = matcher.ignore_case === true;
  const given = ignoring ? value.toLowerCase() : value;
  const said = (name: string): string | undefined => (ignoring ? text(matcher, name)?.toLowerCase() : text(matcher, name));
  const [exact, prefix, suffix, contains] = [said('exact'), said('prefix'), said('suffix'), said('contains')];
  if (exact !== undefined) return given === exact;
  if (prefix !== undefined) return given.startsWith(prefix);
  if (suffix !== undefined) return given.endsWith(suffix);
  if (contains !== undefined) return given.includes(contains);
  const regex = text(matcher, 'safe_regex', 'regex');
  if (regex === undefined) throw new Error('A StringMatcher without a pattern.');
  return fullMatch(regex, value);
}

const PATTERNS = ['string_match', 'exact_match', 'prefix_match', 'suffix_match', 'contains_match', 'safe_regex_match', 'present_match'];

/** envoy.config.route.v3.HeaderMatcher; a header that is not there matches no pattern, and is matched by an inverted one. */
export function matchesHeader(matcher: JsonObject, { method, path, headers }: Request): boolean {
  knownFields('A HeaderMatcher', matcher, ['name', 'invert_match', 'treat_missing_header_as_empty', ...PATTERNS]);
  const name = text(matcher, 'name') ?? '';
  const value = { ':method': method, ':path': path, ...headers }[name] ?? (matcher.treat_missing_header_as_empty === true ? '' : undefined);
  return (matcher.invert_match === true) !== patternMatches(matcher, value);
}

function patternMatches(matcher: JsonObject, value: string | undefined): boolean {
  const pattern = PATTERNS.find((each) => matcher[each] !== undefined) ?? 'present_match';
  if (pattern === 'present_match') return (value !== undefined) === (matcher.present_match !== false);
  if (value === undefined) return false;
  const said = matcher[pattern];
  if (pattern === 'safe_regex_match') return fullMatch(text(said, 'regex') ?? '', value);
  if (typeof said === 'string') return matchesString({ [pattern.replace('_match', '')]: said }, value);
  const inner = at(matcher, 'string_match');
  if (!isObject(inner)) throw new Error(`A HeaderMatcher with a strange ${pattern}.`);
  return matchesString(inner, value);
}

const PATHS = ['prefix', 'path', 'safe_regex', 'path_separated_prefix'];

/** envoy.config.route.v3.RouteMatch */
export function matchesRoute(match: JsonObject, request: Request): boolean {
  knownFields('A RouteMatch', match, ['headers', 'case_sensitive', 'grpc', ...PATHS]);
  const headers = Array.isArray(match.headers) ? match.headers : [];
  if (match.grpc !== undefined && !(request.headers['content-type'] ?? '').startsWith('application/grpc')) return false;
  return matchesPath(match, request.path) && headers.every((header) => matchesHeader(header, request));
}

function matchesPath(match: JsonObject, path: string): boolean {
  const [prefix, exact, separated, regex] = [
    text(match, 'prefix'),
    text(match, 'path'),
    text(match, 'path_separated_prefix'),
    text(match, 'safe_regex', 'regex'),
  ];
  if (prefix !== undefined) return path.startsWith(prefix);
  if (exact !== undefined) return path === exact;
  if (separated !== undefined) return path === separated || path.startsWith(`${separated}/`);
  if (regex === undefined) throw new Error('A RouteMatch without a path.');
  return fullMatch(regex, path);
}
