/** Kinds that every Kubernetes cluster has and that meshes on it are read by. */
import type { ResourceKind } from './cluster.ts';

export const NAMESPACES: ResourceKind = { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces' };
export const PODS: ResourceKind = { apiVersion: 'v1', kind: 'Pod', plural: 'pods' };
export const SERVICES: ResourceKind = { apiVersion: 'v1', kind: 'Service', plural: 'services' };
export const ENDPOINT_SLICES: ResourceKind = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', plural: 'endpointslices' };
export const SECRETS: ResourceKind = { apiVersion: 'v1', kind: 'Secret', plural: 'secrets' };
export const CONFIG_MAPS: ResourceKind = { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps' };
export const EVENTS: ResourceKind = { apiVersion: 'v1', kind: 'Event', plural: 'events' };
export const REPLICA_SETS: ResourceKind = { apiVersion: 'apps/v1', kind: 'ReplicaSet', plural: 'replicasets' };
export const DEPLOYMENTS: ResourceKind = { apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments' };
export const STATEFUL_SETS: ResourceKind = { apiVersion: 'apps/v1', kind: 'StatefulSet', plural: 'statefulsets' };
export const DAEMON_SETS: ResourceKind = { apiVersion: 'apps/v1', kind: 'DaemonSet', plural: 'daemonsets' };
