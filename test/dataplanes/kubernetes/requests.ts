/**
 * What a plan means for one request, read straight from the plan: which route it goes by and whether its caller may make it. And
 * small arbitrary routes, rules and requests that hit each other often.
 */
import fc from 'fast-check';
import type { AllowRule, Caller, HeaderMatch, PathMatch, PlannedRoute, RouteMatch, ServicePlan } from '../../../src/plan/plan.ts';

export interface Request {
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
}

type Begins = (path: string, prefix: string) => boolean;

/** Whether a server may read it as a path that goes up somewhere. */
export const goesUp = (path: string): boolean =>
  path
    .split(/[/\\]|%2f|%5c/i)
    .map((element) => element.replace(/;.*/, '').replaceAll(/%2e/gi, '.'))
    .includes('..');
/** As who may call is meant: what goes up begins with nothing but the root. */
const byTextAndBelow: Begins = (path, prefix) => path.startsWith(prefix) && (prefix === '/' || !goesUp(path));

export const byText: Begins = (path, prefix) => path.startsWith(prefix);
/** As Gateway API reads a prefix. */
export const byElements: Begins = (path, prefix) => {
  const whole = prefix.replace(/\/$/, '');
  return path === whole || path.startsWith(`${whole}/`);
};

/** The name of the first route that matches. */
export function routeOf({ routes }: ServicePlan, request: Request, begins: Begins = byText): string | undefined {
  return routes.find(({ match }) => matchesRequest(match, request, begins))?.name;
}

export function mayCall(allow: readonly AllowRule[], caller: Caller, { path, method }: Request): boolean {
  return allow.some(
    ({ callers, methods, paths }) =>
      callers.some((each) => each.namespace === caller.namespace && each.serviceAccount === caller.serviceAccount) &&
      (methods === undefined || methods.includes(method)) &&
      (paths === undefined || paths.some((each) => matchesPath(each, path, byTextAndBelow))),
  );
}

function matchesRequest({ path, methods, headers = [] }: RouteMatch, request: Request, begins: Begins): boolean {
  return (
    (path === undefined || matchesPath(path, request.path, begins)) &&
    (methods === undefined || methods.includes(request.method)) &&
    headers.every((header) => matchesHeader(header, request.headers[header.name]))
  );
}

function matchesPath(match: PathMatch, path: string, begins: Begins): boolean {
  if ('exact' in match) return path === match.exact;
  return 'prefix' in match ? begins(path, match.prefix) : new RegExp(`^(?:${match.regex})$`).test(path);
}

function matchesHeader(match: HeaderMatch, value: string | undefined): boolean {
  if ('present' in match) return match.present === (value !== undefined);
  if (value === undefined) return false;
  if ('exact' in match) return value === match.exact;
  return 'prefix' in match ? value.startsWith(match.prefix) : new RegExp(`^(?:${match.regex})$`).test(value);
}

const paths = ['/', '/a', '/a/', '/ab', '/a/b', '/a/b/c', '/a.b', '/b', '/carts/1', '/{x}'] as const;
const pathText = fc.constantFrom(...paths);
export const arbitraryPath = (regexes: readonly string[]): fc.Arbitrary<PathMatch> =>
  fc.oneof(
    { weight: 3, arbitrary: pathText.map((exact) => ({ exact })) },
    { weight: 3, arbitrary: pathText.map((prefix) => ({ prefix })) },
    ...(regexes.length === 0 ? [] : [{ weight: 1, arbitrary: fc.constantFrom(...regexes).map((regex) => ({ regex })) }]),
  );

const arbitraryHeader = (name: string): fc.Arbitrary<HeaderMatch> =>
  fc.oneof(
    fc.constantFrom('yes', '', 'beta-1').map((exact) => ({ name, exact })),
    fc.constant({ name, prefix: 'beta' }),
    fc.constant({ name, regex: 'b|beta-[0-9]+' }),
    fc.constant({ name, present: true }),
  );

export const arbitraryMethods = fc.subarray(['GET', 'POST', 'PUT'], { minLength: 1 });

const arbitraryMatch = (regexes: readonly string[]): fc.Arbitrary<RouteMatch> =>
  fc.record(
    {
      path: arbitraryPath(regexes),
      methods: arbitraryMethods,
      headers: fc.subarray(['x-a', 'x-b'], { minLength: 1 }).chain((names) => fc.tuple(...names.map(arbitraryHeader))),
    },
    { requiredKeys: [] },
  );

export const arbitraryRequest: fc.Arbitrary<Request> = fc.record({
  path: fc.oneof(pathText, fc.constantFrom('/a/bc', '/axb', '/abc/d', '/carts/', '/a/../b', '/a/%2E./b', '/a/b..c')),
  method: fc.constantFrom('GET', 'POST', 'PUT', 'HEAD'),
  headers: fc.dictionary(fc.constantFrom('x-a', 'x-b'), fc.constantFrom('yes', '', 'beta-1', 'beta-x', 'b', 'no')),
});

const only = (version: string) => [{ version, weight: 100 }];

/** Each route goes to a version of its own, so that it can be told where a request went. */
export function planOf(routes: readonly Omit<PlannedRoute, 'split'>[], more: Partial<ServicePlan> = {}): ServicePlan {
  return {
    mesh: 'sample',
    service: 'catalog',
    namespace: 'shop',
    port: 8080,
    protocol: 'http',
    selector: { app: 'catalog' },
    versions: routes.map(({ name }) => ({ name, labels: { version: name } })),
    routes: routes.map((route) => ({ ...route, split: only(route.name) })),
    dataPlanes: ['aks'],
    ...more,
  };
}

/** Up to three routes before the last; some have a time-out of their own. */
export const arbitraryRoutedPlan = (regexes: readonly string[]): fc.Arbitrary<ServicePlan> =>
  fc
    .array(fc.tuple(arbitraryMatch(regexes), fc.option(fc.constant(250))), { minLength: 1, maxLength: 3 })
    .map((matches) =>
      planOf([
        ...matches.map(([match, timeoutMs], index) => ({ name: `r${index}`, match, ...(timeoutMs === null ? {} : { timeoutMs }) })),
        { name: 'default', match: {} },
      ]),
    );

const callers = ['web', 'prober', 'janitor'].map((serviceAccount) => ({ namespace: 'shop', serviceAccount }));
export const arbitraryCaller = fc.constantFrom(...callers, { namespace: 'other', serviceAccount: 'web' });

export const arbitraryAllow: fc.Arbitrary<readonly AllowRule[]> = fc.array(
  fc.record(
    {
      callers: fc.subarray(callers, { minLength: 1 }),
      methods: arbitraryMethods,
      paths: fc.array(arbitraryPath([]), { minLength: 1, maxLength: 2 }),
    },
    { requiredKeys: ['callers'] },
  ),
  { maxLength: 3 },
);
