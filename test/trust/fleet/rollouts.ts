/**
 * A service of the mesh whose versions are rolled out while its trust is rotated: nothing but the real `decide` of rollouts, with data planes
 * that serve what was decided a little later. What each of the two says to the other is what the change lock says.
 */
import { movesTraffic, trustChanges } from '../../../src/reconcile/change-lock.ts';
import type { ServiceCommand } from '../../../src/rollouts/commands.ts';
import { nextDeadline } from '../../../src/rollouts/deadlines.ts';
import { decide } from '../../../src/rollouts/decide.ts';
import { evolve } from '../../../src/rollouts/evolve.ts';
import { initialServiceState, type ServiceState, weightOf } from '../../../src/rollouts/state.ts';
import type { TrustState } from '../../../src/trust/state.ts';
import { serviceSpec } from '../../rollouts/story.ts';
import type { Random } from '../../simulation/random.ts';
import { SECOND } from './world.ts';

const STEP = { holdMs: 20 * SECOND, deadlineMs: 120 * SECOND };
const ROLLOUT = {
  strategy: 'canary',
  steps: [10, 50, 100].map((weight) => ({ weight, ...STEP })),
  pauseDeadlineMs: 60 * SECOND,
  startDeadlineMs: 90 * SECOND,
  returnDeadlineMs: 60 * SECOND,
} as const;

interface Mesh {
  readonly now: number;
  state(): TrustState;
  later(ms: number, what: () => void): void;
}

export class Rollouts {
  readonly #mesh: Mesh;
  readonly #random: Random;
  #state: ServiceState = initialServiceState;
  #version = 0;
  #versions = 1;
  /** Epoch ms: since when nothing but trust keeps it from going on. */
  #waitsSince: number | undefined;
  /** What it did that it must not do, in a sentence. */
  wrong: string | undefined;
  /** How often one has waited for the other. */
  waited = 0;

  constructor(mesh: Mesh, random: Random) {
    this.#mesh = mesh;
    this.#random = random;
    this.#give({ type: 'Specify', spec: serviceSpec({ rollout: { ...ROLLOUT, steps: [...ROLLOUT.steps] } }), specVersion: 1 });
  }

  /** What the change lock tells whoever rotates. */
  get locks(): string | undefined {
    return movesTraffic('catalog', this.#state);
  }

  get isOver(): boolean {
    return this.#state.rollout === undefined;
  }

  /** `people`: versions come, and are taken back. */
  second(people: boolean): void {
    const { now } = this.#mesh;
    if (people && !this.#state.rollout && this.#random.chance(0.05)) this.#deploy();
    if (people && this.#state.rollout && this.#random.chance(0.005)) this.#takeBack();
    const due = nextDeadline(this.#state);
    if (due && due.at <= now) this.#give({ type: 'Elapsed', deadline: due.name, dueAt: due.at });
    if (this.#random.chance(0.2)) this.#give({ type: 'Recheck' });
    this.#judge();
  }

  #deploy(): void {
    this.#versions += 1;
    this.#give({ type: 'Deploy', release: { version: `v${this.#versions}` } });
  }

  /** Whatever trust is doing, traffic is away with the very decision. */
  #takeBack(): void {
    const candidate = this.#state.rollout?.candidate.version ?? '';
    if (this.#state.rollout?.phase.name === 'returning') return;
    this.#give({ type: 'Abort' });
    if (weightOf(this.#state, candidate) > 0) this.wrong ??= `${candidate} keeps traffic though it was taken back`;
  }

  #judge(): void {
    const { now } = this.#mesh;
    const { rollout } = this.#state;
    const { rotation } = this.#mesh.state();
    const phase = rollout?.phase;
    const waits = (phase?.name === 'waiting' && phase.because === 'TrustChanging') || (phase?.name === 'holding' && phase.advised === true);
    if (waits && this.#waitsSince === undefined) this.waited += 1;
    this.#waitsSince = waits ? (this.#waitsSince ?? now) : undefined;
    if (waits && rotation?.heldBy?.includes('between two weights') && this.locks !== undefined)
      this.wrong ??= 'each of them waits for the other';
    if (this.#waitsSince !== undefined && now > this.#waitsSince + STEP.deadlineMs + SECOND)
      this.wrong ??= `a rollout has waited for a rotation for ${(now - this.#waitsSince) / SECOND} s`;
  }

  #give(command: ServiceCommand): void {
    const { now } = this.#mesh;
    const why = trustChanges(this.#mesh.state());
    const context = { now, version: this.#version + 1, readinessOf: () => 'ready' as const, notReadyOn: () => [] };
    const decision = decide(this.#state, command, { ...context, ...(why === undefined ? {} : { trustChanges: why }) });
    if (decision.kind !== 'accepted') return;
    this.#version += 1;
    for (const event of decision.events) this.#state = evolve(this.#state, event, { version: this.#version, at: now });
    const revision = this.#version;
    for (const { kind, target } of decision.effects) {
      if (kind !== 'serve' || target === undefined) continue;
      this.#mesh.later(this.#random.between(1, 8) * SECOND, () => this.#give({ type: 'Converged', dataPlane: target, revision }));
    }
  }
}
