/** What holds of every service, whatever happens to it and in whatever order. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ServiceCommand } from '../../src/rollouts/commands.ts';
import { nextDeadline } from '../../src/rollouts/deadlines.ts';
import type { ServiceEvent } from '../../src/rollouts/events.ts';
import { evolve } from '../../src/rollouts/evolve.ts';
import { initialServiceState, rejectionOf, type ServiceState, serviceStateSchema, weightOf } from '../../src/rollouts/state.ts';
import { type Act, acts, live, play } from './random-story.ts';
import { push, resting, Story, specify } from './story.ts';

const RUNS = 400;
const runs = { numRuns: RUNS };

interface Moment {
  readonly command: ServiceCommand;
  readonly before: ServiceState;
  readonly after: ServiceState;
  readonly events: readonly ServiceEvent[];
}

/** Lives through the acts and looks at every decision. */
function everyMoment(all: readonly Act[], look: (moment: Moment, story: Story) => void): void {
  const story = new Story().given(specify());
  for (const each of all) {
    const command = play(story, each);
    if (!command) continue;
    const before = story.state;
    const decision = story.give(command);
    look({ command, before, after: story.state, events: decision.kind === 'accepted' ? decision.events : [] }, story);
  }
}

const progressing = ({ rollout }: ServiceState): boolean => rollout !== undefined && rollout.phase.name !== 'returning';

describe('in every life of a service', () => {
  it('weights are whole, sum to 100 and name each version once', () => {
    fc.assert(
      fc.property(acts, (all) => {
        everyMoment(all, ({ after }) => {
          const weights = after.split.map(({ weight }) => weight);
          if (after.retired) expect(weights).toEqual([]);
          else expect(weights.reduce((sum, weight) => sum + weight, 0)).toBe(100);
          expect(weights.every((weight) => Number.isInteger(weight) && weight >= 0)).toBe(true);
          expect(new Set(after.split.map(({ version }) => version)).size).toBe(after.split.length);
        });
      }),
      runs,
    );
  });

  it('only stable and the one candidate ever have traffic', () => {
    fc.assert(
      fc.property(acts, (all) => {
        everyMoment(all, ({ after }) => {
          const allowed = [after.stable?.version, after.rollout?.candidate.version];
          for (const { version } of after.split) expect(allowed).toContain(version);
        });
      }),
      runs,
    );
  });

  it("a candidate's weight only rises while its rollout progresses", () => {
    fc.assert(
      fc.property(acts, (all) => {
        everyMoment(all, ({ before, after }) => {
          const { rollout } = after;
          if (!rollout || before.rollout?.id !== rollout.id || !progressing(after)) return;
          const { version } = rollout.candidate;
          expect(weightOf(after, version)).toBeGreaterThanOrEqual(weightOf(before, version));
        });
      }),
      runs,
    );
  });

  it('nothing reaches a version that was taken back, unless a person insisted', () => {
    fc.assert(
      fc.property(acts, (all) => {
        everyMoment(all, ({ after }) => {
          const { rollout } = after;
          if (!rollout) return;
          const rejected = rejectionOf(after, rollout.candidate) !== undefined;
          const returning = rollout.phase.name === 'returning';
          if (rejected) expect(returning).toBe(true);
          if (returning) expect(weightOf(after, rollout.candidate.version)).toBe(0);
        });
      }),
      runs,
    );
  });

  it('traffic never moves onto a version that is known to have no ready endpoint, unless a person forces it', () => {
    fc.assert(
      fc.property(acts, (all) => {
        const known = new Map<string, string>();
        const story = new Story().given(specify());
        for (const each of all) {
          if (each.act === 'readiness') known.set(each.version, each.word);
          const command = play(story, each);
          if (!command) continue;
          const before = story.state;
          story.give(command);
          // A spec brings its service into the mesh with the version that is stable; there is nowhere else to go.
          const forced = (command.type === 'Abort' && command.force) || command.type === 'Specify';
          for (const { version, weight } of story.state.split) {
            if (weight > weightOf(before, version) && !forced) expect(known.get(version) ?? 'ready').not.toBe('none');
          }
        }
      }),
      runs,
    );
  });

  it('the same command at once again records nothing', () => {
    fc.assert(
      fc.property(acts, (all) => {
        everyMoment(all, ({ command, events }, story) => {
          // Insisting again is insisting on more: the first time on going back, then on waiting for nobody.
          if (command.type === 'Abort' && command.force) return;
          const { state, version } = story;
          const again = story.give(command);
          expect(again.kind === 'accepted' ? [command, events, again.events] : []).toEqual([]);
          expect(story).toMatchObject({ version });
          expect(story.state).toBe(state);
        });
      }),
      runs,
    );
  });

  it('a rollout succeeds only after each of its steps was served and held, or when a person promoted it', () => {
    let succeeded = 0;
    fc.assert(
      fc.property(acts, (all) => {
        const held = new Set<string>();
        const promoted = new Set<number>();
        everyMoment(all, ({ before, events, command }) => {
          let { rollout } = before;
          for (const event of events) {
            if (event.type === 'StepHeld') held.add(`${rollout?.id}/${event.step}`);
            if (event.type === 'RolloutSucceeded' && rollout) {
              const { id, steps } = rollout;
              succeeded += 1;
              if (!promoted.has(id)) expect(steps.filter((_step, index) => !held.has(`${id}/${index}`))).toEqual([]);
              rollout = undefined;
            }
          }
          if (command.type === 'Promote' && events.length > 0 && before.rollout) promoted.add(before.rollout.id);
        });
      }),
      runs,
    );
    expect(succeeded).toBeGreaterThan(RUNS / 20);
  });

  it('a rollout always has a deadline', () => {
    fc.assert(
      fc.property(acts, (all) => {
        everyMoment(all, ({ after }) => expect(nextDeadline(after) === undefined).toBe(after.rollout === undefined));
      }),
      runs,
    );
  });

  it('deadlines alone end every rollout on the way up: none is left waiting for somebody', () => {
    fc.assert(
      fc.property(acts, (all) => {
        const story = live(all);
        for (let rings = 0; rings < 12; rings += 1) {
          if (!['waiting', 'shifting', 'holding', 'paused'].includes(story.state.rollout?.phase.name ?? '')) return;
          const { version } = story;
          story.elapse();
          expect(story.version).toBe(version + 1);
        }
        throw new Error(`still ${story.state.rollout?.phase.name}`);
      }),
      runs,
    );
  });

  it('once everybody reports, a service comes to rest', () => {
    fc.assert(
      fc.property(acts, (all) => {
        const story = live(all);
        for (const version of ['v1', 'v2', 'v3', 'v4']) story.readiness(version, 'ready');
        for (let rings = 0; rings < 60 && story.state.rollout; rings += 1) {
          story.given().when({ type: 'Recheck' }).served();
          if (story.state.rollout) story.elapse();
        }
        expect(story.state.rollout).toBeUndefined();
        expect(story.state.queued).toBeUndefined();
        if (!story.state.retired) story.thenRests(story.state.stable?.version ?? '');
      }),
      runs,
    );
  });
});

