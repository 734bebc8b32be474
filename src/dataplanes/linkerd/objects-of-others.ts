/**
 * What of others takes its meaning from what is rendered for Linkerd: a ServiceProfile, beside which it reads no routes; routes of the same
 * Service or Server; policies that allow more. (ServerAuthorizations, which came before those, are not looked for.)
 */
import { z } from 'zod';
import type { ServicePlan } from '../../plan/plan.ts';
import { HTTP_ROUTE } from '../gateway-api/route-status.ts';
import { isOurs, isServiceOf, type Parent, routesOfOthers } from '../gateway-api/routes-of-others.ts';
import { type Cluster, nameOf, type Refused, type ResourceKind } from '../kubernetes/cluster.ts';
import { type Foreign, foreign } from '../kubernetes/drift.ts';
import { AUTHORIZATION } from './kinds.ts';

const GROUP = 'policy.linkerd.io';
const SERVICE_PROFILE: ResourceKind = { apiVersion: 'linkerd.io/v1alpha2', kind: 'ServiceProfile', plural: 'serviceprofiles' };
/** Linkerd's own, from before it read those of Gateway API. */
const OWN_HTTP_ROUTE: ResourceKind = { apiVersion: `${GROUP}/v1beta3`, kind: 'HTTPRoute', plural: 'httproutes' };

const policySchema = z.object({ targetRef: z.object({ kind: z.string(), name: z.string() }) });

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
    await policies(cluster, plan),
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
