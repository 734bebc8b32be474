/** The kinds of objects that this room renders or reads, in the order in which they are applied. */
import { HTTP_ROUTE } from '../gateway-api/route-status.ts';
import type { ResourceKind } from '../kubernetes/cluster.ts';
import { SERVICES } from '../kubernetes/kinds.ts';

export const AUTHORIZATION: ResourceKind = {
  apiVersion: 'policy.linkerd.io/v1alpha1',
  kind: 'AuthorizationPolicy',
  plural: 'authorizationpolicies',
};
export const SERVER: ResourceKind = { apiVersion: 'policy.linkerd.io/v1beta3', kind: 'Server', plural: 'servers' };

export const RENDERED_KINDS: readonly ResourceKind[] = [
  SERVICES,
  { apiVersion: 'policy.linkerd.io/v1alpha1', kind: 'MeshTLSAuthentication', plural: 'meshtlsauthentications' },
  AUTHORIZATION,
  HTTP_ROUTE,
  SERVER,
];

/**
 * A policy that is left over allows what the plan no longer does, and a route that is older than a new one takes its requests: both
 * go at once. A Server, which refuses whom no policy names, goes before them, and a route before the policies that hold for it.
 */
export const NAMING: readonly ResourceKind[] = [AUTHORIZATION, HTTP_ROUTE, SERVER];
