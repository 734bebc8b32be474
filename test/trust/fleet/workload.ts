/**
 * Workloads and control planes that are honest and otherwise do what they do: load what they are pushed when they come to it, renew at two
 * thirds of a leaf's life and when they are told, fall silent while they go on working, are away and come back with what was on their
 * disk, and all of it by clocks of their own. An answer to a request for a leaf holds what to trust too, and that is loaded first.
 */
import { settingsOf } from '../../../src/trust/state.ts';
import { livesAt } from '../../../src/trust/timing.ts';
import { call, type DataPlane, type Known, LEAF, type Leaf, lag, type Material, SECOND, SKEW, type World } from './world.ts';

/** `stranger`: nobody ever sees it or writes down what it is given. It stands for many, one of which always has a new leaf. */
export type Kind = 'proxy' | 'control-plane' | 'stranger';

export class Workload {
  readonly id: string;
  readonly kind: Kind;
  readonly plane: DataPlane;
  material: Material | undefined;
  leaf: Leaf | undefined;
  alive = true;
  readonly #world: World;
  readonly #offset: number;
  /** The control planes that it may ask. */
  readonly #signers: readonly Workload[];
  #silentUntil = 0;
  #asks = 0;
  #asking = false;
  #tellAt: number | undefined;
  /** The control plane that it has its roots from, where nobody else gave it newer ones. */
  toldBy: string | undefined;
  /** Slow to load what it is pushed, and often silent. */
  #lags: boolean;

  constructor(world: World, id: string, kind: Kind, plane: DataPlane, offset: number, signers: readonly Workload[]) {
    const { signers: lagging, proxies } = world.laggards;
    this.#lags = world.random.chance(kind === 'control-plane' ? lagging : proxies);
    this.#world = world;
    this.id = id;
    this.kind = kind;
    this.plane = plane;
    this.#offset = offset;
    this.#signers = signers;
    if (kind === 'control-plane') this.material = plane.material;
  }

  get clock(): number {
    return this.#world.now + this.#offset;
  }

  believesIn(leaf: Leaf): boolean {
    return this.clock < leaf.notAfter;
  }

  get hasLiveLeaf(): boolean {
    return this.alive && this.leaf !== undefined && this.believesIn(this.leaf);
  }

  /** One second of its life. */
  live(): void {
    const { random, weather, laggards } = this.#world;
    if (!this.alive) return;
    if (random.chance(this.#lags ? laggards.silence : weather.away)) this.#silentUntil = this.#world.now + random.between(0, 4 * LEAF);
    if (this.kind === 'proxy' && random.chance(weather.away)) this.#goAway();
    if (this.kind !== 'control-plane') this.#renew();
    if (this.kind !== 'stranger') this.#report();
  }

  heal(): void {
    this.#silentUntil = 0;
    this.#lags = false;
  }

  #goAway(): void {
    this.alive = false;
    this.#asking = false;
    this.#asks += 1;
    const backIn = this.#world.random.between(0, 4 * LEAF);
    if (this.#world.random.chance(0.3)) {
      this.#world.later(backIn, () => this.#world.born(this.plane));
      return;
    }
    this.#world.later(backIn, () => {
      this.alive = true;
      // What is on its disk is what it had; half of them forget, and so does what is a new process in a new place.
      if (this.plane.kind === 'own' || this.#world.random.chance(0.5)) this.leaf = undefined;
      if (this.leaf && !this.believesIn(this.leaf)) this.leaf = undefined;
    });
  }

