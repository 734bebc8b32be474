/** One Envoy: takes or refuses what its watcher brings, keeps what it has while it is cut off, and says what it serves. */
import { qualifiedName } from '../../src/dataplanes/envoy/naming.ts';
import type { Fragment } from '../../src/reconcile/model.ts';
import type { NodeObservation } from '../../src/reconcile/observations.ts';
import { CLOCK_APART_MS } from './faults.ts';
import type { Invariants } from './invariants.ts';
import type { World } from './world.ts';

/** As production: a node gone this long leaves the count; by the clock of an instance that is ahead, a little sooner. */
const GONE_MS = 30_000 - CLOCK_APART_MS;

export class Node {
  readonly name: string;
  connected = false;
  /** Not reachable by any watcher. */
  away = false;
  /** The newest sequence it serves, but for what it refuses. */
  served = 0;
  refused: { readonly sequence: number; readonly message: string } | undefined;
  /** It refuses any split that gives this version traffic. */
  dislikes: string | undefined;
  /** When it last did not have to be counted (epoch ms). */
  uncountedUntil: number;
  readonly accepted = new Map<string, Fragment>();
  /** By service. */
  readonly #refusals = new Map<string, Fragment>();
  readonly #world: World;
  readonly #invariants: Invariants;
  #cutOffAt: number | undefined;

  constructor(world: World, invariants: Invariants, name: string) {
    this.#world = world;
    this.#invariants = invariants;
    this.name = name;
    this.uncountedUntil = world.now;
    this.#cutOffAt = world.now - GONE_MS;
  }

  connect(): void {
    this.connected = true;
    this.#world.tell(() => `${this.name} is connected`);
  }

  disconnect(): void {
    if (!this.connected) return;
    this.connected = false;
    this.#cutOffAt ??= this.#world.now;
    this.#world.tell(() => `${this.name} is cut off`);
  }

  /** Only now that it is written down can anybody know that it is back. */
  reported(): void {
    if (!this.connected || this.#cutOffAt === undefined) return;
    if (this.#world.now - this.#cutOffAt >= GONE_MS) this.uncountedUntil = this.#world.now;
    this.#cutOffAt = undefined;
  }

  forgive(): void {
    this.dislikes = undefined;
    this.#refusals.clear();
  }

  /** Must a rollout have waited for it, whenever in the last `ms` it looked? */
  countedFor(ms: number): boolean {
    const { now } = this.#world;
    if (this.#cutOffAt !== undefined && now - this.#cutOffAt >= GONE_MS) return false;
    return now - this.uncountedUntil >= ms;
  }

  /** Which services changed here, taken or refused. `newest`: the sequence that this is all of. */
  take(fragments: readonly Fragment[], newest: number): readonly string[] {
    const changed: string[] = [];
    for (const fragment of fragments) {
      const { service, sequence } = fragment;
      if ((this.accepted.get(service)?.sequence ?? 0) >= sequence || this.#refusals.get(service)?.sequence === sequence) continue;
      changed.push(service);
      const disliked = this.dislikes !== undefined && gives(fragment, this.dislikes);
      if (disliked) {
        this.#world.faults.count('refused by a node');
        this.#refusals.set(service, fragment);
        this.refused = { sequence, message: `no ${this.dislikes} here` };
        this.#world.tell(() => `${this.name} refuses ${service} ${sequence}`);
        continue;
      }
      this.#refusals.delete(service);
      this.#invariants.nodeTook(this.name, this.accepted.get(service), fragment);
      this.accepted.set(service, fragment);
    }
    if (this.#refusals.size === 0) this.refused = undefined;
    // A watcher that has just started may not have read as far as the node already is.
    if (newest > this.served) {
      this.#world.tell(() => `${this.name} serves ${newest}`);
      this.served = newest;
    }
    return changed;
  }

  /** Does it serve this of the service, or something newer? */
  serves(service: string, sequence: number): boolean {
    return this.served >= sequence && !this.#refusals.has(service);
  }

  observed(via: string): NodeObservation {
    const without = [...this.#refusals.values()].flatMap(({ plan }) => (plan === null ? [] : [qualifiedName(plan)]));
    return {
      node: this.name,
      via,
      served: this.served,
      ...(without.length > 0 ? { without } : {}),
      ...(this.refused ? { rejected: this.refused } : {}),
      ...(this.connected || this.#cutOffAt === undefined ? {} : { goneAt: this.#cutOffAt }),
    };
  }
}

const gives = ({ plan }: Fragment, version: string): boolean =>
  plan?.routes.some(({ split }) => split.some((share) => share.version === version && share.weight > 0)) ?? false;
