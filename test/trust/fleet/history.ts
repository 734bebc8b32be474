/**
 * One life of a mesh's trust from a seed: almost half an hour in which people step in, data planes lag, workloads come and go and the
 * vault takes its time; then everybody recovers, and whatever is under way has to come to its end.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Authority } from '../../../src/trust/certificates.ts';
import type { TrustCommand } from '../../../src/trust/commands.ts';
import { decide } from '../../../src/trust/decide.ts';
import type { TrustEvent } from '../../../src/trust/events.ts';
import { evolve, isGated } from '../../../src/trust/evolve.ts';
import type { FleetLook } from '../../../src/trust/gates.ts';
import { initialTrustState, type PhaseName, settingsOf, type TrustState, trustStateSchema } from '../../../src/trust/state.ts';
import { nextWake, rootsOf } from '../../../src/trust/timing.ts';
import { Random } from '../../simulation/random.ts';
import { authority, certificatesSpec, issuer } from '../samples.ts';
import { Excused } from './excused.ts';
import { allCanTalk, allLeafsAreBelieved, oneThingAtATime } from './invariants.ts';
import { StepsIn } from './people.ts';
import { Rollouts } from './rollouts.ts';
import { CALM_TEMPER, drawTemper, type Mood, NO_LAGGARDS } from './temper.ts';
import { clocks, Workload } from './workload.ts';
import { CALM, call, type DataPlane, LEAF, LONG_LEAF, lag, SECOND, type World } from './world.ts';

const MINUTE = 60 * SECOND;
const ROUGH_MS = 25 * MINUTE;
/** Two leafs' lives a phase and both soaks, for the longest way: back, and forward again. */
const RECOVERY_MS = 12 * LONG_LEAF;
const ISSUER_LIFE = 10 * MINUTE;
/** The first one may end on the way. */
const ROOT_LIFE = 600 * MINUTE;

export interface History {
  readonly violation: string | undefined;
  readonly rotated: number;
  readonly abortedFrom: readonly string[];
  readonly overdue: number;
  /** How often somebody could not talk who was named when a gate was forced. */
  readonly failedAsNamed: number;
  /** How often a rollout has waited for a rotation. */
  readonly waited: number;
}

/** `calm`: nobody is slow, silent or away, and nobody steps in. */
export function runHistory(seed: number, mood: Mood | 'calm'): History {
  return new Life(new Random(seed), mood, new Random(seed + 1_000_000)).run();
}

class Life implements World {
  readonly random: Random;
  readonly planes: readonly DataPlane[];
  readonly known: World['known'] = new Map();
  issued: World['issued'] = [];
  now = Date.parse('2026-11-22T14:00:00Z');
  weather: World['weather'];
  readonly #workloads: Workload[];
  readonly #clock: () => number;
  readonly #agenda: { readonly at: number; readonly what: () => void }[] = [];
  readonly #events: { readonly event: TrustEvent; readonly version: number; readonly at: number }[] = [];
  #state: TrustState = initialTrustState;
  #version = 0;
  #specVersion = 0;
  #roots = 0;
  #issuers = 100;
  #violation: string | undefined;
  #lookAt = 0;
  #alarmAt: number | undefined;
  /** When somebody could last sign, or nobody had to. */
  #signedAt = this.now;
  readonly #rollouts: Rollouts | undefined;
  /** What others do that the fleet knows nothing of. */
  readonly #others: Random;
  readonly #people: StepsIn;
  laggards: World['laggards'];
  readonly excused = new Excused();
  readonly #firstRootLife: number;
  readonly #counts = { rotated: 0, overdue: 0 };
  readonly #abortedFrom: string[] = [];

