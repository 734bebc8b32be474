/** Where people and events step in: aborts from everywhere, four eyes, a compromise, a root that waits for somebody. */
import { describe, expect, it } from 'vitest';
import { mustLeaveBy, rotateBy } from '../../src/trust/timing.ts';
import { certificatesSpec, DAY, fingerprint, HOUR, LEAF, MINUTE, ROOT_LIFE, SECOND, SKEW, versionOf } from './samples.ts';
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

const abort = { type: 'Abort', by: 'ada' } as const;
const proceed = (by = 'eve') => ({ type: 'Proceed', by }) as const;
const approve = (gate: 'issuing' | 'pruning', by: string) => ({ type: 'Approve', gate, by }) as const;

const force = (story: Story) =>
  ({
    type: 'Force',
    by: 'ada',
    rotation: story.state.rotation?.id ?? '',
    phase: story.state.rotation?.phase.name ?? '',
    look: story.look(),
  }) as const;

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

describe('force', () => {
  it('is for a compromise, and for what waits until it is not safe any more; whatever it is about, to nobody who goes back', () => {
    const story = distributing()
      .after(SECOND)
      .member('pay', { trusts: [1], under: 1, leafEnds: Number.MAX_SAFE_INTEGER });
    const by = mustLeaveBy(story.state) ?? 0;
    story.when(force(story)).thenRefuses('WaitingIsSafe').thenSays(new Date(by).toISOString()).thenPhase('distributing');
    renewingUntil(story, by);
    expect(story.state.rotation?.overdue).toBe('distributing');
    story.when(force(story)).thenRecords('GateForced', 'IssuingBegun').thenTrusts(2, 1);
    story.when(force(story)).thenRefuses('WaitingIsSafe');
    const rest = resting();
    rest.when(force(rest)).thenRefuses('NothingToForce');
    const back = distributing(certificatesSpec(), 'compromised').given(abort);
    back.when(force(back)).thenRefuses('NothingToForce');
  });

  it('replaces no approval of what is overdue either', () => {
    const story = distributing(certificatesSpec({ approvals: ['issuing'] }));
    renewingUntil(story, mustLeaveBy(story.state) ?? 0);
    story.when(force(story)).thenRefuses('NotApproved').given(approve('issuing', 'eve')).when(force(story)).thenPhase('issuing');
  });

  it('is of the phase and the rotation that somebody has looked at, and of no other', () => {
    const story = distributing(certificatesSpec(), 'compromised');
    const command = force(story);
    story
      .given(command)
      .when(command)
      .thenRefuses('AnotherPhase')
      .thenSays(/issuing of .* by now/)
      .thenPhase('issuing');
    const { id = '' } = story.state.rotation ?? {};
    story.when({ ...force(story), rotation: `${id}0` }).thenRefuses('AnotherPhase');
  });

  it('passes the gate whoever is behind, and names them', () => {
    const story = distributing(certificatesSpec(), 'compromised')
      .after(SECOND)
      .member('pay', { trusts: [1, 2], under: 1 });
    story
      .when(force(story))
      .thenRecords('GateForced', 'IssuingBegun')
      .thenSays(/2 are behind/);
    expect(story.events.at(-2)?.event).toMatchObject({ behind: ['web', 'cart'], more: 0, by: 'ada' });
  });

  it('and a compromise soak nothing', () => {
    const story = issuing(certificatesSpec(), 'compromised')
      .seenTwice(ALL, { trusts: [1, 2], under: 2 })
      .thenPhase('soaking');
    story.seenTwice(ALL, { trusts: [1, 2], under: 2 }).thenPhase('pruned');
  });
});

describe('a compromise that is found during a rotation', () => {
  it('hastens it: its gates can be forced, and it soaks no longer than it has to', () => {
    const story = distributing()
      .when(rotateFor('compromised', 'eve'))
      .thenRecords('RotationHastened')
      .thenOwes('look fleet', 'card rotation-phase');
    story.when(rotateFor('compromised', 'eve')).thenChangesNothing('HastenedAlready');
    story.when(force(story)).thenPhase('issuing');
  });

  it('lets a prepared root be used', () => {
    const story = resting().given(rotateFor('new-version', 'vault', versionOf(2)));
    story.given(made(story, 2)).when(rotateFor('compromised', 'eve')).thenRecords('RotationHastened', 'DistributionBegun');
  });

  it('does not turn a way back round: that is said first', () => {
    returning().when(rotateFor('compromised')).thenRefuses('GoesBack').given(proceed()).given(rotateFor('compromised'));
  });

  it('soaks no more where it soaked', () => {
    soaking()
      .given(rotateFor('compromised'))
      .seenTwice(ALL, { trusts: [1, 2], under: 2 })
      .thenPhase('pruned');
  });
});

