/** The dry run says what the rotation then does: the same writes in the same order, for as long, waiting for the same ones. */
import { describe, expect, it } from 'vitest';
import { keepsUp, leafsPerSecond, lookEveryMs, renewWithinMs } from '../../src/trust/pace.ts';
import { type RotationPlan, rotationPlan } from '../../src/trust/rotation-plan.ts';
import type { TrustState } from '../../src/trust/state.ts';
import { rotationMs, soakMs } from '../../src/trust/timing.ts';
import { certificatesSpec, DAY, fingerprint, LEAF, MINUTE, ROOT_LIFE, SECOND, SKEW } from './samples.ts';
import { ALL, distributing, dropping, issuing, OVER, pruned, resting, rotateFor, Story, soaking } from './story.ts';

function planOf(story: Story, cause: 'asked' | 'compromised' = 'asked'): RotationPlan {
  const plan = rotationPlan(story.state, story.look(), story.now, cause);
  if (plan.kind !== 'plan') throw new Error(plan.message);
  return plan;
}

const wordsOf = ({ phases }: RotationPlan): readonly string[] =>
  phases.flatMap(({ phase, writes }) =>
    writes.map((write) =>
      write.target === 'vault'
        ? `${phase}: ${write.operation} ${write.root}`
        : `${phase}: ${write.dataPlane} ${write.changes} {${write.roots.join(' ')}} signed by ${write.signer}`,
    ),
  );

