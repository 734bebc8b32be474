/** Random lives of a service for the properties: commands from outside, reports, time, in any order. */
import fc from 'fast-check';
import type { Readiness, ServiceCommand } from '../../src/rollouts/commands.ts';
import { nextDeadline } from '../../src/rollouts/deadlines.ts';
import { deploy, MINUTE, push, Story, serviceSpec, specify } from './story.ts';

export type Act =
  | { readonly act: 'deploy'; readonly version: string; readonly digest?: string; readonly again: boolean }
  | { readonly act: 'push'; readonly version: string; readonly digest: string; readonly minute: number }
  | { readonly act: 'alert'; readonly id: string; readonly age: number; readonly windowAge?: number }
  | { readonly act: 'resolve'; readonly id: string; readonly age: number }
  | { readonly act: 'hand'; readonly type: 'Pause' | 'Resume' | 'Promote' | 'Abort'; readonly force: boolean }
  | { readonly act: 'converge'; readonly dataPlane: string; readonly lag: number }
  | { readonly act: 'reject'; readonly dataPlane: string; readonly lag: number }
  | { readonly act: 'readiness'; readonly version: string; readonly word: Readiness }
  | { readonly act: 'recheck' }
  | { readonly act: 'elapse' }
  | { readonly act: 'wait'; readonly ms: number }
  | { readonly act: 'specify'; readonly dataPlanes: readonly string[]; readonly weights: readonly number[] }
  | { readonly act: 'retire' };

const VERSIONS = ['v1', 'v2', 'v3', 'v4'];
const version = fc.constantFrom(...VERSIONS);
const digest = fc.constantFrom('sha256:a', 'sha256:b');
const dataPlane = fc.constantFrom('east', 'west');
const age = fc.integer({ min: 0, max: 40 * MINUTE });
const lag = fc.integer({ min: 0, max: 2 });
const id = fc.constantFrom('a1', 'a2', 'a3');

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ act: fc.constant('deploy'), version, again: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('deploy'), version, digest, again: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ act: fc.constant('push'), version, digest, minute: fc.integer({ min: 0, max: 5 }) }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('alert'), id, age }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('alert'), id, age, windowAge: age }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('resolve'), id, age }) },
  {
    weight: 3,
    arbitrary: fc.record({ act: fc.constant('hand'), type: fc.constantFrom('Pause', 'Resume', 'Promote', 'Abort'), force: fc.boolean() }),
  },
  { weight: 4, arbitrary: fc.record({ act: fc.constant('converge'), dataPlane, lag }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('reject'), dataPlane, lag }) },
  {
    weight: 3,
    arbitrary: fc.record({ act: fc.constant('readiness'), version, word: fc.constantFrom<Readiness>('ready', 'ready', 'none', 'unknown') }),
  },
  { weight: 3, arbitrary: fc.record({ act: fc.constant('recheck') }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constant('elapse') }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('wait'), ms: age }) },
  {
    weight: 1,
    arbitrary: fc.record({
      act: fc.constant('specify'),
      dataPlanes: fc.subarray(['east', 'west'], { minLength: 1 }),
      weights: fc.subarray([5, 20, 60, 100], { minLength: 1 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('retire') }) },
);

/** One step's ordinary way: served on both data planes, then its clock runs out. */
const step: readonly Act[] = [
  { act: 'converge', dataPlane: 'east', lag: 0 },
  { act: 'converge', dataPlane: 'west', lag: 0 },
  { act: 'elapse' },
];

export const acts = fc
  .array(fc.oneof({ weight: 3, arbitrary: act.map((each) => [each]) }, { weight: 2, arbitrary: fc.constant(step) }), {
    minLength: 10,
    maxLength: 50,
    size: 'max',
  })
  .map((groups) => groups.flat());

/** What this act asks of the service now; nothing when it only changes the world around it. */
export function play(story: Story, each: Act): ServiceCommand | undefined {
  const { now, version: revision } = story;
  switch (each.act) {
    case 'deploy':
      return deploy(each.version, { again: each.again, ...(each.digest === undefined ? {} : { digest: each.digest }) });
    case 'push':
      return push(each.version, each.minute, each.digest);
    case 'alert': {
      const window = each.windowAge === undefined ? {} : { window: { start: now - each.windowAge - MINUTE, end: now - each.windowAge } };
      return { type: 'AlertFired', alert: { id: each.id, rule: each.id, firedAt: now - each.age, summary: 'bad', ...window } };
    }
    case 'resolve':
      return { type: 'AlertResolved', alertId: each.id, rule: each.id, resolvedAt: now - each.age };
    case 'hand':
      return each.type === 'Abort' ? { type: 'Abort', force: each.force } : { type: each.type };
    case 'converge':
      return { type: 'Converged', dataPlane: each.dataPlane, revision: revision - each.lag };
    case 'reject':
      return { type: 'Rejected', dataPlane: each.dataPlane, revision: revision - each.lag, message: 'refused' };
    case 'readiness':
      story.readiness(each.version, each.word);
      return undefined;
    case 'recheck':
      return { type: 'Recheck' };
    case 'wait':
      story.after(each.ms);
      return undefined;
    case 'elapse': {
      const deadline = nextDeadline(story.state);
      if (!deadline) return undefined;
      story.now = Math.max(now, deadline.at);
      return { type: 'Elapsed', deadline: deadline.name, dueAt: deadline.at };
    }
    case 'specify':
      return specify(specOf(each.dataPlanes, each.weights), revision + 1);
    case 'retire':
      return { type: 'Retire', specVersion: revision + 1 };
  }
}

function specOf(dataPlanes: readonly string[], weights: readonly number[]) {
  const { rollout } = serviceSpec();
  const all = weights.at(-1) === 100 ? weights : [...weights, 100];
  const steps = all.map((weight) => ({ weight, holdMs: weight === 20 ? 0 : 2 * MINUTE, deadlineMs: 6 * MINUTE }));
  return serviceSpec({ dataPlanes: [...dataPlanes], rollout: { ...rollout, steps } });
}

/** The story after these acts, its spec in force before the first. */
export function live(all: readonly Act[]): Story {
  const story = new Story().given(specify());
  for (const each of all) {
    const command = play(story, each);
    if (command) story.give(command);
  }
  return story;
}