describe('the state of a service', () => {
  it('is what its recorded events fold to, and survives being stored', () => {
    fc.assert(
      fc.property(acts, (all) => {
        const story = live(all);
        const folded = story.events.reduce((state, { event, version, at }) => evolve(state, event, { version, at }), initialServiceState);
        expect(folded).toEqual(story.state);
        expect(serviceStateSchema.parse(JSON.parse(JSON.stringify(story.state)))).toEqual(story.state);
      }),
      runs,
    );
  });

  it('takes any event in any state: a history that makes no sense folds too, to a state that can be stored', () => {
    fc.assert(
      fc.property(acts, acts, fc.integer({ min: 0 }), (one, other, offset) => {
        const { events } = live(one);
        let { state } = live(other);
        for (const index of events.keys()) {
          const strange = events[(index + offset) % events.length];
          if (!strange) continue;
          state = evolve(state, strange.event, { version: strange.version, at: strange.at });
          expect(() => serviceStateSchema.parse(state)).not.toThrow();
          nextDeadline(state);
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('pushes to a registry', () => {
  const pushed = fc.uniqueArray(
    fc.record({
      version: fc.constantFrom('v1', 'v2', 'v3', 'v4'),
      minute: fc.integer({ min: 0, max: 3 }),
      digest: fc.constantFrom('sha256:a', 'sha256:b', 'sha256:c'),
    }),
    { minLength: 2, maxLength: 5, selector: ({ version, minute, digest }) => `${minute}/${digest}/${version}` },
  );

  /** Where a service is after these pushes, once the way back they may ask for is served. */
  function end(pushes: readonly { version: string; minute: number; digest: string }[]) {
    const refusals = new Map<object, string>();
    const story = resting();
    for (const each of pushes) {
      const decision = story.give(push(each.version, each.minute, each.digest));
      if (decision.kind === 'refused') refusals.set(each, decision.reason);
    }
    if (story.state.rollout?.phase.name === 'returning') story.served();
    return { wanted: story.state.rollout?.candidate ?? story.state.stable, refusals };
  }

  it('end at the newest, in whatever order they arrive, unless the newest itself was refused aloud', () => {
    const shuffled = pushed.chain((pushes) => fc.tuple(fc.constant(pushes), fc.shuffledSubarray(pushes, { minLength: pushes.length })));
    fc.assert(
      fc.property(shuffled, ([pushes, order]) => {
        const byPlace = pushes.toSorted(
          (a, b) => a.minute - b.minute || (`${a.digest}/${a.version}` < `${b.digest}/${b.version}` ? -1 : 1),
        );
        const newest = byPlace.at(-1);
        const { wanted, refusals } = end(order);
        const refusal = newest && refusals.get(newest);
        expect(refusal).not.toBe('OlderThanCurrent');
        if (!refusal) expect(wanted?.version).toBe(newest?.version);
      }),
      { numRuns: 2_000 },
    );
  });

  it('change nothing when they are said again', () => {
    fc.assert(
      fc.property(pushed, fc.infiniteStream(fc.nat()), (pushes, picks) => {
        const twice = pushes.flatMap((each, index) => [each, pushes[(picks.next().value ?? 0) % (index + 1)] ?? each]);
        expect(end(twice).wanted).toEqual(end(pushes).wanted);
      }),
      { numRuns: 2_000 },
    );
  });
});
