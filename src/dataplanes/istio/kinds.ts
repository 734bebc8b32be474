/** The kinds of objects that this room renders or reads, in the order in which they are applied. */
import type { ResourceKind } from '../kubernetes/cluster.ts';
import type { Split } from '../kubernetes/way-back.ts';

const networking = 'networking.istio.io/v1';

export const DESTINATION_RULE: ResourceKind = { apiVersion: networking, kind: 'DestinationRule', plural: 'destinationrules' };
export const VIRTUAL_SERVICE: ResourceKind = { apiVersion: networking, kind: 'VirtualService', plural: 'virtualservices' };
export const WORKLOAD_ENTRY: ResourceKind = { apiVersion: networking, kind: 'WorkloadEntry', plural: 'workloadentries' };

const security = 'security.istio.io/v1';

export const PEER_AUTHENTICATION: ResourceKind = { apiVersion: security, kind: 'PeerAuthentication', plural: 'peerauthentications' };
const REQUEST_AUTHENTICATION: ResourceKind = {
  apiVersion: security,
  kind: 'RequestAuthentication',
  plural: 'requestauthentications',
};
export const AUTHORIZATION_POLICY: ResourceKind = { apiVersion: security, kind: 'AuthorizationPolicy', plural: 'authorizationpolicies' };

/** Without a selector they hold for their whole namespace, and for the whole mesh in the root namespace. */
export const SELECTING_KINDS: readonly ResourceKind[] = [
  PEER_AUTHENTICATION,
  REQUEST_AUTHENTICATION,
  AUTHORIZATION_POLICY,
  { apiVersion: 'telemetry.istio.io/v1', kind: 'Telemetry', plural: 'telemetries' },
];

/** Everything the renderer may render; what is ours among these and no longer rendered is taken away. */
export const RENDERED_KINDS: readonly ResourceKind[] = [
  { apiVersion: networking, kind: 'ServiceEntry', plural: 'serviceentries' },
  ...SELECTING_KINDS,
  DESTINATION_RULE,
  VIRTUAL_SERVICE,
];

/** Where VirtualServices divide requests. */
export const SPLITS: readonly Split[] = [{ kind: VIRTUAL_SERVICE, routes: 'http', destinations: 'route' }];
