/**
 * Who may call a service, for Linkerd: a Server for the port of its workloads, whose `accessPolicy` holds for whom no policy names,
 * and an AuthorizationPolicy for each set of callers. Formats: policy.linkerd.io/v1beta3 Server, v1alpha1 AuthorizationPolicy and
 * MeshTLSAuthentication. A name holds a hash of the callers, so that what a policy refers to never changes its meaning.
 */
import { createHash } from 'node:crypto';
import type { JsonObject } from '../../journal/documents.ts';
import type { Caller, PlannedSecurity, ServicePlan } from '../../plan/plan.ts';
import { requestMatches } from '../gateway-api/http-route.ts';
import { dnsLabel, metadata } from '../kubernetes/objects.ts';
import { pathMatch } from './path-match.ts';
import { type Cell, permissionGrid } from './permission-grid.ts';

const GROUP = 'policy.linkerd.io';
const ACCESS = { permissive: 'all-unauthenticated', shadow: 'audit', strict: 'deny' } as const;

/** The Server last: from then on nobody gets through whom the policies before it do not name. */
export function renderPolicy(plan: ServicePlan): readonly JsonObject[] {
  if (!plan.security) return [];
  return [
    ...(plan.security.stage === 'permissive' ? [] : allowed(plan, permissionGrid(plan.security.allow))),
    server(plan, plan.security.stage),
  ];
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

function allowed(plan: ServicePlan, grid: readonly Cell[]): readonly JsonObject[] {
  const bySet = [...Map.groupBy(grid, ({ callers }) => JSON.stringify(callers)).values()].map((cells) => ({
    cells,
    callers: cells[0]?.callers ?? [],
  }));
  const named = bySet.filter(({ callers }) => callers.length > 0);
  const anyRequest = grid.length === 1;
  return [
    ...named.map(({ callers }) => authentication(plan, callers)),
    ...(anyRequest ? [] : bySet.map(({ cells, callers }) => route(plan, cells, callers))),
    ...named.map(({ callers }) => authorization(plan, callers, anyRequest)),
  ];
}

function authentication(plan: ServicePlan, callers: readonly Caller[]): JsonObject {
  return {
    apiVersion: `${GROUP}/v1alpha1`,
    kind: 'MeshTLSAuthentication',
    metadata: metadata(plan, callersName(plan, callers)),
    // By reference, so that Linkerd completes the identity with the domain that it issues for.
    spec: { identityRefs: callers.map(({ namespace, serviceAccount }) => ({ kind: 'ServiceAccount', name: serviceAccount, namespace })) },
  };
}

function authorization(plan: ServicePlan, callers: readonly Caller[], anyRequest: boolean): JsonObject {
  const name = callersName(plan, callers);
  return {
    apiVersion: `${GROUP}/v1alpha1`,
    kind: 'AuthorizationPolicy',
    metadata: metadata(plan, name),
    spec: {
      targetRef: anyRequest
        ? { group: GROUP, kind: 'Server', name: plan.service }
        : { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name },
      requiredAuthenticationRefs: [{ group: GROUP, kind: 'MeshTLSAuthentication', name }],
    },
  };
}

function route(plan: ServicePlan, cells: readonly Cell[], callers: readonly Caller[]): JsonObject {
  const matches = cells.flatMap(({ requests: { path, method } }) =>
    requestMatches({ ...(path ? { path } : {}), ...(method === undefined ? {} : { methods: [method] }) }, pathMatch),
  );
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: metadata(plan, callersName(plan, callers)),
    spec: { parentRefs: [{ group: GROUP, kind: 'Server', name: plan.service }], rules: [{ matches }] },
  };
}

function callersName({ service }: ServicePlan, callers: readonly Caller[]): string {
  const hash = createHash('sha256').update(JSON.stringify(callers)).digest('hex').slice(0, 8);
  return dnsLabel(`${service}-callers-${callers.length === 0 ? 'none' : hash}`);
}
