/**
 * The words in which the specifications of a mesh's trust are told: given what was decided before, when a command comes, then these events,
 * this phase, these settings, these effects. Everything goes through the real `decide` and `evolve`.
 */
import { expect } from 'vitest';
import type { Decision, Effect } from '../../src/decision.ts';
import type { TrustCommand } from '../../src/trust/commands.ts';
import { decide } from '../../src/trust/decide.ts';
import type { TrustEvent } from '../../src/trust/events.ts';
import { evolve } from '../../src/trust/evolve.ts';
import type { FleetLook, Member } from '../../src/trust/gates.ts';
import { initialTrustState, type Phase, type Rotation, settingsOf, type TrustState } from '../../src/trust/state.ts';
import { nextWake } from '../../src/trust/timing.ts';
import { authority, certificatesSpec, fingerprint, LEAF, SECOND, SKEW, T0 } from './samples.ts';

export const specify = (spec = certificatesSpec(), specVersion = 1, dataPlanes: readonly string[] = ['east', 'west']): TrustCommand => ({
  type: 'Specify',
  spec,
  trustDomain: 'shop.example',
  dataPlanes,
  specVersion,
});

/** By their numbers: which roots, and under which its leaf is. */
export interface Seen {
  readonly trusts: readonly number[];
  readonly under?: number;
  readonly leafEnds?: number;
  readonly seenAt?: number;
  readonly trouble?: string;
  readonly mayPresentUntil?: number;
  readonly dataPlane?: string;
}

export class Story {
  state: TrustState = initialTrustState;
  version = 0;
  now = T0;
  readonly events: { event: TrustEvent; version: number; at: number }[] = [];
  #decision: Decision<TrustEvent> | undefined;
  #locked: string | undefined;
  readonly #members = new Map<string, Member>();
  readonly #unseen = new Map<string, string>();

  give(command: TrustCommand): Decision<TrustEvent> {
    const context = { now: this.now, version: this.version + 1, ...(this.#locked === undefined ? {} : { locked: this.#locked }) };
    const decision = decide(this.state, command, context);
    if (decision.kind === 'accepted') {
      this.version += 1;
      for (const event of decision.events) {
        this.events.push({ event, version: this.version, at: this.now });
        this.state = evolve(this.state, event, { version: this.version, at: this.now });
      }
    }
    this.#decision = decision;
    return decision;
  }

  given(...commands: readonly TrustCommand[]): this {
    for (const command of commands) expect(this.give(command), JSON.stringify(command)).toMatchObject({ kind: 'accepted' });
    return this;
  }

  when(command: TrustCommand): this {
    this.give(command);
    return this;
  }

  after(ms: number): this {
    this.now += ms;
    return this;
  }

  locked(why: string | undefined): this {
    this.#locked = why;
    return this;
  }

  /** This one was seen now, like that; until it is seen again. */
  member(id: string, seen: Seen): this {
    const { trusts, under, leafEnds = this.now + LEAF, seenAt = this.now, dataPlane = 'east', trouble, mayPresentUntil } = seen;
    this.#members.set(id, {
      id,
      dataPlane,
      kind: 'proxy',
      seenAt,
      trusts: trusts.map(fingerprint),
      ...(under === undefined ? {} : { presents: { issuer: fingerprint(1_000 + under), notAfter: leafEnds } }),
      ...(trouble === undefined ? {} : { trouble }),
      ...(mayPresentUntil === undefined ? {} : { mayPresentUntil }),
    });
    return this;
  }

  gone(id: string): this {
    this.#members.delete(id);
    return this;
  }

  unseen(dataPlane: string, because = 'it does not answer.'): this {
    this.#unseen.set(dataPlane, because);
    return this;
  }

  answers(dataPlane: string): this {
    this.#unseen.delete(dataPlane);
    return this;
  }

