/**
 * What of others takes its meaning from what is rendered for Linkerd: a ServiceProfile or GRPCRoute, beside which it reads no HTTPRoutes of
 * the Service; routes of the same Service or Server; policies that allow more, and ServerAuthorizations, which came before those.
 */
import { z } from 'zod';
import type { ServicePlan } from '../../plan/plan.ts';
import { HTTP_ROUTE } from '../gateway-api/route-status.ts';
import { isOurs, isServiceOf, type Parent, routesOfOthers } from '../gateway-api/routes-of-others.ts';
import { type Cluster, nameOf, type Refused, type ResourceKind } from '../kubernetes/cluster.ts';
import { type Foreign, foreign } from '../kubernetes/drift.ts';
import { ownerLabels } from '../kubernetes/objects.ts';
import { AUTHORIZATION, SERVER } from './kinds.ts';

const GROUP = 'policy.linkerd.io';
const SERVICE_PROFILE: ResourceKind = { apiVersion: 'linkerd.io/v1alpha2', kind: 'ServiceProfile', plural: 'serviceprofiles' };
/** Linkerd's own, from before it read those of Gateway API. */
const OWN_HTTP_ROUTE: ResourceKind = { apiVersion: `${GROUP}/v1beta3`, kind: 'HTTPRoute', plural: 'httproutes' };

const GRPC_ROUTE: ResourceKind = { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'GRPCRoute', plural: 'grpcroutes' };
const SERVER_AUTHORIZATION: ResourceKind = { apiVersion: `${GROUP}/v1beta1`, kind: 'ServerAuthorization', plural: 'serverauthorizations' };

const policySchema = z.object({ targetRef: z.object({ kind: z.string(), name: z.string() }) });
const expressionSchema = z.object({
  key: z.string(),
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
  values: z.array(z.string()).default([]),
});
const selectorSchema = z.object({
  matchLabels: z.record(z.string(), z.string()).default({}),
  matchExpressions: z.array(expressionSchema).default([]),
});
const serverAuthorizationSchema = z.object({
  server: z.object({ name: z.string().exactOptional(), selector: selectorSchema.exactOptional() }),
});

/** A refusal: some may not be listed. Throws `ClusterUnavailable`. */
export async function objectsOfOthers(cluster: Cluster, plan: ServicePlan): Promise<readonly Foreign[] | Refused> {
  const isService = isServiceOf(plan);
  const isServer = ({ group, kind, name }: Parent): boolean => group === GROUP && kind === 'Server' && name === plan.service;
  const isParent = (parent: Parent): boolean => isService(parent) || (plan.security !== undefined && isServer(parent));
  const found: Foreign[] = [];
  for (const one of [
    await profiles(cluster, plan),
    await routesOfOthers(cluster, plan, HTTP_ROUTE, isParent),
    await routesOfOthers(cluster, plan, OWN_HTTP_ROUTE, isParent),
    await grpcRoutes(cluster, plan),
    await policies(cluster, plan),
    await serverAuthorizations(cluster, plan),
  ]) {
    if ('message' in one) return one;
    found.push(...one);
  }
  return found;
}

async function profiles(cluster: Cluster, { namespace, service }: ServicePlan): Promise<readonly Foreign[] | Refused> {
  const listed = await cluster.list(SERVICE_PROFILE, { namespace });
  if (listed.kind === 'refused') return listed.status === 404 ? [] : listed;
  return listed.objects
    .filter(({ metadata }) => metadata.name.startsWith(`${service}.${namespace}.svc.`))
    .map((object) => {
      const message = `${nameOf(SERVICE_PROFILE, object.metadata)} is there, beside which Linkerd reads no HTTPRoute of ${service}: delete it, and say what it says in the spec.`;
      return foreign(SERVICE_PROFILE, object, message);
    });
}

/** As Gateway API has it of the two kinds (GEP-1426). On a Server, which we say is HTTP, they are not read. */
async function grpcRoutes(cluster: Cluster, plan: ServicePlan): Promise<readonly Foreign[] | Refused> {
  const found = await routesOfOthers(cluster, plan, GRPC_ROUTE, isServiceOf(plan));
  if ('message' in found) return found;
  return found.map((route) => {
    const message = `${route.resource} is for ${plan.service}, beside which Linkerd reads no HTTPRoute of it: delete it, and say its rules in the spec.`;
    return { ...route, message };
  });
}

/** Whoever one of the policies of a Server or route allows is allowed. */
async function policies(cluster: Cluster, plan: ServicePlan): Promise<readonly Foreign[] | Refused> {
  const { namespace, service, security } = plan;
  if (security === undefined || security.stage === 'permissive') return [];
  const listed = await cluster.list(AUTHORIZATION, { namespace });
  if (listed.kind === 'refused') return listed;
  const routes = await cluster.list(HTTP_ROUTE, { namespace });
  if (routes.kind === 'refused') return routes;
  const ours = routes.objects.filter((object) => isOurs(object, plan)).map(({ metadata }) => metadata.name);
  const others = listed.objects.filter((object) => {
    const { kind, name } = policySchema.parse(object.spec).targetRef;
    const holds = kind === 'Namespace' || (kind === 'Server' && name === service) || (kind === 'HTTPRoute' && ours.includes(name));
    return holds && !isOurs(object, plan);
  });
  return others.map((object) => {
    const message = `${nameOf(AUTHORIZATION, object.metadata)} allows callers of ${service} beside \`allow\` of the spec: move them into the spec, and delete it or have it name another target.`;
    return foreign(AUTHORIZATION, object, message);
  });
}

/** They name the Server or select it by its labels, and are for all that reaches it. */
async function serverAuthorizations(cluster: Cluster, plan: ServicePlan): Promise<readonly Foreign[] | Refused> {
  const { mesh, namespace, service, security } = plan;
  if (security === undefined || security.stage === 'permissive') return [];
  const listed = await cluster.list(SERVER_AUTHORIZATION, { namespace });
  if (listed.kind === 'refused') return listed.status === 404 ? [] : listed;
  const server = await cluster.get(SERVER, { namespace, name: service });
  if (server.kind === 'refused') return server;
  const labels = { ...(server.kind === 'found' ? server.object.metadata.labels : {}), ...ownerLabels(mesh, service) };
  const others = listed.objects.filter(({ spec }) => {
    const { name, selector } = serverAuthorizationSchema.parse(spec).server;
    return name === undefined ? selector !== undefined && selects(selector, labels) : name === service;
  });
  return others.map((object) => {
    const message = `${nameOf(SERVER_AUTHORIZATION, object.metadata)} allows callers of ${service} beside \`allow\` of the spec: move them into the spec, and delete it or have it select other Servers.`;
    return foreign(SERVER_AUTHORIZATION, object, message);
  });
}

/** Of LabelSelector: all of it has to hold, and one that says nothing selects everything. */
function selects({ matchLabels, matchExpressions }: z.infer<typeof selectorSchema>, labels: Readonly<Record<string, string>>): boolean {
  const holds = ({ key, operator, values }: z.infer<typeof expressionSchema>): boolean => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
    }
  };
  return Object.entries(matchLabels).every(([key, value]) => labels[key] === value) && matchExpressions.every(holds);
}
