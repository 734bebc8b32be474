/** Where people and events step in: aborts from everywhere, four eyes, a compromise, a root that waits for somebody. */
import { describe, expect, it } from 'vitest';
import { mustLeaveBy } from '../../src/trust/timing.ts';
import { abort, approve, force, proceed } from './by-hand.ts';
import { certificatesSpec, fingerprint, HOUR, LEAF, MINUTE, ROOT_LIFE, SECOND, SKEW, versionOf } from './samples.ts';
import {
  ALL,
  BRINGS,
  discarding,
  distributing,
  dropping,
  issuing,
  made,
  OVER,
  preparing,
  pruned,
  renewingUntil,
  resting,
  restoring,
  retired,
  returning,
  rotateFor,
  type Story,
  soaking,
} from './story.ts';

/** From here to the old root alone, whoever follows. */
function goesAllTheWayBack(story: Story): void {
  if (story.state.rotation?.phase.name === 'restoring') story.thenTrusts(2, 1).seenTwice(ALL, { trusts: [1, 2], under: 2 });
  if (story.state.rotation?.phase.name === 'returning') {
    story
      .thenTrusts(1, 2)
      .seenTwice(ALL, { trusts: [1, 2], under: 1 })
      .thenPhase('returning');
    story.after(OVER).seenTwice(ALL, { trusts: [1, 2], under: 1 });
  }
  if (story.state.rotation?.phase.name === 'dropping') story.thenTrusts(1).seenTwice(ALL, { trusts: [1], under: 1 });
  story.thenPhase('discarding').thenOwes(`key ${fingerprint(2)}`);
  story
    .when({ type: 'KeyDisabled', root: fingerprint(2) })
    .thenRecords('RotationAborted')
    .thenRests(1);
  expect(story.state.ended[0]).toMatchObject({ outcome: 'aborted' });
}

describe('an abort', () => {
  it.each([
    ['distributing', () => distributing(), 'dropping', BRINGS],
    ['issuing', () => issuing(), 'returning', BRINGS],
    ['soaking', () => soaking(), 'returning', BRINGS],
    ['pruned', () => pruned(), 'restoring', [`key ${fingerprint(1)}`, ...BRINGS]],
    ['retired', () => retired(), 'restoring', [`key ${fingerprint(1)}`, ...BRINGS]],
  ] as const)('from %s goes back by itself, one thing at a time, and the next rotation begins at once', (_from, given, first, owed) => {
    const story = given()
      .when(abort)
      .thenPhase(first)
      .thenOwes(...owed, 'card rotation-aborted');
    goesAllTheWayBack(story);
    story
      .given(rotateFor('asked'))
      .given(made(story, 3))
      .seenTwice(ALL, { trusts: [1, 3], under: 1 })
      .thenPhase('issuing')
      .thenTrusts(3, 1);
  });

  it('while the vault makes the root waits for it, and puts it away', () => {
    const story = preparing().when(abort).thenRecords('AbortBegun').thenPhase('preparing');
    story.when(made(story, 2)).thenRecords('AuthorityPrepared', 'DiscardingBegun').thenTrusts(1);
    story
      .when({ type: 'KeyDisabled', root: fingerprint(2) })
      .thenRecords('RotationAborted')
      .thenRests(1);
  });

  it('of a prepared root puts it away, and nobody ever had it', () => {
    const story = resting().given(rotateFor('new-version', 'vault', versionOf(2)));
    story.given(made(story, 2)).when(abort).thenRecords('AbortBegun', 'DiscardingBegun').thenTrusts(1);
  });

  it('is one: said again it is no news', () => {
    returning().when(abort).thenChangesNothing('GoesBackAlready');
    resting().when(abort).thenRefuses('NoRotation');
  });

  it('is refused once the old root would end before everybody were back', () => {
    const story = soaking();
    const ends = story.state.current?.notAfter ?? 0;
    story
      .after(ends - story.now - 3 * LEAF)
      .when(abort)
      .thenRefuses('TooLateToGoBack');
    distributing()
      .after(ROOT_LIFE - LEAF - MINUTE)
      .when(abort)
      .thenPhase('dropping');
  });

  it('counts leafs under the new root down from when all were seen to be back, once', () => {
    const story = returning()
      .after(HOUR)
      .seenTwice(ALL, { trusts: [1, 2], under: 1 })
      .thenPhase('returning');
    const { phase } = story.state.rotation ?? {};
    const until = phase && 'until' in phase ? phase.until : undefined;
    expect(until).toBe(story.now - SECOND + LEAF + SKEW);
    story
      .after(MINUTE)
      .member('web', { trusts: [1, 2], under: 2 })
      .looked()
      .seenTwice(ALL, { trusts: [1, 2], under: 1 });
    story.thenPhase('returning', { ...(until === undefined ? {} : { until }) });
  });
});

describe('forward again', () => {
  it.each([
    ['restoring', () => restoring(), 'pruned', [2]],
    ['returning', () => returning(), 'issuing', [2, 1]],
    ['dropping', () => dropping(), 'distributing', [1, 2]],
  ] as const)('a person lets it go from %s', (_from, given, phase, roots) => {
    const story = given()
      .when(proceed())
      .thenPhase(phase)
      .thenTrusts(...roots);
    expect(story.state.rotation?.aborted).toBeUndefined();
    story
      .thenOwes(...BRINGS, 'card rotation-phase')
      .when(abort)
      .thenSays(/goes back/);
  });

  it('it is not where nothing is left to go forward from', () => {
    discarding().when(proceed()).thenRefuses('NothingPrepared');
    issuing().when(proceed()).thenRefuses('NothingPrepared');
  });

  it('it goes by itself before the old root ends under those who went back to it', () => {
    const story = returning();
    const ends = story.state.current?.notAfter ?? 0;
    renewingUntil(story, ends - LEAF - SKEW);
    story.thenPhase('issuing').thenTrusts(2, 1);
    expect(story.now).toBeLessThanOrEqual(ends - LEAF - SKEW + SECOND);
  });
});

