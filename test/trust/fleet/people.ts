/**
 * Those who step in: people who begin rotations and doubt them, force gates, change the spec or take certificates out of it; and a vault
 * that makes versions by itself.
 */
import type { PhaseName, Rotation, TrustState } from '../../../src/trust/state.ts';
import type { Random } from '../../simulation/random.ts';
import type { People, Waver } from './temper.ts';
import { LEAF, LONG_LEAF, SHORT_LEAF } from './world.ts';

export type Step =
  | { readonly step: 'rotate'; readonly cause: 'asked' | 'compromised' }
  | { readonly step: 'version' | 'proceed' | 'abort' | 'release' }
  | { readonly step: 'specify'; readonly leafLifeMs: number }
  /** By what is looked at then, of the rotation and the phase that they have before their eyes. */
  | { readonly step: 'force'; readonly rotation: string; readonly phase: string };

export class StepsIn {
  readonly #people: People;
  readonly #random: Random;
  /** Over which rotation, when they act next, and how often they still do. */
  #wavering = { over: '', at: 0, left: 0, times: 0 };

  constructor(people: People, random: Random) {
    this.#people = people;
    this.#random = random;
  }

  /** What they do in this second, in this order. */
  now(at: number, state: TrustState): readonly Step[] {
    const { spec, rotation } = state;
    if (!spec) return this.#random.chance(0.05) ? [{ step: 'specify', leafLifeMs: LEAF }] : [];
    return rotation ? this.#during(at, rotation) : this.#atRest();
  }

  #atRest(): readonly Step[] {
    const { rotate, version, compromised, release } = this.#people;
    const chance = (probability: number): boolean => this.#random.chance(probability);
    if (chance(release)) return [{ step: 'release' }];
    if (chance(rotate)) return [{ step: 'rotate', cause: chance(compromised) ? 'compromised' : 'asked' }];
    return chance(version) ? [{ step: 'version' }] : [];
  }

  #during(at: number, { id, phase, aborted }: Rotation): readonly Step[] {
    const { use, hasten, abort, proceed, force, respecify } = this.#people;
    const chance = (probability: number): boolean => this.#random.chance(probability);
    const steps: Step[] = [];
    if (phase.name === 'prepared' && chance(use)) steps.push({ step: 'proceed' });
    if (chance(hasten)) steps.push({ step: 'rotate', cause: 'compromised' });
    const wavers = this.#wavers(at, id, phase.name);
    if (!aborted && (wavers || chance(abort))) steps.push({ step: 'abort' });
    if (aborted && (wavers || chance(proceed))) steps.push({ step: 'proceed' });
    if (chance(force)) steps.push({ step: 'force', rotation: id, phase: phase.name });
    if (chance(respecify)) steps.push({ step: 'specify', leafLifeMs: this.#random.pick([LEAF, SHORT_LEAF, LONG_LEAF]) });
    return steps;
  }

  #wavers(at: number, rotation: string, phase: PhaseName): boolean {
    const { waver } = this.#people;
    if (!waver || (waver.only && !waver.only.includes(phase))) return false;
    if (this.#wavering.over !== rotation) {
      if (phase !== waver.at) return false;
      this.#wavering = { over: rotation, ...this.#another(at, waver, this.#random.between(1, waver.rows)) };
    }
    const { left, times } = this.#wavering;
    if (at < this.#wavering.at || (left === 0 && times === 0)) return false;
    const after =
      left > 1 ? { at: at + this.#random.between(...waver.betweenMs), left: left - 1, times } : this.#another(at, waver, times - 1);
    this.#wavering = { over: rotation, ...after };
    return true;
  }

  /** After a while, a few times in a row. */
  #another(at: number, { steps, pauseMs }: Waver, times: number): { readonly at: number; readonly left: number; readonly times: number } {
    const left = times > 0 ? this.#random.between(2, steps) : 0;
    return { at: at + this.#random.between(...pauseMs), left, times: Math.max(0, times) };
  }
}
