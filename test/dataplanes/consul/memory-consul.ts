/**
 * Consul's config entries in memory: check-and-set, the checks on which the connector relies, and the discovery chain compiled from
 * them. `applying.ts` holds it to what the real one does (`test/conformance/consul-applying.test.ts`).
 */

import { type CompiledChain, type Consul, chainSchema, type Instance, type WriteOutcome } from '../../../src/dataplanes/consul/server.ts';
import type { Json, JsonObject } from '../../../src/journal/documents.ts';

export interface MemoryConsul extends Consul {
  /** As somebody else, over whatever is there. */
  put(entry: JsonObject): Promise<void>;
  instances: Consul['instances'];
  addInstance(instance: Instance): void;
}

export function memoryConsul(): MemoryConsul {
  const entries = new Map<string, JsonObject>();
  const instances: Instance[] = [];
  let index = 10;
  let wake: (() => void)[] = [];

  const key = (kind: Json | undefined, name: Json | undefined): string => `${String(kind)}/${String(name)}`;
  const get = (kind: string, name: string): JsonObject | undefined => entries.get(key(kind, name));

  function changed(change: () => void): void {
    const before = new Map(entries);
    index += 1;
    change();
    try {
      for (const kind of ['service-splitter', 'service-router'])
        for (const entry of entries.values()) if (entry.Kind === kind) compile(get, String(entry.Name));
    } catch (error) {
      entries.clear();
      for (const [name, entry] of before) entries.set(name, entry);
      throw error;
    }
    for (const each of wake.splice(0)) each();
  }

  function attempt(at: string, over: number, change: () => void): WriteOutcome {
    if (Number(entries.get(at)?.ModifyIndex ?? 0) !== over) return { kind: 'moved' };
    try {
      changed(change);
      return { kind: 'written' };
    } catch (error) {
      return { kind: 'refused', message: `Consul answered 500: ${error instanceof Error ? error.message : error}` };
    }
  }

  const store = (entry: JsonObject) => () => entries.set(key(entry.Kind, entry.Name), { ...checked(entry), ModifyIndex: index });

  return {
    put: async (entry) => changed(store(entry)),
    addInstance: (instance) => void instances.push(instance),
    async read(kind, name) {
      const entry = get(kind, name);
      return entry ? { kind: 'found', entry, index: Number(entry.ModifyIndex) } : { kind: 'absent' };
    },
    write: async (entry, over) => attempt(key(entry.Kind, entry.Name), over, store(entry)),
    remove: async (kind, name, over) => attempt(key(kind, name), over, () => entries.delete(key(kind, name))),
    async chain(service, after) {
      if (after && after.index >= index) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = [...wake, resolve];
        // Nothing happens here that takes longer.
        const timer = setTimeout(resolve, Math.min(after.waitMs, 10));
        await promise;
        clearTimeout(timer);
      }
      return { kind: 'compiled', chain: compile(get, service), index };
    },
    instances: async () => ({ kind: 'listed', instances }),
  };
}

function list(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter((each): each is JsonObject => typeof each === 'object' && each !== null) : [];
}

function object(value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value)) : {};
}

function checked(entry: JsonObject): JsonObject {
  if (entry.Kind !== 'service-splitter') return entry;
  const sum = list(entry.Splits).reduce((total, { Weight }) => total + Number(Weight), 0);
  if (sum !== 100) throw new Error(`the sum of all split weights must be 100, not ${sum.toFixed(6)}`);
  return entry;
}

/** Throws, in Consul's words, where an entry names a subset that is not there. */
function compile(get: (kind: string, name: string) => JsonObject | undefined, service: string): CompiledChain {
  const [defaults, resolver, splitter, router] = ['defaults', 'resolver', 'splitter', 'router'].map((kind) =>
    get(`service-${kind}`, service),
  );
  const subsets = object(resolver?.Subsets);
  const nodes: Record<string, JsonObject> = {};
  const targets: Record<string, JsonObject> = {};

  function resolved(subset: Json | undefined): string {
    const name = typeof subset === 'string' ? subset : '';
    if (name !== '' && !(name in subsets)) throw new Error(`service "${service}" does not have a subset named "${name}"`);
    const Target = `${name}.${service}`;
    targets[Target] = { ServiceSubset: name, Subset: object(subsets[name]) };
    const LoadBalancer = resolver?.LoadBalancer === undefined ? {} : { LoadBalancer: resolver.LoadBalancer };
    nodes[`resolver:${Target}`] = {
      Type: 'resolver',
      Resolver: { ConnectTimeout: resolver?.ConnectTimeout ?? '5s', Target },
      ...LoadBalancer,
    };
    return `resolver:${Target}`;
  }

  function splitOrResolved(): string {
    if (!splitter) return resolved(undefined);
    const Splits = list(splitter.Splits).map(({ Weight, ...rest }) => {
      resolved(rest.ServiceSubset);
      // Go leaves a weight of 0 out.
      return { Definition: { ...rest, ...(Weight === 0 ? {} : { Weight }) } };
    });
    nodes.splitter = { Type: 'splitter', Splits };
    return 'splitter';
  }

  function start(): string {
    if (!router) return splitOrResolved();
    const Routes = list(router.Routes).map((Definition) => {
      const { ServiceSubset } = object(Definition.Destination);
      return { Definition, NextNode: ServiceSubset === undefined ? splitOrResolved() : resolved(ServiceSubset) };
    });
    const last = { Definition: { Match: { HTTP: { PathPrefix: '/' } }, Destination: { Service: service } }, NextNode: splitOrResolved() };
    nodes.router = { Type: 'router', Routes: [...Routes, last] };
    return 'router';
  }

  return chainSchema.parse({ StartNode: start(), Protocol: defaults?.Protocol ?? 'tcp', Nodes: nodes, Targets: targets });
}