  constructor(random: Random, mood: Mood | 'calm', others: Random) {
    this.random = random;
    this.#others = others;
    const { weather, laggards, firstRootEnds, rollouts, people } = mood === 'calm' ? CALM_TEMPER : drawTemper(others, mood);
    this.weather = weather;
    this.laggards = laggards;
    this.#people = new StepsIn(people, others);
    this.#rollouts = rollouts ? new Rollouts(this, new Random(others.between(0, 1_000_000))) : undefined;
    this.#firstRootLife = firstRootEnds ? random.between(12, 20) * MINUTE : ROOT_LIFE;
    this.planes = ['east', 'west', 'edge'].slice(0, random.between(1, 3)).map((name) => ({
      name,
      kind: random.chance(0.5) ? 'own' : 'central',
      material: undefined,
    }));
    this.#clock = clocks(this);
    this.#workloads = this.#populate();
  }

  born(plane: DataPlane): void {
    const ofPlane = this.#workloads.filter((each) => each.plane === plane);
    const signers = ofPlane.filter(({ kind }) => kind === 'control-plane');
    this.#workloads.push(new Workload(this, `${plane.name}/new-${ofPlane.length}`, 'proxy', plane, this.#clock(), signers));
  }

  #populate(): Workload[] {
    return this.planes.flatMap((plane) => {
      const one = (id: string, kind: Workload['kind'], signers: readonly Workload[]): Workload =>
        new Workload(this, `${plane.name}/${id}`, kind, plane, this.#clock(), signers);
      const signers =
        plane.kind === 'own' ? ['istiod-a', 'istiod-b'].slice(0, this.random.between(1, 2)).map((id) => one(id, 'control-plane', [])) : [];
      const proxies = ['web', 'cart', 'pay']
        .slice(0, this.random.between(plane === this.planes[0] ? 1 : 0, 3))
        .map((id) => one(id, 'proxy', signers));
      const strangers = plane.kind === 'own' ? [one('stranger', 'stranger', signers)] : [];
      return [...signers, ...proxies, ...strangers];
    });
  }

  state(): TrustState {
    return this.#state;
  }

  later(ms: number, what: () => void): void {
    this.#agenda.push({ at: this.now + ms, what });
  }

