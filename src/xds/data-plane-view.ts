/**
 * One plain-Envoy data plane as this server knows it: the plans of its services, its endpoints under leases, and what its
 * nodes are served. Holds no I/O and no clock; when the store is away it goes on serving what it has.
 */
import { qualifiedName } from '../dataplanes/envoy/naming.ts';
import { renderNode, renderShared } from '../dataplanes/envoy/render.ts';
import type { EnvoyNode } from '../dataplanes/envoy/resources.ts';
import type { ServicePlan } from '../plan/plan.ts';
import type { Fragment } from '../reconcile/model.ts';
import type { EncodeResource } from './protobuf.ts';
import { type Registry, servedEndpoints } from './registry.ts';
import { buildShared, buildSnapshot, type SharedResources, type Snapshot } from './snapshot.ts';

export class DataPlaneView {
  readonly mesh: string;
  readonly name: string;
  #fragments: ReadonlyMap<string, Fragment> = new Map();
  #plans: readonly ServicePlan[] = [];
  #sequence = 0;
  #shared: SharedResources | undefined;
  /** By what a node is given of its own: nodes that listen alike are served the same. */
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #encode: EncodeResource;
  readonly #refuse: (message: string) => void;

  /** `refuse` hears of a configuration that does not hold together; the one before stays in force. */
  constructor(mesh: string, name: string, encode: EncodeResource, refuse: (message: string) => void) {
    this.mesh = mesh;
    this.name = name;
    this.#encode = encode;
    this.#refuse = refuse;
  }

  get sequence(): number {
    return this.#sequence;
  }

  /** The services whose plan changed after `sequence`. */
  changedSince(sequence: number): readonly string[] {
    return [...this.#fragments.values()].filter((fragment) => fragment.sequence > sequence).map(({ service }) => service);
  }

  /** The services that nodes know by these names. */
  servicesNamed(names: readonly string[]): readonly string[] {
    return this.#plans.filter((plan) => names.includes(qualifiedName(plan))).map(({ service }) => service);
  }

  services(): readonly string[] {
    return [...this.#fragments.keys()];
  }

  /** Takes in what the model says up to `sequence`, and who the endpoints are. */
  update(changed: readonly Fragment[], registry: Registry, sequence: number): void {
    if (changed.length > 0) {
      const fragments = new Map(this.#fragments);
      for (const fragment of changed) {
        // Lists of a moving model may overlap: the newer one stays.
        if ((fragments.get(fragment.service)?.sequence ?? 0) <= fragment.sequence) fragments.set(fragment.service, fragment);
      }
      this.#fragments = fragments;
      const plans = [...fragments.values()].flatMap(({ plan }) => (plan?.dataPlanes.includes(this.name) ? [plan] : []));
      this.#plans = plans.sort((a, b) => (a.service < b.service ? -1 : 1));
    }
    const previous = this.#shared;
    const resources = renderShared(this.#plans, servedEndpoints(registry));
    const built = buildShared({ resources, encode: this.#encode, ...(previous ? { previous } : {}) });
    if (!built.ok) {
      this.#refuse(`The configuration of ${this.mesh}/${this.name} at ${sequence} is not served: ${built.message}`);
      return;
    }
    this.#shared = built.shared;
    this.#sequence = Math.max(this.#sequence, sequence);
  }

  /** Made when a node is there to be served, once a sequence for all that listen alike. */
  snapshotFor(node: EnvoyNode): Snapshot | undefined {
    const shared = this.#shared;
    if (!shared || this.#sequence < 1) return undefined;
    const listens = JSON.stringify([node.inbound, node.outbound]);
    const previous = this.#snapshots.get(listens);
    if (previous?.sequence === this.#sequence) return previous;
    const own = renderNode(node, this.#plans);
    const built = buildSnapshot({ sequence: this.#sequence, shared, own, encode: this.#encode, ...(previous ? { previous } : {}) });
    if (!built.ok) {
      this.#refuse(`The configuration of the node ${node.id} at ${this.#sequence} is not served: ${built.message}`);
      return previous;
    }
    this.#snapshots.set(listens, built.snapshot);
    return built.snapshot;
  }

  /** Lets go of what no node has asked for since the last change. */
  forgetUnused(): void {
    for (const [listens, { sequence }] of this.#snapshots) if (sequence < this.#sequence) this.#snapshots.delete(listens);
  }
}
