/**
 * One plain-Envoy data plane as this server knows it: the plans of its services, its endpoints under leases, and what its
 * nodes are served. Holds no I/O and no clock; when the store is away it goes on serving what it has.
 */
import { isDeepStrictEqual } from 'node:util';
import { INBOUND, plansByName, qualifiedName } from '../dataplanes/envoy/naming.ts';
import { renderNode, renderShared, unservable } from '../dataplanes/envoy/render.ts';
import { type Endpoint, type EnvoyNode, type Identity, ownPartOf } from '../dataplanes/envoy/resources.ts';
import { bundleSecret } from '../dataplanes/envoy/tls.ts';
import type { ServicePlan } from '../plan/plan.ts';
import type { Fragment, UnreadableFragment } from '../reconcile/model.ts';
import type { ModelledTrust } from '../reconcile/model-trust.ts';
import type { EncodeResource } from './protobuf.ts';
import { type Registry, servedEndpoints, type Version } from './registry.ts';
import {
  buildShared,
  buildSnapshot,
  encodeResource,
  type ResourceSet,
  resourceSet,
  type SharedResources,
  type Snapshot,
} from './snapshot.ts';

/** A service whose newest plan is not served here; the one before is, if there was one. */
export interface RefusedPlan {
  readonly sequence: number;
  /** The service's name towards nodes. */
  readonly name: string;
  readonly message: string;
}

/** Bundles that nodes may still speak of. */
const BUNDLES = 16;

export class DataPlaneView {
  readonly mesh: string;
  readonly name: string;
  #fragments: ReadonlyMap<string, Fragment> = new Map();
  #plans: readonly ServicePlan[] = [];
  /** By service. */
  readonly #refused = new Map<string, RefusedPlan>();
  #sequence = 0;
  #endpoints: readonly Endpoint[] = [];
  /** What nodes without an identity share. */
  #shared: SharedResources | undefined;
  /** What those with one share, by its directory, and at which sequence that was made. The identity is one object, with which more is kept. */
  readonly #sharedWith = new Map<string, { readonly sequence: number; readonly shared: SharedResources; readonly identity: Identity }>();
  /** By what a node is given of its own: nodes that listen alike are served the same. */
  readonly #snapshots = new Map<string, Snapshot>();
  /** What nodes with an identity trust, encoded once for all of them; until there is any, each has a file. */
  #bundle: ({ readonly revision: number; readonly secrets: ResourceSet } & Pick<Identity, 'lives'>) | undefined;
  /** By the fingerprint of a set of secrets: the fingerprints of its roots. */
  readonly #rootsIn = new Map<string, readonly string[]>();
  readonly #encode: EncodeResource;
  readonly #refuse: (message: string) => void;
  readonly #refusalsToken: string | undefined;

  /**
   * `refuse` hears of a configuration that does not hold together; the one before stays in force. `refusalsToken`: what Envoys
   * report with whom a service in `shadow` would refuse.
   */
  constructor(mesh: string, name: string, encode: EncodeResource, refuse: (message: string) => void, refusalsToken?: string) {
    this.mesh = mesh;
    this.name = name;
    this.#encode = encode;
    this.#refuse = refuse;
    this.#refusalsToken = refusalsToken;
  }

  get sequence(): number {
    return this.#sequence;
  }