describe('four eyes', () => {
  const spec = certificatesSpec({ approvals: ['issuing', 'pruning'] });

  it('hold the gate of issuing until somebody else approves, and the gate of pruning until that is approved too', () => {
    const story = distributing(spec).seenTwice(ALL, { trusts: [1, 2], under: 1 });
    story
      .thenHolds('distributing', /waits for somebody other than ada/)
      .thenOwes('card rotation-held')
      .looked()
      .thenChangesNothing();
    story.when(approve('issuing', 'ada')).thenRefuses('SameEyes');
    story.when(approve('issuing', 'eve')).thenRecords('GateApproved').thenOwes('look fleet').looked().thenPhase('issuing');
    story
      .seenTwice(ALL, { trusts: [1, 2], under: 2 })
      .after(OVER)
      .seenTwice(ALL, { trusts: [1, 2], under: 2 });
    story
      .thenHolds('soaking', /pruning waits/)
      .given(approve('pruning', 'eve'))
      .looked()
      .thenPhase('pruned');
  });

  it('are asked for only where the spec asks, once, of a rotation that goes forward', () => {
    distributing().when(approve('issuing', 'eve')).thenRefuses('NoApprovalAsked');
    resting(spec).when(approve('issuing', 'eve')).thenRefuses('NoRotation');
    distributing(spec).given(abort).when(approve('issuing', 'eve')).thenRefuses('NoRotation');
    distributing(spec).given(approve('issuing', 'eve')).when(approve('issuing', 'zoe')).thenChangesNothing('ApprovedAlready');
  });

  it('are not two of one person who let a prepared root be used', () => {
    const prepared = () => {
      const story = resting(spec).given(rotateFor('new-version', 'vault', versionOf(2)));
      return story.given(made(story, 2));
    };
    prepared().given(proceed('eve')).when(approve('issuing', 'eve')).thenRefuses('SameEyes');
    prepared().given(approve('issuing', 'eve')).when(proceed('eve')).thenRefuses('SameEyes');
  });

  it('are not replaced by force', () => {
    const story = distributing(spec, 'compromised');
    story.when(force(story)).thenRefuses('NotApproved').given(approve('issuing', 'eve')).when(force(story)).thenPhase('issuing');
  });
});

describe('the change lock of the mesh', () => {
  it('holds what changes who signs and what removes trust, and nothing of a way back', () => {
    const story = distributing()
      .locked('a rollout of cart is under way')
      .seenTwice(ALL, { trusts: [1, 2], under: 1 });
    story
      .thenHolds('distributing', /issuing waits while a rollout of cart/)
      .locked(undefined)
      .looked()
      .thenPhase('issuing');
    story
      .locked('so')
      .seenTwice(ALL, { trusts: [1, 2], under: 2 })
      .thenPhase('soaking')
      .after(OVER);
    story.seenTwice(ALL, { trusts: [1, 2], under: 2 }).thenHolds('soaking', /pruning waits while so/);
    goesAllTheWayBack(story.given(abort));
  });

  it('is advice: it holds nothing once waiting would let the old root end first, and people are told so', () => {
    const story = distributing().locked('a rollout of cart is under way');
    const by = mustLeaveBy(story.state) ?? 0;
    renewingUntil(story, by - MINUTE);
    story.after(by - MINUTE - story.now).seenTwice(ALL, { trusts: [1, 2], under: 1 });
    story.thenHolds('distributing', /waits while a rollout of cart/).thenCards('rotation-held', { until: by });
    story.looked(by - story.now);
    story.thenRecords('IssuingBegun').thenCards('rotation-phase', { text: expect.stringMatching(/although a rollout of cart/) });
    // Its issuer was renewed meanwhile.
    const under = Number.parseInt(story.state.rotation?.to?.issuer.fingerprint ?? '', 16) - 1_000;
    story
      .seenTwice(ALL, { trusts: [1, 2], under })
      .thenPhase('soaking')
      .after(OVER);
    story.seenTwice(ALL, { trusts: [1, 2], under }).thenHolds('soaking', /pruning waits/);
    story.after((mustLeaveBy(story.state) ?? 0) - story.now).seenTwice(ALL, { trusts: [1, 2], under });
    story.thenPhase('pruned');
  });

  it('holds nothing of a root that is compromised or has ended', () => {
    const story = distributing(certificatesSpec(), 'compromised')
      .locked('so')
      .seenTwice(ALL, { trusts: [1, 2], under: 1 });
    story
      .thenPhase('issuing')
      .seenTwice(ALL, { trusts: [1, 2], under: 2 })
      .thenPhase('soaking');
    story.seenTwice(ALL, { trusts: [1, 2], under: 2 }).thenPhase('pruned');
    const ended = resting()
      .after(ROOT_LIFE + SKEW + SECOND)
      .given({ type: 'Elapsed' })
      .locked('so');
    ended
      .given(made(ended, 2))
      .seenTwice(ALL, { trusts: [1, 2], under: 2 })
      .thenPhase('soaking');
    ended.seenTwice(ALL, { trusts: [1, 2], under: 2 }).thenPhase('pruned');
  });
});
