/**
 * The same entries as the custom resources of consul-k8s, for those who keep them on Kubernetes: its controller writes them to Consul.
 * Format: hashicorp/consul-k8s `control-plane/api/v1alpha1`: names of fields begin with a small letter, an intention names its
 * destination.
 */
import type { Json, JsonObject } from '../../journal/documents.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import { metadata } from '../kubernetes/objects.ts';
import { isObject, type Kind } from './entries.ts';
import { consulEntries } from './render.ts';

const RESOURCES: Readonly<Record<Kind, string>> = {
  'service-defaults': 'ServiceDefaults',
  'service-intentions': 'ServiceIntentions',
  'service-resolver': 'ServiceResolver',
  'service-splitter': 'ServiceSplitter',
  'service-router': 'ServiceRouter',
};

/** In the order in which they are to be applied. Consul without namespaces: the name of a service is its own in all namespaces. */
export function consulCustomResources(plan: ServicePlan): readonly JsonObject[] {
  return consulEntries(plan).map(({ kind, name, fields }) => ({
    apiVersion: 'consul.hashicorp.com/v1alpha1',
    kind: RESOURCES[kind],
    metadata: metadata(plan),
    spec: { ...(kind === 'service-intentions' ? { destination: { name } } : {}), ...renamed(fields) },
  }));
}

function renamed(fields: JsonObject): JsonObject {
  const entries = Object.entries(fields).map(([key, value]) => [smallFirst(key), key === 'Subsets' ? subsets(value) : inside(value)]);
  return Object.fromEntries(entries);
}

/** Its keys are names of versions. */
function subsets(value: JsonObject[string]): Json {
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([name, subset]) => [name, inside(subset)])) : {};
}

function inside(value: JsonObject[string]): Json {
  if (Array.isArray(value)) return value.map(inside);
  return isObject(value) ? renamed(value) : (value ?? null);
}

const smallFirst = (key: string): string => (key === 'HTTP' ? 'http' : `${key.slice(0, 1).toLowerCase()}${key.slice(1)}`);