  look(): FleetLook {
    const unseen = [...this.#unseen].map(([dataPlane, because]) => ({ dataPlane, because }));
    return { at: this.now, dataPlanes: this.state.dataPlanes, members: [...this.#members.values()], unseen };
  }

  /** Time passes, and the fleet is looked at as it was seen last. */
  looked(ms = SECOND): this {
    return this.after(ms).when({ type: 'Looked', look: this.look() });
  }

  /** All of these are seen like that, and the fleet is looked at; twice, the second time newer. */
  seenTwice(ids: readonly string[], seen: Omit<Seen, 'seenAt' | 'leafEnds'>): this {
    for (const _time of [1, 2]) {
      this.after(SECOND);
      for (const id of ids) this.member(id, seen);
      this.when({ type: 'Looked', look: this.look() });
    }
    return this;
  }

  /** Time passes to what is due next, and the alarm rings. */
  elapse(): this {
    const due = nextWake(this.state);
    if (due === undefined) throw new Error('Nothing here is due.');
    this.now = Math.max(this.now, due);
    return this.when({ type: 'Elapsed' });
  }

  thenRecords(...types: readonly TrustEvent['type'][]): this {
    expect(this.#decision).toMatchObject({ kind: 'accepted' });
    expect(this.#decision?.kind === 'accepted' ? this.#decision.events.map(({ type }) => type) : []).toEqual(types);
    return this;
  }

  thenRefuses(reason: string): this {
    expect(this.#decision).toMatchObject({ kind: 'refused', reason });
    return this;
  }

  thenChangesNothing(reason = 'NothingToDo'): this {
    expect(this.#decision).toMatchObject({ kind: 'unchanged', reason });
    return this;
  }

  thenSays(text: string | RegExp): this {
    expect(this.#decision?.message).toMatch(text);
    return this;
  }

  thenPhase<Name extends Phase['name']>(name: Name, fields: Partial<Extract<Phase, { name: Name }>> = {}): this {
    expect(this.state.rotation?.phase).toMatchObject({ name, ...fields });
    return this;
  }

  /** It holds, and says why. */
  thenHolds(phase: Phase['name'], because: string | RegExp): this {
    this.thenPhase(phase);
    expect(this.state.rotation?.heldBy).toMatch(because);
    return this;
  }

  /** By their numbers; the first signs. */
  thenTrusts(...roots: readonly number[]): this {
    const settings = settingsOf(this.state);
    expect(settings?.roots.map((root) => root.fingerprint)).toEqual(roots.map(fingerprint));
    expect(settings?.signer.fingerprint).toBe(fingerprint(roots[0] ?? 0));
    return this;
  }

  thenRests(root: number): this {
    expect(this.state.rotation).toBeUndefined();
    expect(this.state.current?.fingerprint).toBe(fingerprint(root));
    return this.thenTrusts(root);
  }

  /** Everything the decision calls for, such as `trust east`, `look fleet`, `card rotation-phase`; in any order. */
  thenOwes(...effects: readonly string[]): this {
    const owed = this.#decision?.kind === 'accepted' ? this.#decision.effects : [];
    expect(owed.map(wordOf).sort()).toEqual([...effects].sort());
    return this;
  }

  /** Among what the decision calls for, people are told this. */
  thenCards(topic: string, data: Readonly<Record<string, unknown>>): this {
    const owed = this.#decision?.kind === 'accepted' ? this.#decision.effects : [];
    expect(owed.find((effect) => effect.kind === 'card' && effect.data?.topic === topic)?.data).toMatchObject(data);
    return this;
  }
}

const wordOf = ({ kind, target, data }: Effect): string => `${kind} ${target === undefined ? data?.topic : target}`;

export const BRINGS = ['trust east', 'trust west', 'look fleet'];
export const ALL = ['web', 'cart', 'pay'];

export const rotateFor = (cause: Rotation['cause'], by = 'ada', version?: string): TrustCommand => ({
  type: 'Rotate',
  cause,
  by,
  ...(version === undefined ? {} : { version }),
});

export const made = (story: Story, number: number): TrustCommand => ({
  type: 'AuthorityMade',
  wish: story.state.rotation?.id ?? 'first',
  authority: authority(number, story.now),
});

/** Root 1 is in force; all have it. */
export function resting(spec = certificatesSpec()): Story {
  const story = new Story().given(specify(spec));
  return story.given(made(story, 1)).seenTwice(ALL, { trusts: [1], under: 1 });
}

export const preparing = (spec = certificatesSpec(), cause: Rotation['cause'] = 'asked'): Story => resting(spec).given(rotateFor(cause));

/** Root 2 is made; nobody has it yet. */
export function distributing(spec = certificatesSpec(), cause: Rotation['cause'] = 'asked'): Story {
  const story = preparing(spec, cause);
  return story.given(made(story, 2));
}

export const issuing = (spec = certificatesSpec(), cause: Rotation['cause'] = 'asked'): Story =>
  distributing(spec, cause)
    .seenTwice(ALL, { trusts: [1, 2], under: 1 })
    .thenPhase('issuing');

export const soaking = (spec = certificatesSpec(), cause: Rotation['cause'] = 'asked'): Story =>
  issuing(spec, cause)
    .seenTwice(ALL, { trusts: [1, 2], under: 2 })
    .thenPhase('soaking');

/** To after the end of every leaf that a phase counts down. */
export const OVER = LEAF + SKEW + SECOND;

export const pruned = (spec = certificatesSpec(), cause: Rotation['cause'] = 'asked'): Story =>
  soaking(spec, cause)
    .after(OVER)
    .seenTwice(ALL, { trusts: [1, 2], under: 2 })
    .thenPhase('pruned');

export const retired = (): Story =>
  pruned()
    .seenTwice(ALL, { trusts: [2], under: 2 })
    .thenPhase('retired');

/** It was pruned, and goes back. */
export const restoring = (): Story => pruned().given({ type: 'Abort', by: 'ada' }).thenPhase('restoring');

export const returning = (): Story => issuing().given({ type: 'Abort', by: 'ada' }).thenPhase('returning');

export const dropping = (): Story => distributing().given({ type: 'Abort', by: 'ada' }).thenPhase('dropping');

export const discarding = (): Story =>
  dropping()
    .seenTwice(ALL, { trusts: [1], under: 1 })
    .thenPhase('discarding');

/** Alarms ring until then; issuers that are due are made. */
export function renewingUntil(story: Story, time: number): void {
  for (let alarms = 0; alarms < 400 && (nextWake(story.state) ?? Number.POSITIVE_INFINITY) <= time; alarms += 1) {
    story.elapse();
    for (const root of story.state.renewing) {
      const { notAfter } = [story.state.current, story.state.rotation?.to].find((each) => each?.fingerprint === root) ?? { notAfter: 0 };
      const issuer = { ...authority(70, story.now).issuer, fingerprint: fingerprint(20_000 + alarms) };
      story.given({ type: 'IssuerMade', root, issuer: { ...issuer, notAfter: Math.min(issuer.notAfter, notAfter) } });
    }
  }
}
