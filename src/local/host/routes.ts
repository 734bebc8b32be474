/**
 * Route templates of HTTP triggers, as ASP.NET Core reads them for the Functions host: literals (any case), `{name}`,
 * `{name?}`, `{name:int:max(9)}` and `{*rest}`. Among several that match, segment by segment a literal beats a
 * constrained parameter, that a plain one, that a catch-all. Pure: no request, no server.
 */

export interface Route<T> {
  readonly template: string;
  /** Upper case. */
  readonly methods: readonly string[];
  readonly target: T;
}

export type RouteMatch<T> =
  | { readonly kind: 'found'; readonly target: T; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: 'methodNotAllowed'; readonly allow: readonly string[] }
  | { readonly kind: 'notFound' };

type Constraint = (value: string) => boolean;
type Segment =
  | { readonly kind: 'literal'; readonly text: string }
  | {
      readonly kind: 'parameter' | 'catchAll';
      readonly name: string;
      readonly optional: boolean;
      readonly constraints: readonly Constraint[];
    };

const RESERVED_FIRST_SEGMENTS = ['admin', 'runtime'];

const isInteger = (value: string, min: bigint, max: bigint): boolean =>
  /^[+-]?\d+$/.test(value) && BigInt(value) >= min && BigInt(value) <= max;
