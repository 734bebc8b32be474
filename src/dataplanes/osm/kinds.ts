/** The kinds of objects that this room renders or reads, in the order in which they are applied. */
import type { ResourceKind } from '../kubernetes/cluster.ts';
import { SERVICES } from '../kubernetes/kinds.ts';

const policy = 'policy.openservicemesh.io/v1alpha1';

export const TRAFFIC_SPLIT: ResourceKind = { apiVersion: 'split.smi-spec.io/v1alpha2', kind: 'TrafficSplit', plural: 'trafficsplits' };
export const TRAFFIC_TARGET: ResourceKind = { apiVersion: 'access.smi-spec.io/v1alpha3', kind: 'TrafficTarget', plural: 'traffictargets' };
export const MESH_CONFIG: ResourceKind = { apiVersion: 'config.openservicemesh.io/v1alpha2', kind: 'MeshConfig', plural: 'meshconfigs' };

export const RENDERED_KINDS: readonly ResourceKind[] = [
  SERVICES,
  { apiVersion: policy, kind: 'UpstreamTrafficSetting', plural: 'upstreamtrafficsettings' },
  TRAFFIC_SPLIT,
  { apiVersion: 'specs.smi-spec.io/v1alpha4', kind: 'HTTPRouteGroup', plural: 'httproutegroups' },
  TRAFFIC_TARGET,
  { apiVersion: policy, kind: 'Egress', plural: 'egresses' },
];

/** A TrafficTarget that is left over allows what the plan no longer does. */
export const NAMING: readonly ResourceKind[] = [TRAFFIC_SPLIT, TRAFFIC_TARGET];