  run(): History {
    this.#specify(LEAF);
    const begun = this.now;
    while (this.now < begun + ROUGH_MS && this.#violation === undefined) this.#second(true);
    this.weather = CALM;
    this.laggards = NO_LAGGARDS;
    for (const workload of this.#workloads) workload.heal();
    const recovered = this.now;
    while (this.now < recovered + RECOVERY_MS && this.#violation === undefined && !this.#isOver()) this.#second(false);
    const { rotation } = this.#state;
    if (this.#violation === undefined && rotation) this.#violated(`still ${rotation.phase.name}: ${rotation.heldBy}`);
    if (this.#rollouts?.isOver === false) this.#violated('a rollout has not come to its end');
    this.#replayed();
    return {
      violation: this.#violation,
      abortedFrom: this.#abortedFrom,
      failedAsNamed: this.excused.failures,
      waited: this.#rollouts?.waited ?? 0,
      ...this.#counts,
    };
  }

  #second(people: boolean): void {
    this.now += SECOND;
    const due = this.#agenda.filter(({ at }) => at <= this.now).sort((a, b) => a.at - b.at);
    this.#agenda.splice(0, this.#agenda.length, ...this.#agenda.filter(({ at }) => at > this.now));
    for (const { what } of due) what();
    for (const workload of this.#workloads) workload.live();
    if (people) this.#stepIn();
    // One that is due goes by itself, whatever waits to be used.
    else if (this.#state.rotation?.phase.name === 'prepared' && !this.#isFirst(this.#state.current))
      this.#give({ type: 'Proceed', by: 'eve' });
    this.#rollouts?.second(people);
    this.#alarm();
    this.#look();
    this.issued = this.issued.filter(({ notAfter }) => notAfter + LEAF > this.now);
    this.excused.passed(this.#workloads, this.now);
    const wrong =
      allCanTalk(this, this.#workloads) ?? allLeafsAreBelieved(this, this.#workloads) ?? this.#nobodySigns() ?? this.#rollouts?.wrong;
    if (wrong) this.#violated(wrong);
  }

  /** Where there are certificates, somebody can sign them; what the vault is asked for is there in its time. */
  #nobodySigns(): string | undefined {
    const { spec } = this.#state;
    const signer = settingsOf(this.#state)?.signer;
    const canSign = !spec || !signer || signer.notAfter <= this.now || signer.issuer.notAfter > this.now;
    if (canSign) this.#signedAt = this.now;
    return this.now > this.#signedAt + 5 * MINUTE ? 'nobody has been able to sign for minutes' : undefined;
  }

  #isOver(): boolean {
    return !this.#state.rotation && this.#rollouts?.isOver !== false;
  }

  #isFirst(root: Authority | undefined): boolean {
    return this.#firstRootLife < ROOT_LIFE && root !== undefined && root.notAfter - root.notBefore === this.#firstRootLife;
  }

  #violated(what: string): void {
    const { rotation } = this.#state;
    this.#violation ??= `${what} (${rotation ? `${rotation.id} ${rotation.phase.name}` : 'at rest'}, ${new Date(this.now).toISOString()})`;
  }

  #stepIn(): void {
    for (const step of this.#people.now(this.now, this.#state)) {
      switch (step.step) {
        case 'rotate':
          this.#give({ type: 'Rotate', cause: step.cause, by: 'ada' });
          break;
        case 'version':
          this.#give({ type: 'Rotate', cause: 'new-version', by: 'vault', version: `v${this.#version}` });
          break;
        case 'proceed':
          this.#give({ type: 'Proceed', by: 'eve' });
          break;
        case 'abort':
          this.#give({ type: 'Abort', by: 'ada' });
          break;
        case 'release':
          this.#specVersion += 1;
          this.#give({ type: 'Release', specVersion: this.#specVersion });
          break;
        case 'specify':
          this.#specify(step.leafLifeMs);
          break;
        case 'force': {
          const { rotation, phase } = step;
          const look = this.#seen();
          this.later(call(this), () => this.#give({ type: 'Force', by: 'ada', rotation, phase, look }));
        }
      }
    }
  }

  #specify(leafLifeMs: number): void {
    this.#specVersion += 1;
    const spec = certificatesSpec({ leafLifeMs, issuerLifeMs: ISSUER_LIFE, rootLifeMs: ROOT_LIFE });
    const dataPlanes = this.planes.map(({ name }) => name);
    this.#give({ type: 'Specify', spec, trustDomain: 'shop.example', dataPlanes, specVersion: this.#specVersion });
  }

  #alarm(): void {
    const due = nextWake(this.#state);
    if (due === undefined || due > this.now) this.#alarmAt = undefined;
    else this.#alarmAt ??= this.now + call(this);
    if (this.#alarmAt === undefined || this.#alarmAt > this.now) return;
    this.#alarmAt = undefined;
    this.#give({ type: 'Elapsed' });
  }

  /** Taken now, told of a little later: another may be quicker. */
  #look(): void {
    const { rotation } = this.#state;
    if (this.now < this.#lookAt || !rotation || !isGated(rotation.phase)) return;
    this.#lookAt = this.now + this.random.between(1, 4) * SECOND;
    const look = this.#seen();
    this.later(call(this), () => this.#give({ type: 'Looked', look }));
  }

  #seen(): FleetLook {
    const { settingsVersion, dataPlanes } = this.#state;
    for (const workload of this.#workloads) workload.listed();
    const unseen = this.planes.flatMap(({ name, material }) => {
      if ((material?.revision ?? 0) < settingsVersion) return [{ dataPlane: name, because: 'it was not brought that yet.' }];
      return this.random.chance(this.weather.unseen) ? [{ dataPlane: name, because: 'it does not answer.' }] : [];
    });
    const seen = [...this.known].filter(([, { dataPlane }]) => !unseen.some((each) => each.dataPlane === dataPlane));
    const members = seen.map(([id, { presents, trusts, ...known }]) => ({
      id,
      ...known,
      trusts: [...trusts],
      ...(presents ? { presents } : {}),
    }));
    return { at: this.now, dataPlanes, members, unseen };
  }

  #give(command: TrustCommand): void {
    const why = this.#rollouts?.locks;
    const locked = why === undefined ? {} : { locked: why };
    const decision = decide(this.#state, command, { now: this.now, version: this.#version + 1, ...locked });
    if (decision.kind !== 'accepted') return;
    this.#version += 1;
    for (const event of decision.events) this.#happened(event);
    for (const { kind, target } of decision.effects) this.#owe(kind, target ?? '');
  }

  #happened(event: TrustEvent): void {
    const before = this.#state;
    this.#events.push({ event, version: this.#version, at: this.now });
    this.#state = evolve(before, event, { version: this.#version, at: this.now });
    this.excused.happened(event, before, this.#workloads);
    const wrong = oneThingAtATime(before, this.#state);
    if (wrong) this.#violated(`${event.type}: ${wrong}`);
    if (event.type === 'RotationCompleted') this.#counts.rotated += 1;
    if (event.type === 'PhaseOverdue') this.#counts.overdue += 1;
    if (event.type === 'AbortBegun') this.#abortedFrom.push(event.from);
  }

  #owe(kind: string, target: string): void {
    if (kind === 'make') this.later(call(this), () => this.#make(target));
    if (kind === 'issuer') this.later(lag(this, MINUTE / 2), () => this.#issuer(target));
    if (kind === 'key') this.later(call(this), () => this.#key(target));
    if (kind === 'trust') this.#bring(target);
  }

  #make(wish: string): void {
    const { rotation } = this.#state;
    if (rotation?.id === wish && rotation.adopts !== undefined && this.#others.chance(0.3)) {
      this.#give({ type: 'NothingMade', wish, because: 'It is no root.' });
      return;
    }
    this.#roots += 1;
    const made = authority(this.#roots, this.now, wish === 'first' ? this.#firstRootLife : ROOT_LIFE);
    const issuerEnds = Math.min(made.notAfter, this.now + ISSUER_LIFE);
    this.#give({ type: 'AuthorityMade', wish, authority: { ...made, issuer: { ...made.issuer, notAfter: issuerEnds } } });
  }

  #issuer(root: string): void {
    const under = rootsOf(this.#state).find(({ fingerprint }) => fingerprint === root);
    if (!this.#state.spec || !under || under.notAfter <= this.now) return;
    this.#issuers += 1;
    this.#give({ type: 'IssuerMade', root, issuer: issuer(this.#issuers, this.now, Math.min(under.notAfter, this.now + ISSUER_LIFE)) });
  }

  #key(root: string): void {
    const { rotation, current } = this.#state;
    const phase: PhaseName | undefined = rotation?.phase.name;
    const isPutAway =
      (phase === 'retired' && current?.fingerprint === root) || (phase === 'discarding' && rotation?.to?.fingerprint === root);
    if (isPutAway) this.#give({ type: 'KeyDisabled', root });
  }

  /** The settings are read, and written some time later; what is written never goes back to an earlier revision. */
  #bring(name: string): void {
    const plane = this.planes.find((each) => each.name === name);
    this.later(lag(this), () => {
      const settings = settingsOf(this.#state);
      if (!plane || !settings) return;
      const { settingsVersion: revision } = this.#state;
      const material = { revision, roots: settings.roots.map(({ fingerprint }) => fingerprint), signer: settings.signer };
      this.later(call(this), () => {
        if (plane.material && plane.material.revision >= revision) return;
        plane.material = material;
        for (const workload of this.#workloads) if (workload.plane === plane) workload.pushed();
      });
    });
  }

  #replayed(): void {
    const folded = this.#events.reduce((state, { event, version, at }) => evolve(state, event, { version, at }), initialTrustState);
    if (!isDeepStrictEqual(folded, this.#state)) this.#violated('what was recorded folds to something else');
    const stored: unknown = JSON.parse(JSON.stringify(folded));
    if (!isDeepStrictEqual(trustStateSchema.parse(stored), folded)) this.#violated('it is not stored as it is');
  }
}
