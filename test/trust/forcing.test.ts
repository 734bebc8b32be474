/** What changes the way of a rotation under way: a gate that is forced, a compromise that is found, a version that the vault has made by itself. */
import { describe, expect, it } from 'vitest';
import { mustLeaveBy, rotateBy } from '../../src/trust/timing.ts';
import { abort, approve, force, proceed } from './by-hand.ts';
import { certificatesSpec, DAY, fingerprint, SECOND, versionOf } from './samples.ts';
import {
  ALL,
  discarding,
  distributing,
  issuing,
  made,
  preparing,
  renewingUntil,
  resting,
  retired,
  returning,
  rotateFor,
  soaking,
} from './story.ts';

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

  it('names the data planes too of which nothing is known: any workload there may break', () => {
    const story = distributing(certificatesSpec(), 'compromised').after(SECOND).unseen('west');
    for (const id of ALL) story.member(id, { trusts: [1, 2], under: 1 });
    story.when(force(story)).thenSays(/0 are behind, and nothing is known of west/);
    expect(story.events.at(-2)?.event).toMatchObject({ type: 'GateForced', behind: [], unseen: ['west'] });
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