const CONSTRAINTS: Readonly<Record<string, (...args: number[]) => Constraint>> = {
  int: () => (value) => isInteger(value, -(2n ** 31n), 2n ** 31n - 1n),
  long: () => (value) => isInteger(value, -(2n ** 63n), 2n ** 63n - 1n),
  bool: () => (value) => /^(?:true|false)$/i.test(value),
  guid: () => (value) => /^\{?[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\}?$/i.test(value),
  alpha: () => (value) => /^[a-z]*$/i.test(value),
  length:
    (min = 0, max = min) =>
    (value) =>
      value.length >= min && value.length <= max,
  minlength:
    (min = 0) =>
    (value) =>
      value.length >= min,
  maxlength:
    (max = 0) =>
    (value) =>
      value.length <= max,
  min:
    (min = 0) =>
    (value) =>
      CONSTRAINTS.long?.()(value) === true && Number(value) >= min,
  max:
    (max = 0) =>
    (value) =>
      CONSTRAINTS.long?.()(value) === true && Number(value) <= max,
  range:
    (min = 0, max = min) =>
    (value) =>
      CONSTRAINTS.long?.()(value) === true && Number(value) >= min && Number(value) <= max,
};
const ARITY: Readonly<Record<string, readonly number[]>> = {
  length: [1, 2],
  minlength: [1],
  maxlength: [1],
  min: [1],
  max: [1],
  range: [2],
};

/**
 * Compiles routes into one matcher. `match` takes the method in upper case and the path as it stands in the request,
 * percent-encoded, with its leading slash and without a query.
 *
 * @throws Error that names the template: malformed, a constraint not known here, a first segment that Azure keeps for
 * itself (`admin`, `runtime`), or two routes that no request could tell apart.
 */
export function compileRoutes<T>(routes: readonly Route<T>[], prefix = ''): (method: string, path: string) => RouteMatch<T> {
  const compiled = routes
    .map((route) => ({ ...route, segments: parseTemplate(join(prefix, route.template)) }))
    .sort((a, b) => compareSpecificity(a.segments, b.segments));
  const seen = new Map<string, string>();
  for (const { template, methods } of routes) {
    for (const method of methods) {
      const key = `${method} ${join(prefix, template)
        .toLowerCase()
        .replaceAll(/\{(\**)[^:}?]+/g, '{$1')}`;
      const other = seen.get(key);
      if (other !== undefined) throw new Error(`Two functions take ${method} at the same route: "${other}" and "${template}".`);
      seen.set(key, template);
    }
  }

  return (method, path) => {
    const parts = decodePath(path);
    if (!parts) return { kind: 'notFound' };
    const allow = new Set<string>();
    for (const { methods, segments, target } of compiled) {
      const params = matchSegments(segments, parts);
      if (!params) continue;
      if (methods.includes(method)) return { kind: 'found', target, params };
      for (const allowed of methods) allow.add(allowed);
    }
    return allow.size > 0 ? { kind: 'methodNotAllowed', allow: [...allow].sort() } : { kind: 'notFound' };
  };
}

function join(prefix: string, template: string): string {
  return [prefix.replaceAll(/^\/|\/$/g, ''), template].filter((part) => part !== '').join('/');
}

function parseTemplate(template: string): readonly Segment[] {
  if (/^[/~]/.test(template)) throw malformed(template, 'it may not begin with "/" or "~"');
  const texts = template.replace(/\/$/, '').split('/');
  const segments = template === '' ? [] : texts.map((text) => parseSegment(text, template));
  if (RESERVED_FIRST_SEGMENTS.includes(texts[0]?.toLowerCase() ?? '')) throw malformed(template, `Azure keeps "${texts[0]}" for itself`);
  const names = segments.flatMap((segment) => (segment.kind === 'literal' ? [] : [segment.name.toLowerCase()]));
  if (new Set(names).size < names.length) throw malformed(template, 'it names a parameter twice');
  segments.forEach((segment, index) => {
    const isLast = index === segments.length - 1;
    if (segment.kind === 'catchAll' && !isLast) throw malformed(template, 'a catch-all must be its last segment');
    if (segment.kind === 'parameter' && segment.optional && !isLast)
      throw malformed(template, 'an optional parameter must be its last segment');
  });
  return segments;
}

function parseSegment(text: string, template: string): Segment {
  if (text === '') throw malformed(template, 'it has an empty segment');
  if (!/[{}]/.test(text)) return { kind: 'literal', text: text.toLowerCase() };
  const parts = /^\{(\*{0,2})(\w+)((?::\w+(?:\([^()]*\))?)*)(\??)\}$/.exec(text);
  if (!parts)
    throw malformed(template, `"${text}" is neither a literal nor one whole parameter such as {name}, {name?}, {name:int} or {*rest}`);
  const [, stars = '', name = '', constraints = '', question = ''] = parts;
  return {
    kind: stars === '' ? 'parameter' : 'catchAll',
    name,
    optional: question === '?' || stars !== '',
    constraints: [...constraints.matchAll(/:(\w+)(?:\(([^()]*)\))?/g)].map(([, id = '', args]) => parseConstraint(id, args, template)),
  };
}

function parseConstraint(id: string, text: string | undefined, template: string): Constraint {
  const make = Object.hasOwn(CONSTRAINTS, id) ? CONSTRAINTS[id] : undefined;
  if (!make) throw malformed(template, `the local host doesn't know the constraint "${id}"`);
  const args = text === undefined ? [] : text.split(',').map((arg) => (arg.trim() === '' ? Number.NaN : Number(arg)));
  if (!(ARITY[id] ?? [0]).includes(args.length) || !args.every(Number.isInteger)) throw malformed(template, `"${id}" has wrong arguments`);
  return make(...args);
}

function malformed(template: string, why: string): Error {
  return new Error(`The route "${template}" can't be served: ${why}.`);
}

/** Lower is more specific; a shorter route comes first where everything before is alike. */
function compareSpecificity(a: readonly Segment[], b: readonly Segment[]): number {
  for (let index = 0; index < Math.min(a.length, b.length); index += 1) {
    const difference = rank(a[index]) - rank(b[index]);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function rank(segment: Segment | undefined): number {
  if (!segment || segment.kind === 'literal') return 1;
  return (segment.kind === 'parameter' ? 3 : 5) - (segment.constraints.length > 0 ? 1 : 0);
}

/** Decoded segments, or undefined when the path isn't valid percent-encoding. An encoded slash stays encoded, as on Azure. */
function decodePath(path: string): readonly string[] | undefined {
  const trimmed = path.replace(/^\//, '').replace(/\/$/, '');
  if (trimmed === '') return [];
  try {
    return trimmed.split('/').map((part) => part.split(/%2f/i).map(decodeURIComponent).join('%2F'));
  } catch {
    return undefined;
  }
}

function matchSegments(segments: readonly Segment[], parts: readonly string[]): Readonly<Record<string, string>> | undefined {
  const params: Record<string, string> = {};
  for (const [index, segment] of segments.entries()) {
    const part = parts[index];
    if (segment.kind === 'literal') {
      if (part?.toLowerCase() !== segment.text) return undefined;
      continue;
    }
    const value = segment.kind === 'catchAll' && part !== undefined ? parts.slice(index).join('/') : part;
    if (value === undefined) return segment.optional ? params : undefined;
    if ((segment.kind === 'parameter' && value === '') || !segment.constraints.every((accepts) => accepts(value))) return undefined;
    params[segment.name] = value;
    if (segment.kind === 'catchAll') return params;
  }
  return parts.length > segments.length ? undefined : params;
}
