/** From decision to sentence: what the real `decide` puts on a card is enough to say what comes next and by when. */
import { describe, expect, it } from 'vitest';
import type { Decision } from '../../src/decision.ts';
import { words } from '../../src/notifications/words.ts';
import { alert, deploy, holding, MINUTE, resting, type Story, shifting } from '../rollouts/story.ts';

/** The sentences of a decision's cards, as they are told at the story's time. */
function sentences(story: Story, decision: Decision<unknown>): string[] {
  const effects = decision.kind === 'accepted' ? decision.effects : [];
  return effects.flatMap(({ kind, data }) => {
    if (kind !== 'card' || !data) return [];
    const { topic, ...rest } = data;
    return words({ id: 'n', mesh: 'shop', service: 'catalog', topic: String(topic), at: story.now, data: rest }).sentence;
  });
}

const told = (story: Story, ...command: Parameters<Story['give']>): string[] => sentences(story, story.give(...command));

describe('what is decided is told', () => {
  it('when a rollout starts: the share, the next step, and when it goes back', () => {
    expect(told(resting(), deploy('v2'))).toEqual([
      'v2 of catalog in shop gets 10 % of the traffic, v1 keeps 90 %. It goes on to 50 % once every data plane has served it for 5m; if that is not seen by 14:15:00 UTC, it goes back to v1.',
    ]);
  });

  it('when a person promotes it, and when it is done', () => {
    const story = holding();
    expect(told(story, { type: 'Promote' })[0]).toContain('gets 100 % of the traffic. It was promoted by hand');
    const revision = story.version;
    story.give({ type: 'Converged', dataPlane: 'east', revision });
    expect(told(story, { type: 'Converged', dataPlane: 'west', revision })).toEqual([
      'v2 came through its rollout and gets all traffic of catalog in shop; nothing more is to come.',
    ]);
  });

  it('when an alert takes it back: why, to what, and when one hears again', () => {
    const story = holding().after(MINUTE);
    const [sentence] = told(story, alert(story.now));
    expect(sentence).toContain('v2 of catalog is taken back and v1 gets all traffic: The alert catalog-5xx fired: too many 5xx.');
    expect(sentence).toContain('at 14:06:00 UTC, you will be told.');
  });

  it('when a data plane refuses it on the way up, and when one lags on the way back', () => {
    const story = shifting();
    const rejected = { type: 'Rejected', dataPlane: 'east', revision: story.version, message: 'no such cluster' } as const;
    expect(told(story, rejected)[0]).toContain('does not get on: east refused it: no such cluster. Unless that ends it goes back to v1');
    story.give({ type: 'Abort' });
    story.after(5 * MINUTE);
    expect(told(story, { type: 'Elapsed', deadline: 'return', dueAt: story.now })[0]).toContain('is being taken back, but not everywhere.');
  });

  it('when a data plane refuses the way back: at once, with what it says', () => {
    const story = holding();
    story.give({ type: 'Abort' });
    const rejected = { type: 'Rejected', dataPlane: 'east', revision: story.version, message: 'kubectl-edit owns spec.rules' } as const;
    expect(told(story, rejected)[0]).toContain('but not everywhere. east refused it: kubectl-edit owns spec.rules. It is tried on and on');
    const stands = holding().readiness('v1', 'none');
    stands.give({ type: 'Abort' });
    expect(told(stands, { ...rejected, revision: stands.version })[0]).toContain(
      'keeps 10 % until v1 has a ready endpoint; and beside that: east refused it: kubectl-edit owns spec.rules. See to both',
    );
  });

  it('when it is given up before it began: no deadline is left to name', () => {
    const story = resting().readiness('v2', 'unknown');
    expect(told(story, deploy('v2'))[0]).toContain('gets no traffic until it is seen ready on edge.');
    story.after(30 * MINUTE);
    const decision = story.give({ type: 'Elapsed', deadline: 'start', dueAt: story.now });
    expect(sentences(story, decision)[0]).toMatch(/^v2 of catalog is given up before it had any traffic: v2 could not begin in time\./);
    expect(decision).toMatchObject({ effects: [{ data: { until: null } }] });
  });
});
