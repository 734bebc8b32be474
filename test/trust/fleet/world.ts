/**
 * A mesh in time, seconds by seconds, in which nothing but the real `decide` says what happens: what is later, what was issued, and how
 * long things take. Whatever is drawn comes from the seed.
 */
import type { Authority } from '../../../src/trust/certificates.ts';
import type { Member } from '../../../src/trust/gates.ts';
import type { TrustState } from '../../../src/trust/state.ts';
import type { Random } from '../../simulation/random.ts';
import type { Excused } from './excused.ts';
import type { Temper } from './temper.ts';

export const SECOND = 1_000;
export const LEAF = 60 * SECOND;
/** The spec may make them this short. */
export const SHORT_LEAF = 20 * SECOND;
export const LONG_LEAF = 180 * SECOND;
/** What the clocks of any two machines are apart at most: what is allowed for the shortest leafs. */
export const SKEW = SHORT_LEAF / 4;

export interface Leaf {
  /** Fingerprint of the root it is under, and of the issuer that signed it. */
  readonly root: string;
  readonly issuer: string;
  readonly notAfter: number;
  readonly lifeMs: number;
  /** Id of who has it. */
  readonly holder: string;
  /** Whoever signed it was known to be behind when a gate was forced. */
  readonly signerNamed: boolean;
}

/** What a data plane was brought: the settings of a revision. */
export interface Material {
  readonly revision: number;
  readonly roots: readonly string[];
  readonly signer: Authority;
}

export interface DataPlane {
  readonly name: string;
  /** `central`: leafs are signed by functions, which read the settings; `own`: by control planes of its own. */
  readonly kind: 'central' | 'own';
  material: Material | undefined;
}

/** What a look knows of somebody; kept by those who look. */
export interface Known {
  readonly kind: Member['kind'];
  readonly dataPlane: string;
  seenAt: number;
  trusts: readonly string[];
  presents: { readonly issuer: string; readonly notAfter: number } | undefined;
  mayPresentUntil: number;
}

/** How the world treats the mesh now. */
export interface Weather {
  /** Chance that something takes long instead of seconds. */
  readonly slow: number;
  readonly lost: number;
  /** Chance a second that a workload falls silent, or is away, for a while. */
  readonly away: number;
  /** Chance that a data plane can't be looked at. */
  readonly unseen: number;
}

export const CALM: Weather = { slow: 0, lost: 0, away: 0, unseen: 0 };
export const QUICK: Weather = { slow: 0.02, lost: 0.05, away: 0.001, unseen: 0.01 };
export const ROUGH: Weather = { slow: 0.15, lost: 0.2, away: 0.003, unseen: 0.05 };

export interface World {
  readonly random: Random;
  now: number;
  weather: Weather;
  /** Shares of its workloads. */
  laggards: Temper['laggards'];
  readonly excused: Excused;
  readonly planes: readonly DataPlane[];
  readonly known: Map<string, Known>;
  /** Every leaf that may still count for somebody. */
  issued: Leaf[];
  state(): TrustState;
  later(ms: number, what: () => void): void;
  /** Another takes the place of one that never comes back. */
  born(plane: DataPlane): void;
}

/** Seconds, or now and then as long as two leafs live. */
export function lag(world: World, usualMs = 3 * SECOND): number {
  const { random, weather } = world;
  return random.chance(weather.slow) ? random.between(0, 2 * LEAF) : random.between(0, usualMs);
}

/** A request and its answer; who waits longer asks again. */
export const call = ({ random }: World): number => random.between(0, 5 * SECOND);