describe('a version that the vault has made by itself', () => {
  const newVersion = (version: number) => rotateFor('new-version', 'Key Vault shop', versionOf(version));

  it('prepares a rotation, says so, and waits to be let in; however often it is looked at and whatever time passes', () => {
    const story = resting().given(newVersion(2));
    expect(story.state.rotation?.adopts).toBe(versionOf(2));
    story.when(made(story, 2)).thenRecords('AuthorityPrepared').thenPhase('prepared').thenTrusts(1).thenOwes('card rotation-prepared');
    story.looked(DAY).thenChangesNothing().when(newVersion(2)).thenChangesNothing('RotationUnderWay').thenTrusts(1);
    story.when(proceed()).thenRecords('DistributionBegun').thenTrusts(1, 2);
  });

  it('gives way to the root that is due, and is never used without being let in', () => {
    const story = resting().given(newVersion(2));
    story.given(made(story, 2));
    const due = story.state.current ? rotateBy(story.state.current, certificatesSpec()) : 0;
    renewingUntil(story, due);
    story
      .thenPhase('discarding')
      .thenTrusts(1)
      .given({ type: 'KeyDisabled', root: fingerprint(2) });
    renewingUntil(story, due + SECOND);
    expect(story.state.rotation).toMatchObject({ cause: 'due', phase: { name: 'preparing' } });
    expect(story.state.rotation?.adopts).toBeUndefined();
  });

  it('and is no usable root ends the rotation and says why: the next one begins at once, and late news of it is none', () => {
    const story = resting().given(newVersion(2));
    const because = 'It is no root: CA is FALSE.';
    story
      .when({ type: 'NothingMade', wish: story.state.rotation?.id ?? '', because })
      .thenRecords('AbortBegun', 'RotationAborted')
      .thenOwes('card rotation-aborted')
      .thenSays(because)
      .thenRests(1);
    story.when(newVersion(2)).thenChangesNothing('KnownAlready').when(rotateFor('asked')).thenRecords('RotationBegun');
    // Of a root that is made here, that the vault refuses today is no reason to give it up.
    story.when({ type: 'NothingMade', wish: story.state.rotation?.id ?? '', because }).thenChangesNothing('NotGivenUp');
  });

  it('and is not verified when the root is due gives way to one that is made', () => {
    const story = resting().given(newVersion(2));
    const due = story.state.current ? rotateBy(story.state.current, certificatesSpec()) : 0;
    renewingUntil(story, due + SECOND);
    expect(story.state.ended[0]).toMatchObject({ cause: 'new-version', outcome: 'aborted' });
    expect(story.state.rotation).toMatchObject({ cause: 'due', phase: { name: 'preparing' } });
    expect(story.state.rotation?.adopts).toBeUndefined();
  });

  it('and is not verified when the root is said to be compromised is not waited for: a root is made', () => {
    const story = resting().given(newVersion(2));
    const id = story.state.rotation?.id ?? '';
    story.when(rotateFor('compromised', 'eve')).thenRecords('RotationHastened').thenOwes(`make ${id}`, 'look fleet', 'card rotation-phase');
    expect(story.state.rotation?.adopts).toBeUndefined();
    story.when({ type: 'NothingMade', wish: id, because: 'so' }).thenChangesNothing('NotGivenUp');
    story.when(made(story, 3)).thenRecords('AuthorityPrepared', 'DistributionBegun').thenTrusts(1, 3);
  });

  it('is no news where it is ours: in force, being made, rotated from, or undone', () => {
    resting().when(newVersion(1)).thenChangesNothing('InForceAlready');
    preparing().when(newVersion(2)).thenChangesNothing('RotationUnderWay');
    const rotated = retired().given({ type: 'KeyDisabled', root: fingerprint(1) });
    rotated.when(newVersion(1)).thenChangesNothing('KnownAlready').when(newVersion(2)).thenChangesNothing('InForceAlready');
    const undone = discarding().given({ type: 'KeyDisabled', root: fingerprint(2) });
    undone.when(newVersion(2)).thenChangesNothing('KnownAlready').thenRests(1);
  });
});