  /** Its data plane has other material; it comes to it when it does. */
  pushed(): void {
    const lagging = this.#lags && this.#world.random.chance(0.6) ? this.#world.random.between(0, 4 * LEAF) : lag(this.#world);
    this.#world.later(lagging, () => {
      if (this.alive && this.plane.material) this.#load(this.plane.material);
    });
  }

  #load(material: Material, toldBy?: string): void {
    if (this.material && material.revision <= this.material.revision) return;
    this.toldBy = toldBy;
    const told = this.material?.signer.issuer.fingerprint !== material.signer.issuer.fingerprint;
    this.material = material;
    if (told) this.#tellAt = this.#world.now + lag(this.#world, 2 * SECOND);
  }

  #renew(): void {
    const { leaf } = this;
    const told = this.#tellAt !== undefined && this.#world.now >= this.#tellAt;
    if (leaf && !told && this.kind !== 'stranger' && this.clock < leaf.notAfter - leaf.lifeMs / 3) return;
    if (this.#asking) return;
    this.#tellAt = undefined;
    this.#ask();
  }

  #ask(): void {
    const world = this.#world;
    const { plane } = this;
    this.#asking = true;
    this.#asks += 1;
    const asked = this.#asks;
    const { now } = world;
    const { spec } = world.state();
    const lifeMs = spec?.leafLifeMs ?? LEAF;
    if (plane.kind === 'central') this.#known().mayPresentUntil = Math.max(this.#known().mayPresentUntil, now + lifeMs);
    const replica = plane.kind === 'own' ? world.random.pick(this.#signers) : undefined;
    world.later(call(world), () => {
      const signedBy = replica ? replica.material : settingsNow(world);
      const leaf = signedBy && this.#sign(signedBy, replica, replica ? replica.clock : now, lifeMs);
      world.later(call(world), () => {
        // Whoever was away has forgotten that it asked.
        if (asked !== this.#asks) return;
        this.#asking = false;
        if (!leaf || !signedBy) return;
        this.#load(signedBy, replica?.id);
        this.leaf = leaf;
      });
    });
  }

  #sign({ signer }: Material, replica: Workload | undefined, from: number, lifeMs: number): Leaf | undefined {
    const notAfter = Math.min(from + lifeMs, signer.issuer.notAfter, signer.notAfter);
    if (notAfter <= this.#world.now) return undefined;
    const signerNamed = this.#world.excused.has(replica?.id);
    const leaf = { root: signer.fingerprint, issuer: signer.issuer.fingerprint, notAfter, lifeMs, holder: this.id, signerNamed };
    this.#world.issued.push(leaf);
    return leaf;
  }

  #known(): Known {
    const { known } = this.#world;
    const was = known.get(this.id);
    if (was) return was;
    const kind = this.kind === 'control-plane' ? 'control-plane' : 'proxy';
    const fresh: Known = { kind, dataPlane: this.plane.name, seenAt: 0, trusts: [], presents: undefined, mayPresentUntil: 0 };
    known.set(this.id, fresh);
    return fresh;
  }

  /** Those of a data plane with control planes are listed by their platform: it is known that they run, whether or not they are heard. */
  listed(): void {
    const { now } = this.#world;
    if (!this.alive || this.plane.kind === 'central' || this.kind === 'stranger') return;
    this.#known().mayPresentUntil = now + livesAt(this.#world.state(), now).leafLifeMs;
  }

  #report(): void {
    const { random, now, weather, laggards } = this.#world;
    if (now < this.#silentUntil || random.chance(0.3) || random.chance(this.#lags ? laggards.lost : weather.lost)) return;
    const { material, leaf } = this;
    const trusts = material?.roots ?? [];
    const signs = material && { issuer: material.signer.issuer.fingerprint, notAfter: now + LEAF };
    const presents = this.kind === 'control-plane' ? signs : leaf && { issuer: leaf.issuer, notAfter: leaf.notAfter };
    this.#world.later(call(this.#world), () => {
      const known = this.#known();
      // Those that arrive out of order are older than what is known.
      if (now > known.seenAt) Object.assign(known, { seenAt: now, trusts, presents });
    });
  }
}

function settingsNow(world: World): Material | undefined {
  const state = world.state();
  const settings = settingsOf(state);
  // Nobody is given one by a mesh whose spec has no certificates.
  if (!settings || !state.spec) return undefined;
  return { revision: state.settingsVersion, roots: settings.roots.map(({ fingerprint }) => fingerprint), signer: settings.signer };
}

/** Clocks of which no two are further apart than is allowed; that of the functions is 0. */
export function clocks(world: World): () => number {
  const lowest = -world.random.between(0, SKEW);
  return () => lowest + world.random.between(0, SKEW);
}
