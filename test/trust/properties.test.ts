/** What holds of a mesh's trust whatever is asked of it, in whatever order, by whomever, and whatever is said to have been seen. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TrustCommand } from '../../src/trust/commands.ts';
import { evolve, isGated } from '../../src/trust/evolve.ts';
import { CAUSES, GATES, initialTrustState, settingsOf, trustStateSchema } from '../../src/trust/state.ts';
import { trustStream } from '../../src/trust/trust-stream.ts';
import { oneThingAtATime } from './fleet/invariants.ts';
import { authority, certificatesSpec, DAY, fingerprint, LEAF, MINUTE, SECOND, versionOf } from './samples.ts';
import { ALL, made, Story, specify } from './story.ts';

const RUNS = { numRuns: 500 };

type Act =
  | { readonly act: 'rotate'; readonly cause: (typeof CAUSES)[number]; readonly by: string; readonly version: number }
  | { readonly act: 'made' | 'elapse' | 'issuers' | 'disabled' | 'follow' }
  | { readonly act: 'wait'; readonly ms: number }
  | { readonly act: 'hand'; readonly type: 'Proceed' | 'Abort' | 'Force'; readonly by: string }
  | { readonly act: 'approve'; readonly gate: (typeof GATES)[number]; readonly by: string }
  | { readonly act: 'seen'; readonly id: string; readonly trusts: readonly number[]; readonly under: number; readonly trouble: boolean }
  | { readonly act: 'unseen' | 'answers' }
  | {
      readonly act: 'specify';
      readonly leafLifeMs: number;
      readonly approvals: readonly (typeof GATES)[number][];
      readonly dataPlanes: readonly string[];
    };

const by = fc.constantFrom('ada', 'eve', 'meshwright');
const always = <Name extends string>(act: Name) => fc.record({ act: fc.constant(act) });
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ act: fc.constant('rotate'), cause: fc.constantFrom(...CAUSES), by, version: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 4, arbitrary: always('made') },
  { weight: 2, arbitrary: always('elapse') },
  { weight: 1, arbitrary: always('issuers') },
  { weight: 2, arbitrary: always('disabled') },
  { weight: 8, arbitrary: always('follow') },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('wait'), ms: fc.constantFrom(SECOND, MINUTE, LEAF, DAY, 200 * DAY) }) },
  { weight: 3, arbitrary: fc.record({ act: fc.constant('hand'), type: fc.constantFrom('Proceed', 'Abort', 'Force'), by }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('approve'), gate: fc.constantFrom(...GATES), by }) },
  {
    weight: 2,
    arbitrary: fc.record({
      act: fc.constant('seen'),
      id: fc.constantFrom(...ALL),
      trusts: fc.subarray([1, 2, 3]),
      under: fc.integer({ min: 1, max: 3 }),
      trouble: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Act>({ act: 'unseen' }, { act: 'answers' }) },
  {
    weight: 1,
    arbitrary: fc.record({
      act: fc.constant('specify'),
      leafLifeMs: fc.constantFrom(LEAF, MINUTE, DAY),
      approvals: fc.subarray([...GATES]),
      dataPlanes: fc.subarray(['east', 'west', 'north'], { minLength: 1 }),
    }),
  },
);
const acts = fc.array(act, { minLength: 5, maxLength: 60, size: 'max' });

/** What the act asks; nothing where it only changes the world. */
function play(story: Story, each: Act): TrustCommand | undefined {
  const { rotation, current, renewing } = story.state;
  switch (each.act) {
    case 'rotate':
      return { type: 'Rotate', cause: each.cause, by: each.by, version: versionOf(each.version) };
    case 'made':
      return made(story, story.version + 10);
    case 'issuers': {
      const [root] = renewing;
      return root === undefined ? undefined : { type: 'IssuerMade', root, issuer: authority(story.version + 5_000, story.now).issuer };
    }
    case 'disabled':
      return { type: 'KeyDisabled', root: (rotation?.phase.name === 'discarding' ? rotation.to : current)?.fingerprint ?? fingerprint(0) };
    case 'follow':
      follow(story);
      return { type: 'Looked', look: story.look() };
    case 'elapse':
      return { type: 'Elapsed' };
    case 'hand':
      if (each.type !== 'Force') return { type: each.type, by: each.by };
      return { type: 'Force', by: each.by, rotation: rotation?.id ?? '', phase: rotation?.phase.name ?? '', look: story.look() };
    case 'approve':
      return { type: 'Approve', gate: each.gate, by: each.by };
    case 'specify': {
      const { leafLifeMs, approvals, dataPlanes } = each;
      return specify(certificatesSpec({ leafLifeMs, approvals: [...approvals] }), story.state.specVersion + 1, dataPlanes);
    }
    case 'wait':
      story.after(each.ms);
      return undefined;
    case 'seen':
      story.member(each.id, { trusts: each.trusts, under: each.under, ...(each.trouble ? { trouble: 'so' } : {}) });
      return undefined;
    case 'unseen':
      story.unseen('west');
      return undefined;
    case 'answers':
      story.answers('west');
      return undefined;
  }
}

