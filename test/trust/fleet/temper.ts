/**
 * What a history is like, drawn once from its seed and its mood: who is slow, how the mesh is treated, what people are given to. Each history is given to
 * one thing, and much; where everything happens a little, what takes three unlikely steps in a row happens to nobody.
 */
import type { PhaseName } from '../../../src/trust/state.ts';
import type { Random } from '../../simulation/random.ts';
import { CALM, QUICK, ROUGH, SECOND, type Weather } from './world.ts';

/** Numbers are chances a second. */
export interface People {
  readonly rotate: number;
  /** The vault has a version of its own. */
  readonly version: number;
  /** A prepared root is used. */
  readonly use: number;
  /** Chance that a rotation is begun as of a compromised root. */
  readonly compromised: number;
  /** That one under way is said to be of a compromised root. */
  readonly hasten: number;
  readonly abort: number;
  /** Forward again. */
  readonly proceed: number;
  /** Once a rotation has come so far, they take it back and let it go forward again a few times in a row, and then leave it alone. */
  readonly waver: Waver | undefined;
  /** Leafs are to live for another time. */
  readonly respecify: number;
  readonly force: number;
  /** Certificates are taken out of the spec, and later into it again. */
  readonly release: number;
}

export interface Waver {
  readonly at: PhaseName;
  /** They take no step in another phase, where it says in which. */
  readonly only?: readonly PhaseName[];
  /** How many rows of steps, and the time between two of them. */
  readonly rows: number;
  readonly pauseMs: readonly [number, number];
  /** Between two steps of a row, and of how many steps a row is at most. */
  readonly betweenMs: readonly [number, number];
  readonly steps: number;
}

export interface Temper {
  readonly weather: Weather;
  /** Shares of those that are slow to load what they are pushed; `silence`: chance a second that one of them falls silent; `lost`: of its reports. */
  readonly laggards: { readonly proxies: number; readonly signers: number; readonly silence: number; readonly lost: number };
  readonly firstRootEnds: boolean;
  /** Versions of a service are rolled out meanwhile. */
  readonly rollouts: boolean;
  readonly people: People;
}

const NOBODY: People = {
  rotate: 0.05,
  version: 0,
  use: 0.1,
  compromised: 0,
  hasten: 0,
  abort: 0,
  proceed: 0,
  waver: undefined,
  respecify: 0,
  force: 0,
  release: 0,
};
export const NO_LAGGARDS = { proxies: 0, signers: 0, silence: 0, lost: 0 };

export const CALM_TEMPER: Temper = { weather: CALM, laggards: NO_LAGGARDS, firstRootEnds: false, rollouts: false, people: NOBODY };

export const MOODS = [
  'rough',
  'slow signers',
  'slow proxies',
  'doubting',
  'wavering early',
  'wavering late',
  'respecifying',
  'releasing',
  'ending',
  'forcing',
] as const;
export type Mood = (typeof MOODS)[number];

export const drawTemper = (random: Random, mood: Mood): Temper => ({ rollouts: random.chance(0.5), ...drawn(random, mood) });

function drawn(random: Random, mood: Mood): Omit<Temper, 'rollouts'> {
  const people = { ...NOBODY, version: 0.005, release: random.chance(0.1) ? 0.05 : 0 };
  const weather = random.chance(0.5) ? QUICK : ROUGH;
  const some = { proxies: random.pick([0, 0.3]), signers: random.pick([0, 0.3]), silence: 0.004, lost: 0.2 };
  const firstRootEnds = random.chance(0.15);
  switch (mood) {
    case 'rough': {
      const doubts = { abort: 0.01, proceed: 0.01, respecify: 0.005, hasten: 0.0005 };
      return { weather: ROUGH, laggards: NO_LAGGARDS, firstRootEnds, people: { ...people, ...doubts } };
    }
    case 'slow signers':
      return { weather: QUICK, laggards: { proxies: 0, signers: 0.8, silence: 0, lost: 0 }, firstRootEnds: false, people };
    case 'slow proxies':
      return { weather: QUICK, laggards: { proxies: 0.4, signers: 0, silence: 0.02, lost: 0.2 }, firstRootEnds: false, people };
    case 'doubting':
      return { weather, laggards: some, firstRootEnds, people: { ...people, abort: random.pick([0.01, 0.03]), proceed: 0.03 } };
    case 'wavering early': {
      // Long enough to load what is on the way back, and short enough for what was seen before it to be remembered.
      const only: Waver['only'] = ['distributing', 'dropping'];
      const pauseMs = [20 * SECOND, 40 * SECOND] as const;
      const waver: Waver = { at: 'distributing', only, rows: 20, pauseMs, betweenMs: [6 * SECOND, 15 * SECOND], steps: 2 };
      return wavering({ ...people, waver }, { weather: QUICK, laggards: { proxies: 0.3, signers: 0, silence: 0.005, lost: 0.95 } });
    }
    case 'wavering late': {
      const pauseMs = [5 * SECOND, 30 * SECOND] as const;
      const waver: Waver = { at: 'pruned', rows: 8, pauseMs, betweenMs: [SECOND, random.pick([4, 4, 12, 30]) * SECOND], steps: 5 };
      const laggards = { proxies: random.pick([0, 0.5]), signers: random.pick([0, 0.5]), silence: 0.004, lost: 0.2 };
      return wavering({ ...people, waver }, { weather: { ...QUICK, slow: random.pick([0.15, 0.3]) }, laggards });
    }
    case 'respecifying':
      return { weather: QUICK, laggards: NO_LAGGARDS, firstRootEnds: false, people: { ...people, respecify: 0.02 } };
    case 'releasing':
      return { weather, laggards: NO_LAGGARDS, firstRootEnds: false, people: { ...people, rotate: 0.0005, version: 0, release: 0.04 } };
    case 'ending': {
      const doubts = random.chance(0.5) ? {} : { rotate: 0.02, use: 0.1, abort: 0.01 };
      return { weather, laggards: some, firstRootEnds: true, people: { ...people, rotate: 0, version: 0.02, use: 0, ...doubts } };
    }
    case 'forcing': {
      const forces = { compromised: 0.5, hasten: 0.005, force: random.pick([0.02, 0.1]), abort: 0.01, proceed: 0.05 };
      return { weather, laggards: some, firstRootEnds, people: { ...people, ...forces } };
    }
  }
}

const wavering = (people: People, of: Pick<Temper, 'weather' | 'laggards'>): Omit<Temper, 'rollouts'> => ({
  ...of,
  firstRootEnds: false,
  people: { ...people, rotate: 0.2, use: 0.5 },
});