describe('the plan of a rotation', () => {
  it('lists every write in its order', () => {
    expect(wordsOf(planOf(resting()))).toEqual([
      'preparing: make-root new',
      'preparing: make-issuer new',
      'preparing: sign-issuer new',
      'distributing: east roots {old new} signed by old',
      'distributing: west roots {old new} signed by old',
      'issuing: east signer {new old} signed by new',
      'issuing: west signer {new old} signed by new',
      'pruned: east roots {new} signed by new',
      'pruned: west roots {new} signed by new',
      'retired: disable-key old',
    ]);
  });

  it('of one under way lists what is left, also on the way back', () => {
    expect(planOf(soaking()).phases.map(({ phase }) => phase)).toEqual(['soaking', 'pruned', 'retired']);
    expect(wordsOf(planOf(soaking()))).toEqual([
      'pruned: east roots {new} signed by new',
      'pruned: west roots {new} signed by new',
      'retired: disable-key old',
    ]);
    expect(wordsOf(planOf(dropping()))).toEqual(['discarding: disable-key new']);
    const back = pruned().given({ type: 'Abort', by: 'ada' });
    expect(planOf(back).phases.map(({ phase }) => phase)).toEqual(['restoring', 'returning', 'dropping', 'discarding']);
  });

  it('says how long it takes, phase by phase and in all, and when it must start', () => {
    const plan = planOf(resting());
    const looks = 3 * lookEveryMs(LEAF);
    const of = (phase: string) => plan.phases.find((each) => each.phase === phase)?.expectedMs;
    expect(of('distributing')).toBe(looks);
    expect(of('issuing')).toBe(looks + renewWithinMs(3, certificatesSpec()));
    expect(of('soaking')).toBe(looks + soakMs({ leafLifeMs: LEAF, skewMs: SKEW }));
    expect(plan.expectedMs).toBe(plan.phases.reduce((sum, { expectedMs }) => sum + expectedMs, 0));
    const ends = resting().state.current?.notAfter ?? 0;
    expect(plan.mustStartBy).toBe(ends - rotationMs({ leafLifeMs: LEAF, skewMs: SKEW }));
    expect(plan.rotateBy).toBeLessThan(plan.mustStartBy);
    expect(planOf(resting(), 'compromised').phases.find(({ phase }) => phase === 'soaking')?.expectedMs).toBe(looks);
  });

  it('takes as long as it was said to, where all follow', () => {
    const story = resting();
    const { expectedMs } = planOf(story);
    const started = story.now;
    story
      .given(rotateFor('asked'))
      .after(5 * SECOND)
      .given({ type: 'AuthorityMade', wish: `r${story.version}`, authority: { ...(distributing().state.rotation?.to ?? missing()) } });
    const look = lookEveryMs(LEAF);
    for (let looks = 0; looks < 600 && story.state.rotation?.phase.name !== 'retired'; looks += 1) {
      const signer = ['issuing', 'soaking', 'pruned'].includes(story.state.rotation?.phase.name ?? '') ? 2 : 1;
      story.after(look);
      for (const id of ALL) story.member(id, { trusts: story.state.rotation?.phase.name === 'pruned' ? [2] : [1, 2], under: signer });
      story.when({ type: 'Looked', look: story.look() });
    }
    story.thenPhase('retired');
    expect(story.now - started).toBeLessThanOrEqual(expectedMs);
    expect(story.now - started).toBeGreaterThan(expectedMs / 2);
  });

  it('names who is not ready, and why', () => {
    const story = distributing()
      .after(SECOND)
      .member('web', { trusts: [1], under: 1 })
      .member('cart', { trusts: [1, 2], under: 1, trouble: 'it refused the bundle' });
    story
      .member('pay', { trusts: [1, 2], under: 1 })
      .member('new', { trusts: [], seenAt: 0, mayPresentUntil: story.now + LEAF })
      .unseen('west');
    const plan = planOf(story);
    expect(plan.notReady).toEqual([
      { id: 'web', dataPlane: 'east', identity: null, because: 'It trusts the old root and presents a leaf under the old.' },
      { id: 'cart', dataPlane: 'east', identity: null, because: 'it refused the bundle' },
      { id: 'new', dataPlane: 'east', identity: null, because: 'It was never seen.' },
    ]);
    expect(plan.unseen).toEqual([{ dataPlane: 'west', because: 'it does not answer.' }]);
    expect(plan.breaks).toEqual([]);
  });

  it('of a compromise names who breaks, the surest first', () => {
    const story = distributing(certificatesSpec(), 'compromised')
      .after(MINUTE)
      .member('web', { trusts: [1], under: 1 });
    story.member('cart', { trusts: [1], under: 1, trouble: 'it refused the bundle' }).member('pay', { trusts: [1, 2], under: 1 });
    story.member('old', { trusts: [1], under: 1, seenAt: story.now - 10 * MINUTE });
    expect(planOf(story).breaks.map(({ id }) => id)).toEqual(['cart', 'old', 'web']);
  });

  it('before anything has begun, names who does not follow today', () => {
    const story = resting()
      .after(SECOND)
      .member('web', { trusts: [7], under: 7 });
    expect(planOf(story).notReady).toEqual([
      { id: 'web', dataPlane: 'east', identity: null, because: 'It trusts neither root and presents a leaf of another root.' },
    ]);
  });

  it('says which approvals are asked for, and of a root that has ended that nobody can talk', () => {
    const approvals = planOf(resting(certificatesSpec({ approvals: ['issuing', 'pruning'] }))).phases.flatMap(
      ({ approval }) => approval ?? [],
    );
    expect(approvals).toEqual(['issuing', 'pruning']);
    const ended = resting().after(ROOT_LIFE + SKEW + SECOND);
    expect(planOf(ended)).toMatchObject({ outage: true, cause: 'expired' });
    expect(planOf(ended).phases.find(({ phase }) => phase === 'distributing')?.expectedMs).toBe(0);
    expect(planOf(resting()).outage).toBe(false);
  });

  it('changes nothing, and is none where there is nothing to rotate', () => {
    const story = issuing().after(OVER);
    const before: TrustState = structuredClone(story.state);
    planOf(story);
    expect(story.state).toEqual(before);
    expect(rotationPlan(new Story().state, story.look(), story.now)).toMatchObject({ kind: 'refused', reason: 'NoCertificates' });
    expect(
      planOf(resting())
        .phases.flatMap(({ writes }) => writes)
        .some((write) => JSON.stringify(write).includes(fingerprint(0))),
    ).toBe(false);
  });
});

function missing(): never {
  throw new Error('There is no root that the rotation leads to.');
}

describe('the pace', () => {
  it('is half of what Key Vault signs', () => {
    expect(leafsPerSecond({ algorithm: 'P-256' })).toBe(100);
    expect(leafsPerSecond({ algorithm: 'RSA-3072' })).toBe(25);
    expect(renewWithinMs(10_000, { algorithm: 'P-256', leafLifeMs: DAY })).toBe(100_000);
    expect(renewWithinMs(10_000, { algorithm: 'RSA-3072', leafLifeMs: DAY })).toBe(400_000);
  });

  it('does not have few come at once, and with short leafs not late', () => {
    expect(renewWithinMs(3, { algorithm: 'P-256', leafLifeMs: DAY })).toBe(10_000);
    expect(renewWithinMs(3, { algorithm: 'P-256', leafLifeMs: 20 * SECOND })).toBe(SECOND);
    expect(keepsUp(10_000, { algorithm: 'P-256', leafLifeMs: DAY })).toBe(true);
    expect(keepsUp(10_000, { algorithm: 'P-256', leafLifeMs: MINUTE })).toBe(false);
  });
});