/** Everybody does what the settings say, and is seen. */
function follow(story: Story): void {
  const settings = settingsOf(story.state);
  story.after(SECOND);
  if (!settings) return;
  const trusts = settings.roots.map(({ fingerprint: root }) => Number.parseInt(root, 16));
  const under = Number.parseInt(settings.signer.issuer.fingerprint, 16) - 1_000;
  for (const id of ALL) story.member(id, { trusts, under });
}

function live(all: readonly Act[], look?: (story: Story, command: TrustCommand) => void): Story {
  const story = new Story().given(specify());
  for (const each of all) {
    const command = play(story, each);
    if (!command) continue;
    story.give(command);
    look?.(story, command);
  }
  return story;
}

const folded = (events: Story['events']) =>
  events.reduce((state, { event, version, at }) => evolve(state, event, { version, at }), initialTrustState);

describe('in every life of a trust', () => {
  it('each event changes whom workloads trust or who signs, never both, and of the roots one set holds the other', () => {
    let changes = 0;
    fc.assert(
      fc.property(acts, (all) => {
        let state = initialTrustState;
        for (const { event, version, at } of live(all).events) {
          const before = state;
          state = evolve(state, event, { version, at });
          expect(oneThingAtATime(before, state)).toBeUndefined();
          if (state.settingsVersion !== before.settingsVersion) changes += 1;
        }
      }),
      RUNS,
    );
    expect(changes).toBeGreaterThan(RUNS.numRuns);
  });

  it('whatever changes the settings has every data plane brought to them and looked at', () => {
    fc.assert(
      fc.property(acts, (all) => {
        const story = new Story().given(specify());
        for (const each of all) {
          const command = play(story, each);
          if (!command) continue;
          const { settingsVersion } = story.state;
          const decision = story.give(command);
          if (story.state.settingsVersion === settingsVersion || decision.kind !== 'accepted') continue;
          const targets = decision.effects.flatMap(({ kind, target }) => (kind === 'trust' && target !== undefined ? [target] : []));
          expect(targets.toSorted()).toEqual([...story.state.dataPlanes]);
          expect(decision.effects).toContainEqual({ kind: 'look', target: 'fleet' });
        }
      }),
      RUNS,
    );
  });

  it('the same command at once again records nothing', () => {
    fc.assert(
      fc.property(acts, (all) => {
        live(all, (story, command) => {
          // Forcing again is forcing the next gate; going forward again is letting go what was aborted; time goes on by itself.
          if (command.type === 'Force' || command.type === 'Proceed') return;
          const { state, version } = story;
          const again = story.give(command);
          if (again.kind === 'accepted') expect([command.type, again.events]).toEqual([command.type, 'nothing']);
          expect(story.version).toBe(version);
          expect(story.state).toBe(state);
        });
      }),
      RUNS,
    );
  });

  it('its state is what its recorded events fold to, and survives being stored', () => {
    fc.assert(
      fc.property(acts, (all) => {
        const { events, state } = live(all);
        expect(folded(events)).toEqual(state);
        expect(trustStateSchema.parse(JSON.parse(JSON.stringify(state)))).toEqual(state);
        for (const { event } of events) expect(trustStream.parseEvent(JSON.parse(JSON.stringify(event)))).toEqual(event);
      }),
      RUNS,
    );
  });

  it('any event in any state folds to one that can be stored', () => {
    fc.assert(
      fc.property(acts, acts, fc.nat(), (one, other, offset) => {
        const { events } = live(one);
        let { state } = live(other);
        for (const index of events.keys()) {
          const strange = events[(index + offset) % events.length];
          if (!strange) continue;
          state = evolve(state, strange.event, { version: strange.version, at: strange.at });
          expect(() => trustStateSchema.parse(state)).not.toThrow();
          trustStream.wakeAt(state);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('a rotation whose phase waits has an alarm, until it has rung', () => {
    fc.assert(
      fc.property(acts, (all) => {
        live(all, ({ state }) => {
          const { rotation } = state;
          if (rotation && isGated(rotation.phase) && rotation.overdue !== rotation.phase.name)
            expect(trustStream.wakeAt(state)).toBeDefined();
        });
      }),
      RUNS,
    );
  });

  it('what is due is done when the alarm rings: no alarm rings twice for one thing', () => {
    fc.assert(
      fc.property(acts, (all) => {
        const story = live(all);
        story.give({ type: 'Elapsed' });
        expect(trustStream.wakeAt(story.state) ?? Number.POSITIVE_INFINITY).toBeGreaterThan(story.now);
      }),
      RUNS,
    );
  });

  it('once everybody follows and the vault answers, it comes to rest', () => {
    fc.assert(
      fc.property(acts, (all) => {
        const story = live(all).answers('west').given();
        for (let turn = 0; turn < 80 && story.state.rotation; turn += 1) {
          if (story.state.rotation.phase.name === 'preparing') story.give(made(story, 20_000 + turn));
          story.give({ type: 'Proceed', by: 'zoe' });
          for (const gate of GATES) story.give({ type: 'Approve', gate, by: 'kim' });
          story.give({ type: 'KeyDisabled', root: story.state.current?.fingerprint ?? '' });
          story.give({ type: 'KeyDisabled', root: story.state.rotation?.to?.fingerprint ?? '' });
          follow(story.after(LEAF));
          story.give({ type: 'Looked', look: story.look() });
        }
        expect(story.state.rotation).toBeUndefined();
      }),
      RUNS,
    );
  });
});
