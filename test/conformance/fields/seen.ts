/** One service as the proxies around it have it at one moment, in words that mean the same on every data plane whose proxies are Envoys. */
import type { JsonObject } from '../../../src/journal/documents.ts';
import type { ServicePlan } from '../../../src/plan/plan.ts';
import type { Held } from './held.ts';
import { type InboundCall, type Reception, received } from './inbound.ts';
import type { Request } from './matching.ts';
import { type RoutedCall, routed, virtualHostOf } from './outbound.ts';
import { at, isObject, messages } from './proto-json.ts';

/** What the proxies of a service hold. */
export interface Proxies {
  readonly caller: Held;
  /** In front of a workload of version v1. */
  readonly receiver?: Held;
  /** The gateway named `gateway` in the namespace of the services. */
  readonly gateway?: Held;
}

/** How a mesh names things towards Envoy. */
export interface Spelling {
  /** What a caller's requests to the service are routed by. */
  virtualHost(caller: Held, plan: ServicePlan): JsonObject | undefined;
  clusterName(plan: ServicePlan, version: string): string;
  /** The listener through which calls reach a workload of the service. */
  inbound(receiver: Held, plan: ServicePlan): JsonObject | undefined;
  /** Of workloads; that of the service unless said. */
  readonly targetPort?: number;
  /** The name in the certificate of this workload identity. */
  identity(namespace: string, serviceAccount: string): string;
  /** What callers of the mesh say in their TLS greeting. */
  greeting(plan: ServicePlan): NonNullable<InboundCall['tls']>;
}

export type Said = Partial<Request> & Pick<InboundCall, 'token'>;

export class Seen {
  readonly plan: ServicePlan;
  readonly #proxies: Proxies;
  readonly #spelling: Spelling;

  constructor(plan: ServicePlan, proxies: Proxies, spelling: Spelling) {
    this.plan = plan;
    this.#proxies = proxies;
    this.#spelling = spelling;
  }

  /** The proxy of a workload of the service, by which that one calls others. */
  get own(): Held {
    const { receiver } = this.#proxies;
    if (!receiver) throw new Error('No workload of this service has a proxy here.');
    return receiver;
  }

  /** The caller's route of a request; GET / unless said. @throws when there is none. */
  call(said: Said = {}): RoutedCall {
    return routeOf(this.plan.service, this.#spelling.virtualHost(this.#proxies.caller, this.plan), said);
  }

  /** Where a request goes: `v1`, or `v1=90 v2=10`. */
  goesTo(said: Said = {}): string {
    return this.#versions(this.call(said).split);
  }

  /** The same, of a request from outside that asks the gateway for `host`. */
  enters(host: string, said: Said = {}): string {
    const { gateway } = this.#proxies;
    if (!gateway) throw new Error('There is no gateway here.');
    return this.#versions(routeOf(host, virtualHostOf(gateway, host), said).split);
  }

  /** The version whose cluster this is, or the cluster's own name. */
  version(cluster: string): string {
    return this.plan.versions.find(({ name }) => this.#spelling.clusterName(this.plan, name) === cluster)?.name ?? cluster;
  }

  /** What the caller knows of a version. @throws when it does not know it. */
  cluster(version = 'v1'): JsonObject {
    const name = this.#spelling.clusterName(this.plan, version);
    const found = this.#proxies.caller.clusters.get(name);
    if (!found) throw new Error(`The caller has no cluster ${name}.`);
    return found;
  }

  /** The HttpProtocolOptions of a version's cluster, if there are any. */
  httpOptions(version?: string): JsonObject {
    const options = at(this.cluster(version), 'typed_extension_protocol_options', 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions');
    return isObject(options) ? options : {};
  }

  /** The limits of a version's cluster; those of Envoy's default priority. */
  limits(version?: string): JsonObject {
    const all = messages(this.cluster(version), 'circuit_breakers', 'thresholds');
    return all.find(({ priority }) => priority === undefined || priority === 'DEFAULT') ?? {};
  }

  /** What becomes of a call by this service account of the namespace, over the mesh's mTLS. */
  receives(serviceAccount: string, said: Said = {}): Reception {
    const identity = this.#spelling.identity(this.plan.namespace, serviceAccount);
    return this.#received({ ...filled(said), port: this.#port, identity, tls: this.#spelling.greeting(this.plan) });
  }

  /** What becomes of a call in plaintext. */
  receivesPlaintext(said: Said = {}): Reception {
    return this.#received({ ...filled(said), port: this.#port });
  }

  get #port(): number {
    return this.#spelling.targetPort ?? this.plan.port;
  }

  #received(call: InboundCall): Reception {
    const listener = this.#spelling.inbound(this.own, this.plan);
    if (!listener) throw new Error(`The workload's proxy has no listener for ${this.plan.service}.`);
    return received(this.own, listener, call);
  }

  #versions(split: Readonly<Record<string, number>>): string {
    const shares = Object.entries(split).map(([cluster, share]): [string, number] => [this.version(cluster), share]);
    const [only] = shares;
    if (only && shares.length === 1) return only[0];
    return shares
      .map(([version, share]) => `${version}=${share}`)
      .sort()
      .join(' ');
  }
}

function routeOf(what: string, host: JsonObject | undefined, said: Said): RoutedCall {
  if (!host) throw new Error(`No virtual host answers to ${what}.`);
  const route = routed(host, filled(said));
  if (!route) throw new Error(`No route of ${what} takes ${JSON.stringify(said)}.`);
  return route;
}

const filled = (said: Said): Request => ({ method: 'GET', path: '/', headers: {}, ...said });
