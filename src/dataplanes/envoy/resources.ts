/**
 * What the Envoy renderer gives and the xds server serves: Envoy v3 resources in canonical proto JSON with Envoy's own
 * snake_case field names (the same words as in an Envoy configuration file), and what the renderer is told of a node.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { TrustMaterial } from '../../trust/data-plane-trust.ts';

export type EnvoyResourceType = 'cluster' | 'endpoints' | 'listener' | 'route' | 'secret';

export interface EnvoyResource {
  readonly type: EnvoyResourceType;
  readonly name: string;
  /** Canonical proto JSON of the resource's message, without `@type` at the top. */
  readonly json: JsonObject;
}

/** The message of each type, by its full name. */
export const messageOf: Readonly<Record<EnvoyResourceType, string>> = {
  cluster: 'envoy.config.cluster.v3.Cluster',
  endpoints: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'envoy.config.listener.v3.Listener',
  route: 'envoy.config.route.v3.RouteConfiguration',
  secret: 'envoy.extensions.transport_sockets.tls.v3.Secret',
};

/** An address at which a workload of one version of a service answers. */
export interface Endpoint {
  readonly service: string;
  readonly version: string;
  readonly address: string;
  readonly port: number;
  /** Where it runs, as `failover` names it. */
  readonly region?: string;
  /** Whether it takes mTLS: the Envoy before it has an identity. */
  readonly mtls?: boolean;
}

/** Where an Envoy finds its certificate and the bundle it trusts: `default.yaml` and `bundle.yaml` in an absolute directory, without a slash at its end. */
export interface Identity {
  readonly directory: string;
  /** The bundle comes over ADS, as the mesh's roots are known there; left out: it is the file. Never said by the Envoy itself. */
  readonly bundle?: 'served';
  /** Of the leafs, known with such a bundle: connections are to end with the leafs that they were opened with. */
  readonly lives?: TrustMaterial['lives'];
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
  /** Where it takes calls from outside as the gateway that `ingress` names. */
  readonly gateway?: { readonly name: string; readonly namespace: string; readonly address: string; readonly port: number };
  /** Left out: it speaks plaintext only. */
  readonly identity?: Identity;
  /** A file of its machine: the authorities by which hosts outside the mesh are known. Left out: where most machines have it. */
  readonly authorities?: string;
}

/** What a node's own resources are made from: nodes of one data plane that say the same here are served the same. */
export function ownPartOf({ inbound, outbound, gateway, identity, authorities }: EnvoyNode): string {
  return JSON.stringify([inbound, outbound, gateway, identity, authorities]);
}
