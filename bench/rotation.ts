/**
 * A rotation against the number of proxies, with the real decisions on a clock of their own: proxies hear of new roots within seconds,
 * come for new leafs within the time that Key Vault's quota gives, and are seen at each look. One figure is what a rotation takes beside
 * the life of a leaf that it has to wait for anyway; the other what one look at 10,000 proxies costs this process.
 */
import { cpus, loadavg } from 'node:os';
import { certificatesSpecSchema } from '../src/spec/certificates-schema.ts';
import type { Authority } from '../src/trust/certificates.ts';
import type { TrustCommand } from '../src/trust/commands.ts';
import { decide } from '../src/trust/decide.ts';
import { evolve } from '../src/trust/evolve.ts';
import type { FleetLook, Member } from '../src/trust/gates.ts';
import { lookEveryMs, renewWithinMs } from '../src/trust/pace.ts';
import { initialTrustState, settingsOf, type TrustState } from '../src/trust/state.ts';
import { livesOf, soakMs } from '../src/trust/timing.ts';
import { type Benchmark, type Figure, percentile, tenths } from './figure.ts';

const LOOK = 'rotation_look_10000_ms';
const TIME = 'rotation_10000_s';
const TARGETS = { [LOOK]: 50, [TIME]: 900 };
const FLEETS = [10, 100, 1_000, 10_000] as const;
const HOUR_MS = 3_600_000;
const SPEC = certificatesSpecSchema.parse({
  name: 'mesh-root',
  algorithm: 'P-256',
  rootLifeMs: 5 * 365 * 24 * HOUR_MS,
  issuerLifeMs: 7 * 24 * HOUR_MS,
  leafLifeMs: 24 * HOUR_MS,
  approvals: [],
  attest: [],
});
/** From the write of a data plane's material to the proxy that has loaded it. */
const PUSHED_WITHIN_MS = 5_000;
const VAULT_MS = 5_000;

export const rotation: Benchmark = {
  names: [LOOK, TIME],
  measure(progress) {
    const runs = FLEETS.map((proxies) => {
      const run = rotate(proxies);
      progress(
        `${proxies} proxies: ${tenths(run.besideSoakMs / 1_000)} s beside the soak, look p99 ${tenths(percentile(run.lookMs, 0.99))} ms`,
      );
      return { proxies, ...run };
    });
    return Promise.resolve(figuresOf(runs));
  },
};

interface Run {
  readonly besideSoakMs: number;
  readonly looks: number;
  /** What each look and decision took of this process. */
  readonly lookMs: readonly number[];
}

/** Spread over 0..1 without chance: the fractions of multiples of the golden ratio. */
const spread = (index: number): number => (index * 0.618_033_988_75) % 1;

class Fleet {
  readonly #proxies: number;
  readonly #before: { at: number; roots: readonly string[]; issuer: string }[] = [];

  constructor(proxies: number) {
    this.#proxies = proxies;
  }

  brought(at: number, state: TrustState): void {
    const settings = settingsOf(state);
    if (!settings) return;
    this.#before.unshift({ at, roots: settings.roots.map(({ fingerprint }) => fingerprint), issuer: settings.signer.issuer.fingerprint });
  }

