/**
 * What the Envoy renderer gives and the xds server serves: Envoy v3 resources in canonical proto JSON with Envoy's own
 * snake_case field names (the same words as in an Envoy configuration file), and what the renderer is told of a node.
 */
import type { JsonObject } from '../../journal/documents.ts';

export type EnvoyResourceType = 'cluster' | 'endpoints' | 'listener' | 'route';

export interface EnvoyResource {
  readonly type: EnvoyResourceType;
  readonly name: string;
  /** Canonical proto JSON of the resource's message, without `@type` at the top. */
  readonly json: JsonObject;
}

/** An address at which a workload of one version of a service answers. */
export interface Endpoint {
  readonly service: string;
  readonly version: string;
  readonly address: string;
  readonly port: number;
}

/** What an Envoy says of itself in its bootstrap (`node.metadata`), after parsing. */
export interface EnvoyNode {
  readonly id: string;
  readonly mesh: string;
  readonly dataPlane: string;
  /** Where it listens for calls of its own workload to other services. */
  readonly outbound?: { readonly address: string; readonly port: number };
  /** Where it listens for others, and the workload it stands before. */
  readonly inbound?: {
    readonly service: string;
    readonly version: string;
    readonly address: string;
    readonly port: number;
    readonly workloadPort: number;
  };
}
