/**
 * What Linkerd makes of rendered objects, modelled after its sources: the proxy's choice of a rule (linkerd2-proxy http/route:
 * PathMatch, RequestMatch, find) and the policy controller's of who may call (policy-controller/k8s/index/src/inbound). What the
 * controller would drop without a word fails to parse here: a filter, `timeouts`, `retry`, an annotation it cannot read.
 */
import { z } from 'zod';
import type { JsonObject } from '../../../src/journal/documents.ts';
import type { Caller } from '../../../src/plan/plan.ts';
import { greatest, type HttpRoute, holds, type Match, type Rule, routesUnder } from '../kubernetes/http-route-model.ts';
import type { Request } from '../kubernetes/requests.ts';

/** How long the matched part of the path is, whatever kind of match it was; then a method; then headers. */
const summary = ({ path, method, headers }: Match, request: Request): readonly number[] => [
  path.type === 'PathPrefix' ? (path.value === '/' ? 1 : path.value.replace(/\/+$/, '').length) : request.path.length,
  method === undefined ? 0 : 1,
  headers.length,
];

interface Taken {
  readonly route: HttpRoute;
  readonly rule: Rule;
}

/** `routes`: the older first. */
function taken(routes: readonly HttpRoute[], request: Request): Taken | undefined {
  const matching = routes.flatMap((route) =>
    route.spec.rules.flatMap((rule) => rule.matches.filter((match) => holds(match, request)).map((match) => ({ route, rule, match }))),
  );
  return greatest(matching, ({ match }) => summary(match, request));
}

/** The Service that a call to the apex ends at; `objects` in the order in which they were made. */
export function backendOf(objects: readonly JsonObject[], request: Request): string | undefined {
  return taken(routesUnder('Service', objects), request)?.rule.backendRefs[0]?.name;
}

const named = z.object({ name: z.string() });
const server = z.object({
  kind: z.literal('Server'),
  metadata: named,
  spec: z.object({ accessPolicy: z.enum(['deny', 'audit', 'all-unauthenticated']), proxyProtocol: z.enum(['HTTP/1', 'HTTP/2']) }),
});
const reference = z.object({ kind: z.string(), name: z.string() });
const authorization = z.object({
  kind: z.literal('AuthorizationPolicy'),
  spec: z.object({ targetRef: reference, requiredAuthenticationRefs: z.array(reference).length(1) }),
});
const authentication = z.object({
  kind: z.literal('MeshTLSAuthentication'),
  metadata: named,
  spec: z.object({
    identityRefs: z.array(z.object({ kind: z.literal('ServiceAccount'), name: z.string(), namespace: z.string() })).min(1),
  }),
});

const all = <Parsed>(schema: z.ZodType<Parsed>, objects: readonly JsonObject[]): readonly Parsed[] =>
  objects.flatMap((object) => schema.safeParse(object).data ?? []);

/** Whether a policy allows it; `accessPolicy` is what happens where none does. `unauthenticated`: the caller has no identity. */
export function allows(objects: readonly JsonObject[], caller: Caller | 'unauthenticated', request: Request): boolean {
  const [found] = all(server, objects);
  if (!found) throw new Error('no Server');
  const routes = routesUnder('Server', objects);
  // Without routes there is one for everything, whose only policies are the Server's.
  const route = routes.length === 0 ? undefined : taken(routes, request)?.route.metadata.name;
  if (routes.length > 0 && route === undefined) return false;
  return all(authorization, objects).some(({ spec: { targetRef, requiredAuthenticationRefs } }) => {
    const isMeant =
      targetRef.kind === 'Server' ? targetRef.name === found.metadata.name : targetRef.kind === 'HTTPRoute' && targetRef.name === route;
    return (
      isMeant &&
      requiredAuthenticationRefs.every(({ name }) =>
        isIdentity(
          all(authentication, objects).find((each) => each.metadata.name === name),
          caller,
        ),
      )
    );
  });
}

/** Whether a call is let through, and not answered 403 or 404. Without a Server the cluster's default holds: everybody. */
export function letsThrough(objects: readonly JsonObject[], caller: Caller, request: Request): boolean {
  const policy = accessPolicyOf(objects);
  if (policy === undefined) return true;
  const routes = routesUnder('Server', objects);
  if (routes.length > 0 && taken(routes, request) === undefined) return false;
  return policy !== 'deny' || allows(objects, caller, request);
}

const isIdentity = (found: z.infer<typeof authentication> | undefined, caller: Caller | 'unauthenticated'): boolean =>
  caller !== 'unauthenticated' &&
  (found?.spec.identityRefs.some(({ name, namespace }) => name === caller.serviceAccount && namespace === caller.namespace) ?? false);

export const accessPolicyOf = (objects: readonly JsonObject[]): string | undefined => all(server, objects)[0]?.spec.accessPolicy;

const duration = z.string().regex(/^[0-9]+(ms|s|m|h|d)$/);
const annotations = z.strictObject({
  'timeout.linkerd.io/request': duration.optional(),
  'retry.linkerd.io/limit': z
    .string()
    .regex(/^[1-9][0-9]{0,4}$/)
    .optional(),
  'retry.linkerd.io/timeout': duration.optional(),
  'retry.linkerd.io/http': z
    .string()
    .regex(/^(5xx|gateway-error|[1-5][0-9]{2})(,(5xx|gateway-error|[1-5][0-9]{2}))*$/)
    .optional(),
  'balancer.linkerd.io/failure-accrual': z.literal('consecutive').optional(),
  'balancer.linkerd.io/failure-accrual-consecutive-max-failures': z
    .string()
    .regex(/^[0-9]+$/)
    .optional(),
  'balancer.linkerd.io/failure-accrual-consecutive-min-penalty': duration.optional(),
  'balancer.linkerd.io/failure-accrual-consecutive-max-penalty': duration.optional(),
  'balancer.linkerd.io/failure-accrual-consecutive-jitter-ratio': z
    .string()
    .regex(/^[0-9]+(\.[0-9]+)?$/)
    .optional(),
});

/** Of every HTTPRoute only what the controller reads. Throws on anything it would leave off. */
const read = z.object({
  metadata: z.object({ annotations: annotations.optional() }),
  spec: z.strictObject({
    parentRefs: z.array(z.unknown()),
    rules: z.array(z.strictObject({ matches: z.array(z.unknown()), backendRefs: z.array(z.unknown()).optional() })),
  }),
});

export function readWhole(objects: readonly JsonObject[]): void {
  for (const object of objects) {
    if (object.kind === 'HTTPRoute') read.parse(object);
    else if (object.kind === 'Service') z.object({ metadata: z.object({ annotations: annotations.optional() }) }).parse(object);
  }
}
