/**
 * Who may call a service, for Linkerd: a Server for the port of its workloads, whose `accessPolicy` holds for whom no policy names,
 * and an AuthorizationPolicy for each set of callers. Formats: policy.linkerd.io/v1beta3 Server, v1alpha1 AuthorizationPolicy and
 * MeshTLSAuthentication. A name holds a hash of what it stands for, so that nothing changes its meaning: what is new is written
 * beside what was, a policy before the route that it names, and a closer route before a wider one that would take its requests.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { JsonObject } from '../../journal/documents.ts';
import type { Caller, PlannedSecurity, ServicePlan } from '../../plan/plan.ts';
import { requestMatches } from '../gateway-api/http-route.ts';
import { dnsLabel, metadata } from '../kubernetes/objects.ts';
import type { Requests } from '../kubernetes/permissions.ts';
import { allowedPath } from './path-match.ts';
import { type Cell, permissionGrid } from './permission-grid.ts';

const GROUP = 'policy.linkerd.io';
const ACCESS = { permissive: 'all-unauthenticated', shadow: 'audit', strict: 'deny' } as const;

/**
 * A Server that refuses comes last: from then on nobody gets through whom the policies before it do not name. One that lets all
 * through comes first, since policies that are written over a strict one may be narrower than those before.
 */
export function renderPolicy(plan: ServicePlan): readonly JsonObject[] {
  const { security } = plan;
  if (!security) return [];
  if (security.stage === 'permissive') return [server(plan, security.stage)];
  const policies = allowed(plan, permissionGrid(security.allow));
  return security.stage === 'strict' ? [...policies, server(plan, security.stage)] : [server(plan, security.stage), ...policies];
}

function server(plan: ServicePlan, stage: PlannedSecurity['stage']): JsonObject {
  return {
    apiVersion: `${GROUP}/v1beta3`,
    kind: 'Server',
    metadata: metadata(plan),
    spec: {
      podSelector: { matchLabels: { ...plan.selector } },
      port: plan.port,
      // As gRPC it would look at GRPCRoutes only, and gRPC is HTTP/2.
      proxyProtocol: plan.protocol === 'http' ? 'HTTP/1' : 'HTTP/2',
      accessPolicy: ACCESS[stage],
    },
  };
}

/** Requests that the same callers may make; no cells: all that reach the Server. */
interface Permit {
  readonly callers: readonly Caller[];
  readonly cells: readonly Cell[];
}

function allowed(plan: ServicePlan, grid: readonly Cell[]): readonly JsonObject[] {
  const permits = grid.length === 1 ? [{ callers: grid[0]?.callers ?? [], cells: [] }] : permitsOf(grid);
  const named = permits.filter(({ callers }) => callers.length > 0);
  const sets = [...new Map(named.map(({ callers }) => [JSON.stringify(callers), callers])).values()];
  return [
    ...sets.map((callers) => authentication(plan, callers)),
    ...named.map((permit) => authorization(plan, permit)),
    ...permits.filter(({ cells }) => cells.length > 0).map((permit) => route(plan, permit)),
  ];
}

/** The rest first, since without it every request that has no route would be answered 404; then the closer ones first. */
function permitsOf(grid: readonly Cell[]): readonly Permit[] {
  const alike = Map.groupBy(grid, ({ callers, requests }) => JSON.stringify([callers, closeness(requests)]));
  const permits = [...alike.values()].map((cells) => ({ cells, callers: cells[0]?.callers ?? [] }));
  const place = ({ cells }: Permit): number => (isRest(cells) ? 0 : 4 - closeness(cells[0]?.requests ?? {}));
  return permits.toSorted((a, b) => place(a) - place(b));
}

const closeness = ({ path, method }: Requests): number => (path ? 2 : 0) + (method === undefined ? 0 : 1);
const isRest = (cells: readonly Cell[]): boolean => cells.some(({ requests }) => closeness(requests) === 0);

function authentication(plan: ServicePlan, callers: readonly Caller[]): JsonObject {
  return {
    apiVersion: `${GROUP}/v1alpha1`,
    kind: 'MeshTLSAuthentication',
    metadata: metadata(plan, callersName(plan, callers)),
    // By reference, so that Linkerd completes the identity with the domain that it issues for.
    spec: { identityRefs: callers.map(({ namespace, serviceAccount }) => ({ kind: 'ServiceAccount', name: serviceAccount, namespace })) },
  };
}

function authorization(plan: ServicePlan, permit: Permit): JsonObject {
  return {
    apiVersion: `${GROUP}/v1alpha1`,
    kind: 'AuthorizationPolicy',
    metadata: metadata(plan, permitName(plan, permit)),
    spec: {
      targetRef:
        permit.cells.length === 0
          ? { group: GROUP, kind: 'Server', name: plan.service }
          : { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: routeName(plan, permit) },
      requiredAuthenticationRefs: [{ group: GROUP, kind: 'MeshTLSAuthentication', name: callersName(plan, permit.callers) }],
    },
  };
}

function route(plan: ServicePlan, permit: Permit): JsonObject {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: metadata(plan, routeName(plan, permit)),
    spec: { parentRefs: [{ group: GROUP, kind: 'Server', name: plan.service }], rules: [{ matches: permit.cells.flatMap(matchesOf) }] },
  };
}

function matchesOf({ requests: { path, method } }: Cell): readonly JsonObject[] {
  return requestMatches({ ...(path ? { path } : {}), ...(method === undefined ? {} : { methods: [method] }) }, allowedPath);
}

const callersName = (plan: ServicePlan, callers: readonly Caller[]): string => hashed(plan, callers);
const permitName = (plan: ServicePlan, { callers, cells }: Permit): string => hashed(plan, [callers, ...cells.flatMap(matchesOf)]);
/** The rest matches the same whoever may make it, and stays for as long as there are routes. */
const routeName = (plan: ServicePlan, permit: Permit): string =>
  isRest(permit.cells) ? dnsLabel(`${plan.service}-callers-rest`) : permitName(plan, permit);

function hashed({ service }: ServicePlan, meaning: unknown): string {
  return dnsLabel(`${service}-callers-${createHash('sha256').update(JSON.stringify(meaning)).digest('hex').slice(0, 8)}`);
}

const takenAwaySchema = z.object({
  spec: z.object({
    rules: z.array(
      z.object({
        matches: z.array(
          z.object({
            path: z.object({ type: z.string(), value: z.string() }),
            method: z.string().exactOptional(),
            headers: z.array(z.unknown()).default([]),
          }),
        ),
      }),
    ),
  }),
});

/** Of HTTPRoutes that are left over the lower goes first: wider ones, which would take requests from what is new, and the rest last. */
export function orderOfLeaving(object: unknown): number {
  const matches = takenAwaySchema.safeParse(object).data?.spec.rules.flatMap((rule) => rule.matches) ?? [];
  const ranks = matches.map(({ path, method, headers }) => {
    const anyPath = path.type === 'PathPrefix' && path.value === '/';
    return anyPath && method === undefined && headers.length === 0 ? 4 : (anyPath ? 0 : 2) + (method === undefined ? 0 : 1);
  });
  return Math.max(0, ...ranks);
}