  look(at: number): FleetLook {
    const members: Member[] = [];
    const window = renewWithinMs(this.#proxies, SPEC);
    for (let index = 0; index < this.#proxies; index += 1) {
      const since = (ms: number) => this.#before.find((each) => each.at + ms * spread(index) <= at) ?? this.#before.at(-1);
      const presents = { issuer: since(window)?.issuer ?? '', notAfter: at + SPEC.leafLifeMs };
      members.push({
        id: `edge/proxy-${index}`,
        dataPlane: 'edge',
        kind: 'proxy',
        seenAt: at,
        trusts: [...(since(PUSHED_WITHIN_MS)?.roots ?? [])],
        presents,
      });
    }
    return { at, dataPlanes: ['edge'], members, unseen: [] };
  }
}

function rotate(proxies: number): Run {
  let [state, now, version, looks, soakedAt] = [initialTrustState, 0, 0, 0, 0];
  const fleet = new Fleet(proxies);
  const lookMs: number[] = [];
  const give = (command: TrustCommand): void => {
    const { settingsVersion } = state;
    const started = performance.now();
    const decision = decide(state, command, { now, version: version + 1 });
    if (command.type === 'Looked') lookMs.push(performance.now() - started);
    if (decision.kind !== 'accepted') return;
    version += 1;
    for (const event of decision.events) state = evolve(state, event, { version, at: now });
    if (state.settingsVersion !== settingsVersion) fleet.brought(now, state);
  };
  give({ type: 'Specify', spec: SPEC, trustDomain: 'bench', dataPlanes: ['edge'], specVersion: 1 });
  give({ type: 'AuthorityMade', wish: 'first', authority: authority('1', now) });
  now = 8 * HOUR_MS;
  const started = now;
  give({ type: 'Rotate', cause: 'asked', by: 'bench' });
  now += VAULT_MS;
  give({ type: 'AuthorityMade', wish: state.rotation?.id ?? '', authority: authority('2', now) });
  while (state.rotation && state.rotation.phase.name !== 'retired') {
    now += lookEveryMs(SPEC.leafLifeMs);
    const { phase } = state.rotation;
    // Nothing happens in the soak but looks that hold; those of the last minutes are enough.
    if (phase.name === 'soaking' && soakedAt === 0) {
      soakedAt = phase.until;
      now = Math.max(now, phase.until - 10 * lookEveryMs(SPEC.leafLifeMs));
    }
    give({ type: 'Looked', look: fleet.look(now) });
    looks += 1;
    if (looks > 10_000) throw new Error(`The rotation of ${proxies} proxies does not end: ${state.rotation?.heldBy}`);
  }
  now += VAULT_MS;
  give({ type: 'KeyDisabled', root: state.current?.fingerprint ?? '' });
  if (state.rotation) throw new Error('The rotation has not ended.');
  return { besideSoakMs: now - started - soakMs(livesOf(SPEC)), looks, lookMs };
}

function authority(digit: string, notBefore: number): Authority {
  const [fingerprint, issuer] = [digit.repeat(64), `a${digit.repeat(63)}`];
  const made = { certificate: '', keyId: digit, notBefore };
  return {
    ...made,
    fingerprint,
    certificateId: digit,
    algorithm: SPEC.algorithm,
    origin: 'made',
    notAfter: notBefore + SPEC.rootLifeMs,
    issuer: { ...made, fingerprint: issuer, notAfter: notBefore + SPEC.issuerLifeMs },
    formerIssuers: [],
  };
}

function figuresOf(runs: readonly (Run & { readonly proxies: number })[]): readonly Figure[] {
  const largest = runs.at(-1);
  if (!largest) throw new Error('No fleet was rotated.');
  const each = runs.map(({ proxies, besideSoakMs }) => `${proxies}: ${tenths(besideSoakMs / 1_000)} s`).join(', ');
  const lives = livesOf(SPEC);
  const look = {
    name: LOOK,
    value: tenths(percentile(largest.lookMs, 0.99)),
    unit: 'ms',
    target: TARGETS[LOOK],
    note: `p50 ${tenths(percentile(largest.lookMs, 0.5))} ms of ${largest.lookMs.length} looks at 10,000 proxies, judged and decided.`,
  };
  const cause = `load ${loadavg()[0]?.toFixed(1)} on ${cpus().length} cores.`;
  return [
    look.value > look.target ? { ...look, cause } : look,
    {
      name: TIME,
      value: tenths(largest.besideSoakMs / 1_000),
      unit: 's',
      target: TARGETS[TIME],
      note: `Simulated, beside the ${tenths(soakMs(lives) / HOUR_MS)} hours that leafs of ${SPEC.leafLifeMs / HOUR_MS} hours are counted down: ${each}. A look each ${lookEveryMs(SPEC.leafLifeMs) / 1_000} s; each gate takes two.`,
    },
  ];
}
