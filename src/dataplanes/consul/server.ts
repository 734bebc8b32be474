/**
 * The port to a Consul server or agent: what serving a mesh needs of its HTTP API, and no more. What Consul refuses is a value, in
 * its own words; what may go better next time (429, 503, no leader, time-outs, nobody there) throws `ConsulUnavailable`. Filled by
 * `src/adapters/consul-http.ts`.
 */
import { z } from 'zod';
import type { JsonObject } from '../../journal/documents.ts';

/** Consul will say the same again until somebody changes something. */
export interface Refused {
  readonly kind: 'refused';
  readonly message: string;
}

/** `index` is the entry's ModifyIndex. */
export type ReadOutcome =
  | { readonly kind: 'found'; readonly entry: JsonObject; readonly index: number }
  | { readonly kind: 'absent' }
  | Refused;
/** `moved`: the entry is not in the state named any more. */
export type WriteOutcome = { readonly kind: 'written' } | { readonly kind: 'moved' } | Refused;
/** `index` is the X-Consul-Index to wait from. */
export type ChainOutcome = { readonly kind: 'compiled'; readonly chain: CompiledChain; readonly index: number } | Refused;
export type InstancesOutcome = { readonly kind: 'listed'; readonly instances: readonly Instance[] } | Refused;

const nodeSchema = z.object({
  Type: z.string(),
  Routes: z.array(z.object({ Definition: z.record(z.string(), z.json()), NextNode: z.string() })).nullish(),
  Splits: z.array(z.object({ Definition: z.record(z.string(), z.json()) })).nullish(),
  Resolver: z.object({ ConnectTimeout: z.string(), Target: z.string() }).nullish(),
  LoadBalancer: z.record(z.string(), z.json()).nullish(),
});

/** Of `GET /v1/discovery-chain/<service>`: what proxies are told of a service is made from this. */
export const chainSchema = z.object({
  Protocol: z.string(),
  StartNode: z.string(),
  Nodes: z.record(z.string(), nodeSchema),
  Targets: z.record(z.string(), z.object({ ServiceSubset: z.string().default(''), Subset: z.object({ Filter: z.string().default('') }) })),
});
export type CompiledChain = z.infer<typeof chainSchema>;

/** An endpoint that proxies of the mesh may call. */
export interface Instance {
  readonly meta: Readonly<Record<string, string>>;
  /** No check of it or of its node is critical: proxies send requests there. */
  readonly serves: boolean;
}

export interface Consul {
  /** `kind` of a config entry, also one that is not ours to write. */
  read(kind: string, name: string): Promise<ReadOutcome>;
  /** Writes over exactly this state of the entry; 0 where there must be none. */
  write(entry: JsonObject, over: number): Promise<WriteOutcome>;
  /** Deletes exactly this state of the entry. */
  remove(kind: string, name: string, over: number): Promise<WriteOutcome>;
  /** At once, or as soon as it is another than at `after.index`, at most some `after.waitMs` later. */
  chain(service: string, after?: { readonly index: number; readonly waitMs: number }): Promise<ChainOutcome>;
  /** Of the service, through its proxies. */
  instances(service: string): Promise<InstancesOutcome>;
}

/** Transient: the same request may well succeed later. */
export class ConsulUnavailable extends Error {
  override readonly name = 'ConsulUnavailable';
}