  /** The services whose plan changed after `sequence`. */
  changedSince(sequence: number): readonly string[] {
    const all = [...this.#refused, ...this.#fragments];
    return [...new Set(all.filter(([, newest]) => newest.sequence > sequence).map(([service]) => service))];
  }

  /** What every node of this data plane goes without, whatever it accepts. */
  refused(): readonly RefusedPlan[] {
    return [...this.#refused.values()];
  }

  /** The services that nodes know by these names. */
  servicesNamed(names: readonly string[]): readonly string[] {
    return this.#plans.filter((plan) => names.includes(qualifiedName(plan))).map(({ service }) => service);
  }

  /** The service before whose workload it stands, where that has a plan. */
  serviceOf({ inbound }: EnvoyNode): string | undefined {
    return inbound && plansByName(this.#plans).get(inbound.service)?.service;
  }

  /** What a node goes without, by the names of services: its inbound listener is for one alone. */
  withoutOf({ inbound }: EnvoyNode, names: readonly string[]): readonly string[] {
    const own = inbound && plansByName(this.#plans).get(inbound.service);
    return own ? names.map((name) => (name === INBOUND ? qualifiedName(own) : name)) : names;
  }

  isInShadow(service: string): boolean {
    return this.#plans.some((plan) => plan.service === service && plan.security?.stage === 'shadow');
  }

  /** All that the served plans name. */
  versions(): readonly Version[] {
    return this.#plans.flatMap(({ service, versions }) => versions.map(({ name }) => ({ service, version: name })));
  }

  services(): readonly string[] {
    return [...this.#fragments.keys()];
  }

  /** Served with the next `update`. A bundle that cannot be encoded leaves the one before. */
  trust({ revision, roots, fingerprints, lives }: ModelledTrust): void {
    if (this.#bundle && revision <= this.#bundle.revision) return;
    const secret = encodeResource(bundleSecret(roots), this.#encode);
    if ('ok' in secret) {
      this.#refuse(`The roots of ${this.mesh} at revision ${revision} are not served; those before stay: ${secret.message}`);
      return;
    }
    const secrets = resourceSet(new Map([[secret.name, secret]]), this.#bundle?.secrets);
    this.#bundle = { revision, secrets, ...(lives ? { lives } : {}) };
    this.#rootsIn.delete(secrets.fingerprint);
    this.#rootsIn.set(secrets.fingerprint, fingerprints);
    const [oldest] = this.#rootsIn.keys();
    if (this.#rootsIn.size > BUNDLES && oldest !== undefined) this.#rootsIn.delete(oldest);
  }

  /** Of a set of secrets that was served here. */
  rootsIn(secrets: string): readonly string[] {
    return this.#rootsIn.get(secrets) ?? [];
  }

  /** Takes in what the model says up to `sequence`, and who the endpoints are. A plan that cannot be served keeps no other from it. */
  update(changed: readonly Fragment[], registry: Registry, sequence: number, unreadable: readonly UnreadableFragment[] = []): void {
    // Lists of a moving model may overlap: the newer one stays.
    const newer = changed.filter(({ service, sequence: own }) => own >= (this.#fragments.get(service)?.sequence ?? 0));
    for (const { service, namespace = '', dataPlanes = [this.name], sequence: own, message } of unreadable) {
      if (dataPlanes.includes(this.name)) this.#without(service, { sequence: own, name: `${service}.${namespace}`, message });
    }
    if (this.#take(newer, servedEndpoints(registry))) this.#sequence = Math.max(this.#sequence, sequence);
  }

  /** Whether all of it is served but for plans that cannot be. Those are found by halves: there are few, if any. */
  #take(changed: readonly Fragment[], endpoints: readonly Endpoint[]): boolean {
    const fragments = new Map([...this.#fragments, ...changed.map((fragment) => [fragment.service, fragment] as const)]);
    const plans = changed.length === 0 ? this.#plans : this.#plansOf(fragments);
    const built = this.#build(plans, endpoints);
    if (built.ok) {
      this.#fragments = fragments;
      this.#plans = plans;
      this.#endpoints = endpoints;
      this.#shared = built.shared;
      for (const { service } of changed) this.#refused.delete(service);
      return true;
    }
    const [first, second] = changed;
    if (first?.plan && !second) {
      this.#without(first.service, { sequence: first.sequence, name: qualifiedName(first.plan), message: built.message });
      return this.#take([], endpoints);
    }
    if (!second) {
      this.#refuse(`The configuration of ${this.mesh}/${this.name} is not served; the one before stays: ${built.message}`);
      return false;
    }
    const half = Math.ceil(changed.length / 2);
    const taken = this.#take(changed.slice(0, half), endpoints);
    return this.#take(changed.slice(half), endpoints) && taken;
  }

  #plansOf(fragments: ReadonlyMap<string, Fragment>): readonly ServicePlan[] {
    const plans = [...fragments.values()].flatMap(({ plan }) => (plan?.dataPlanes.includes(this.name) ? [plan] : []));
    return plans.sort((a, b) => (a.service < b.service ? -1 : 1));
  }

  #build(plans: readonly ServicePlan[], endpoints: readonly Endpoint[], identity?: Identity, previous = this.#shared) {
    try {
      const resources = renderShared(plans, endpoints, identity);
      const secrets = identity && this.#bundle?.secrets;
      return buildShared({ resources, encode: this.#encode, ...(previous ? { previous } : {}), ...(secrets ? { secrets } : {}) });
    } catch (error) {
      return { ok: false, message: error instanceof Error ? error.message : String(error) } as const;
    }
  }

  #without(service: string, refused: RefusedPlan): void {
    this.#refused.set(service, refused);
    this.#refuse(
      `The plan of ${service} at ${refused.sequence} is not served on ${this.mesh}/${this.name}; the one before stays: ${refused.message}`,
    );
  }

  /** What this node goes without, whatever it accepts: its own service, where that has no plan or cannot be served as the plan says. */
  refusedBy(node: EnvoyNode): RefusedPlan | undefined {
    const refused = unservable(node, this.#plans);
    if (!refused) return undefined;
    const planned = this.#plans.some((plan) => qualifiedName(plan) === refused.name);
    const why = planned ? undefined : [...this.#refused].find(([service, { name }]) => [service, name].includes(refused.name));
    return why ? why[1] : { ...refused, sequence: this.#sequence };
  }

  /** Whose bundle comes from here, where there is one. */
  #asServed(node: EnvoyNode): EnvoyNode {
    if (!node.identity || !this.#bundle) return node;
    const { lives } = this.#bundle;
    return { ...node, identity: { directory: node.identity.directory, bundle: 'served', ...(lives ? { lives } : {}) } };
  }

  /** Made when a node is there to be served, once a sequence for all that have the same identity. */
  #sharedFor(node: EnvoyNode): SharedResources | undefined {
    if (!node.identity || this.#plans.every(({ security }) => security === undefined)) return this.#shared;
    const known = this.#sharedWith.get(node.identity.directory);
    if (known?.sequence === this.#sequence) return known.shared;
    const identity = known && isDeepStrictEqual(known.identity, node.identity) ? known.identity : node.identity;
    const built = this.#build(this.#plans, this.#endpoints, identity, known?.shared ?? this.#shared);
    if (!built.ok) {
      this.#refuse(
        `The configuration of ${this.mesh}/${this.name} with the identity in ${identity.directory} is not served: ${built.message}`,
      );
      return undefined;
    }
    this.#sharedWith.set(identity.directory, { sequence: this.#sequence, shared: built.shared, identity });
    return built.shared;
  }

  /** Made when a node is there to be served, once a sequence for all that listen alike. */
  snapshotFor(node: EnvoyNode): Snapshot | undefined {
    if (this.#sequence < 1) return undefined;
    const listens = ownPartOf(node);
    const previous = this.#snapshots.get(listens);
    if (previous?.sequence === this.#sequence) return previous;
    const served = this.#asServed(node);
    const shared = this.#sharedFor(served);
    if (!shared) return previous;
    const own = renderNode(served, this.#plans, this.#refusalsToken);
    const secrets = served.identity && this.#bundle?.secrets;
    const given = { ...(previous ? { previous } : {}), ...(secrets ? { secrets } : {}) };
    const built = buildSnapshot({ sequence: this.#sequence, shared, own, encode: this.#encode, ...given });
    if (!built.ok) {
      this.#refuse(`The configuration of the node ${node.id} at ${this.#sequence} is not served: ${built.message}`);
      return previous;
    }
    this.#snapshots.set(listens, built.snapshot);
    const refused = this.refusedBy(node);
    if (refused && (!previous || previous.sets.listener.resources.has(INBOUND))) {
      this.#refuse(`The node ${node.id} takes no calls to ${refused.name}: ${refused.message}`);
    }
    return built.snapshot;
  }

  /** Lets go of what no node has asked for since the last change. */
  forgetUnused(): void {
    for (const [listens, { sequence }] of this.#snapshots) if (sequence < this.#sequence) this.#snapshots.delete(listens);
    for (const [directory, { sequence }] of this.#sharedWith) if (sequence < this.#sequence) this.#sharedWith.delete(directory);
  }
}
