/**
 * Who may break because a person let a gate be passed: those whom the journal has named by then, until they follow, and whoever gets a leaf or
 * its roots from a control plane among them. A gate is forced by one look, and not by two: whoever looks as it should by settings of before, and
 * gets those of a way back that was revoked since, may break too. Of a root whose leafs nobody waited for: leafs that nobody presents who is known.
 */
import type { TrustEvent } from '../../../src/trust/events.ts';
import type { TrustState } from '../../../src/trust/state.ts';
import type { Workload } from './workload.ts';
import { type Leaf, SECOND } from './world.ts';

type Forced = Extract<TrustEvent, { type: 'GateForced' }>;

/** What one that was named has to come to: settings as new as those, and no leaf under `leaves`. */
interface Goal {
  readonly id: string;
  readonly revision: number;
  readonly leaves: string | undefined;
  /** The root that the rotation leads to. */
  readonly to: string;
  /** Epoch ms: since when it is there; what it asked for before may still come. */
  thereSince: number | undefined;
}

/** A request and its answer, at most. */
const UNDER_WAY_MS = 11 * SECOND;

export class Excused {
  readonly #goals: Goal[] = [];
  readonly #unsoaked = new Set<string>();
  /** How often something broke that may. */
  failures = 0;

  happened(event: TrustEvent, before: TrustState, workloads: readonly Workload[]): void {
    const { current, rotation } = before;
    if (event.type === 'GateForced') this.#forced(event, before, workloads);
    const skipsSoak = event.type === 'SoakBegun' && rotation?.cause === 'compromised';
    if (current && (skipsSoak || event.type === 'RotationHastened')) this.#unsoaked.add(current.fingerprint);
    if (!current || event.type !== 'RotationAborted') return;
    // Each gate of the way back was passed by all of them.
    this.#unsoaked.delete(current.fingerprint);
    this.#keep(({ to }) => to !== rotation?.to?.fingerprint);
  }

  #forced(
    { phase, behind, more, unseen }: Forced,
    { current, rotation, settingsVersion: revision }: TrustState,
    workloads: readonly Workload[],
  ): void {
    if (!current || !rotation?.to) return;
    if (more > 0) throw new Error('This fleet is too large for all of them to be named.');
    const ofUnseen = workloads.filter(({ plane }) => unseen.includes(plane.name)).map(({ id }) => id);
    const to = rotation.to.fingerprint;
    const looksRight = ({ kind, material, leaf }: Workload): boolean =>
      phase === 'distributing'
        ? material?.roots.includes(to) === true
        : (kind === 'control-plane' ? material?.signer.fingerprint : leaf?.root) === to;
    const isSetBack = (each: Workload): boolean => each.alive && (each.material?.revision ?? revision) < revision && looksRight(each);
    const setBack = workloads.filter(isSetBack).map(({ id }) => id);
    const leaves = phase === 'distributing' ? undefined : current.fingerprint;
    for (const id of [...behind, ...ofUnseen, ...setBack]) this.#goals.push({ id, revision, leaves, to, thereSince: undefined });
    if (phase === 'soaking') this.#unsoaked.add(current.fingerprint);
  }

  /** Whoever has come to where it had to be breaks no more. */
  passed(workloads: readonly Workload[], now: number): void {
    if (this.#goals.length === 0) return;
    const byId = new Map(workloads.map((workload) => [workload.id, workload]));
    for (const goal of this.#goals) goal.thereSince = isThere(goal, byId.get(goal.id)) ? (goal.thereSince ?? now) : undefined;
    this.#keep(({ thereSince }) => thereSince === undefined || now <= thereSince + UNDER_WAY_MS);
  }

  #keep(isKept: (goal: Goal) => boolean): void {
    this.#goals.splice(0, this.#goals.length, ...this.#goals.filter(isKept));
  }

  has(id: string | undefined): boolean {
    return this.#goals.some((goal) => goal.id === id);
  }

  /** `verifier` does not believe this leaf of `holder`. */
  mayFail(verifier: Workload, leaf: Leaf): boolean {
    const may = [verifier.id, verifier.toldBy, leaf.holder].some((id) => this.has(id)) || leaf.signerNamed;
    if (may) this.failures += 1;
    return may;
  }

  /** Nobody waited for the end of what was signed under it. */
  isUnsoaked(root: string): boolean {
    return this.#unsoaked.has(root);
  }
}

function isThere({ revision, leaves }: Goal, { kind, alive, material, leaf }: Partial<Workload> = {}): boolean {
  const under = kind === 'control-plane' ? material?.signer.fingerprint : leaf?.root;
  return alive === true && material !== undefined && material.revision >= revision && (leaves === undefined || under !== leaves);
}
