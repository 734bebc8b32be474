/** The way of a rotation: what each phase does, what holds it, and that nothing but its gate leads on. */
import { describe, expect, it } from 'vitest';
import type { PhaseName } from '../../src/trust/state.ts';
import { authority, certificatesSpec, fingerprint, HOUR, LEAF, MINUTE, SECOND, SKEW, versionOf } from './samples.ts';
import {
  ALL,
  BRINGS,
  distributing,
  dropping,
  issuing,
  made,
  OVER,
  preparing,
  pruned,
  resting,
  restoring,
  retired,
  returning,
  rotateFor,
  type Seen,
  Story,
  soaking,
  specify,
} from './story.ts';

describe('the first root', () => {
  it('is asked of the vault when a spec comes, and in force as soon as it is there', () => {
    const story = new Story().when(specify()).thenRecords('TrustSpecified', 'EstablishingBegun').thenOwes('make first');
    story
      .when(made(story, 1))
      .thenRecords('AuthorityEstablished')
      .thenRests(1)
      .thenOwes(...BRINGS, 'card trust-established');
  });

  it('is made once, however often the vault answers', () => {
    const story = resting();
    story
      .when({ type: 'AuthorityMade', wish: 'first', authority: authority(7) })
      .thenChangesNothing('NotAskedFor')
      .thenRests(1);
  });

  it('can not be rotated before it is there', () => {
    const story = new Story().given(specify());
    story.when(rotateFor('asked')).thenRefuses('NotEstablished').when(rotateFor('due')).thenChangesNothing('NotEstablished');
    new Story().when(rotateFor('asked')).thenRefuses('NoCertificates');
  });

  it('comes under an older spec no more', () => {
    resting().when(specify(certificatesSpec(), 1)).thenChangesNothing('OlderSpec');
  });

  it('is brought as something new where leafs are to live otherwise, since connections end with them, and for nothing else', () => {
    const story = resting();
    const { settingsVersion } = story.state;
    story.given(specify(certificatesSpec(), 2));
    expect(story.state.settingsVersion).toBe(settingsVersion);
    story.given(specify(certificatesSpec({ leafLifeMs: MINUTE }), 3));
    expect(story.state.settingsVersion).toBe(story.version);
  });
});

describe('a rotation', () => {
  it('goes its six ways, one thing at a time, and ends with the new root alone', () => {
    const story = resting().when(rotateFor('asked'));
    story
      .thenRecords('RotationBegun')
      .thenPhase('preparing')
      .thenTrusts(1)
      .thenOwes(`make ${story.state.rotation?.id}`, 'card rotation-begun');
    story.when(made(story, 2)).thenRecords('AuthorityPrepared', 'DistributionBegun');
    story
      .thenPhase('distributing')
      .thenTrusts(1, 2)
      .thenOwes(...BRINGS, 'card rotation-phase');
    story.seenTwice(ALL, { trusts: [1, 2], under: 1 }).thenRecords('IssuingBegun');
    story
      .thenPhase('issuing')
      .thenTrusts(2, 1)
      .thenOwes(...BRINGS, 'card rotation-phase');
    story
      .seenTwice(ALL, { trusts: [1, 2], under: 2 })
      .thenRecords('SoakBegun')
      .thenPhase('soaking')
      .thenTrusts(2, 1);
    story
      .after(OVER)
      .seenTwice(ALL, { trusts: [1, 2], under: 2 })
      .thenRecords('BundlePruned');
    story
      .thenPhase('pruned')
      .thenTrusts(2)
      .thenOwes(...BRINGS, 'card rotation-phase');
    story
      .seenTwice(ALL, { trusts: [2], under: 2 })
      .thenRecords('RetirementBegun')
      .thenPhase('retired');
    story.thenOwes(`key ${fingerprint(1)}`);
    story
      .when({ type: 'KeyDisabled', root: fingerprint(1) })
      .thenRecords('RotationCompleted')
      .thenRests(2);
    expect(story.state.ended[0]).toMatchObject({ outcome: 'rotated', cause: 'asked', certificateIds: [versionOf(1), versionOf(2)] });
  });

  it('is one at a time: people are refused, for events it is no news', () => {
    distributing().when(rotateFor('asked')).thenRefuses('RotationUnderWay').when(rotateFor('due')).thenChangesNothing('RotationUnderWay');
  });

  it('begins by itself on the day by which it must, and not before', () => {
    const story = resting();
    story.when(rotateFor('due')).thenChangesNothing('NotDue');
    // Issuers are renewed on the way; a tenth of the root's life is left when it is replaced.
    for (let alarms = 0; alarms < 200 && !story.state.rotation; alarms += 1) {
      story.elapse();
      const { renewing } = story.state;
      for (const root of renewing)
        story.given({ type: 'IssuerMade', root, issuer: { ...authority(50, story.now).issuer, fingerprint: fingerprint(9_000 + alarms) } });
    }
    const { current, rotation } = story.state;
    expect(rotation).toMatchObject({ cause: 'due', startedBy: 'meshwright' });
    expect(story.now).toBe((current?.notAfter ?? 0) - ((current?.notAfter ?? 0) - (current?.notBefore ?? 0)) / 10);
  });

  it('takes no root that it did not ask for', () => {
    preparing()
      .when({ type: 'AuthorityMade', wish: 'r99', authority: authority(2) })
      .thenChangesNothing('NotAskedFor')
      .thenPhase('preparing');
  });

  it('soaks for as long as a leaf lives and clocks may be apart, from when the last one was seen to have changed', () => {
    const story = issuing().after(10 * MINUTE);
    for (const id of ALL) story.member(id, { trusts: [1, 2], under: 2 });
    const passed = story.looked().thenRecords('GatePassedOnce').now;
    story.after(MINUTE);
    for (const id of ALL) story.member(id, { trusts: [1, 2], under: 2 });
    story.looked().thenPhase('soaking', { until: passed + LEAF + SKEW });
    story.seenTwice(ALL, { trusts: [1, 2], under: 2 }).thenHolds('soaking', /may count until/);
  });

  it('counts leafs down that were issued before the spec made them shorter', () => {
    const story = resting()
      .after(MINUTE)
      .given(specify(certificatesSpec({ leafLifeMs: MINUTE }), 2))
      .given(rotateFor('asked'));
    story
      .given(made(story, 2))
      .seenTwice(ALL, { trusts: [1, 2], under: 1 })
      .seenTwice(ALL, { trusts: [1, 2], under: 2 });
    story.thenPhase('soaking');
    const { phase } = story.state.rotation ?? {};
    expect(phase && 'until' in phase && (phase.until ?? 0) - story.now).toBeGreaterThan(LEAF);
  });
});

type Case = readonly [PhaseName, () => Story, Omit<Seen, 'seenAt'>, Omit<Seen, 'seenAt'>];

/** Everybody was back once, so that leafs of the other root are counted down, and that is over; then not all could be looked at. */
const counted = (): Story =>
  returning()
    .seenTwice(ALL, { trusts: [1, 2], under: 1 })
    .after(OVER)
    .unseen('west')
    .looked()
    .answers('west');

/** Where all are while a phase waits, where one is that is behind, and after how long the phase may end at all. */
const GATES: readonly Case[] = [
  ['distributing', () => distributing(), { trusts: [1, 2], under: 1 }, { trusts: [1], under: 1 }],
  ['issuing', () => issuing(), { trusts: [1, 2], under: 2 }, { trusts: [1, 2], under: 1 }],
  ['soaking', () => soaking().after(OVER), { trusts: [1, 2], under: 2 }, { trusts: [1, 2], under: 1 }],
  ['pruned', () => pruned(), { trusts: [2], under: 2 }, { trusts: [1, 2], under: 2 }],
  ['restoring', () => restoring(), { trusts: [1, 2], under: 2 }, { trusts: [2], under: 2 }],
  ['returning', () => counted(), { trusts: [1, 2], under: 1 }, { trusts: [1, 2], under: 2 }],
  ['dropping', () => dropping(), { trusts: [1], under: 1 }, { trusts: [1, 2], under: 1 }],
];

describe.each(GATES)('the gate of %s', (phase, given, there, behind) => {
  const others = ['cart', 'pay'];

  it('lets all through that were seen twice to be there', () => {
    const story = given().seenTwice(ALL, there);
    expect(story.state.rotation?.phase.name).not.toBe(phase);
  });

  it('is held by one that is behind, and says which', () => {
    const story = given().after(SECOND).member('web', behind).seenTwice(others, there).seenTwice(others, there);
    story.thenHolds(phase, /1 of 3 are behind: web/);
    story.seenTwice(ALL, there);
    expect(story.state.rotation?.phase.name).not.toBe(phase);
  });

  it('is held by one in trouble though it is there, and says its trouble', () => {
    const story = given().after(SECOND);
    story.member('web', { ...there, trouble: 'it refused the bundle' }).seenTwice(others, there);
    story.seenTwice(others, there).thenHolds(phase, /web \(it refused the bundle\)/);
  });

  it('is held by one that says nothing new', () => {
    const story = given();
    story.member('web', { ...there, seenAt: story.state.rotation?.phase.since ?? 0, leafEnds: story.now + 2 * HOUR });
    story.seenTwice(others, there).seenTwice(others, there).thenHolds(phase, /web/);
  });

  it('is held by one that was there at the first look and is silent at the second, and goes on when it speaks', () => {
    const story = given().after(SECOND);
    for (const id of ALL) story.member(id, { ...there, leafEnds: story.now + 9 * HOUR });
    story.looked(0).thenRecords('GatePassedOnce');
    for (const id of others) story.after(SECOND).member(id, there);
    story.looked().thenChangesNothing().looked().thenChangesNothing().thenPhase(phase);
    story.member('web', there).looked();
    expect(story.state.rotation?.phase.name).not.toBe(phase);
  });

  it('falls back when one is behind at the second look', () => {
    const story = given().after(SECOND);
    for (const id of ALL) story.member(id, there);
    story.looked(0).thenRecords('GatePassedOnce').after(SECOND).member('web', behind).seenTwice(others, there);
    story.thenPhase(phase).thenHolds(phase, /web/);
    expect(story.events.map(({ event }) => event.type)).toContain('GateFellBack');
  });

  it('is held by one that was born since the first look and is not there yet', () => {
    const story = given().after(SECOND);
    for (const id of ALL) story.member(id, there);
    story.looked(0).thenRecords('GatePassedOnce');
    story
      .after(SECOND)
      .member('new', { trusts: [], seenAt: 0, mayPresentUntil: story.now + LEAF })
      .seenTwice(ALL, there);
    story
      .thenPhase(phase)
      .member('new', there)
      .seenTwice(ALL, there)
      .member('new', there)
      .looked()
      .seenTwice([...ALL, 'new'], there);
    expect(story.state.rotation?.phase.name).not.toBe(phase);
  });

  it('is held by a data plane that cannot be looked at, and by one that was not', () => {
    const story = given()
      .unseen('west')
      .seenTwice(ALL, there)
      .seenTwice(ALL, there)
      .thenHolds(phase, /west could not be looked at/);
    story.answers('west').after(SECOND);
    for (const id of ALL) story.member(id, there);
    const { rotation } = story.state;
    story.when({ type: 'Looked', look: { ...story.look(), dataPlanes: ['east'] } }).after(SECOND);
    for (const id of ALL) story.member(id, there);
    story.when({ type: 'Looked', look: { ...story.look(), dataPlanes: ['east'] } }).thenHolds(phase, /west was not looked at/);
    expect(rotation?.phase.name).toBe(phase);
  });

  it('waits for one that never comes back until its leaf has ended for every clock, and not longer', () => {
    const story = given();
    const leafEnds = story.now + 2 * HOUR;
    story.member('web', { ...behind, leafEnds });
    story
      .after(leafEnds + SKEW - story.now - 3 * SECOND)
      .seenTwice(others, there)
      .thenHolds(phase, /web/);
    story.after(2 * SECOND).seenTwice(others, there);
    expect(story.state.rotation?.phase.name).not.toBe(phase);
  });

  it('waits for the end of a leaf that somebody was given and not seen with', () => {
    const story = given();
    const mayPresentUntil = story.now + 5 * HOUR;
    story.member('web', { ...behind, mayPresentUntil });
    story
      .after(4 * HOUR)
      .seenTwice(others, there)
      .thenHolds(phase, /web/);
    story.after(HOUR + SKEW).seenTwice(others, there);
    expect(story.state.rotation?.phase.name).not.toBe(phase);
  });

  it('counts one again that comes back, and waits for it', () => {
    const story = given().after(SECOND).member('web', behind);
    story
      .after(LEAF + SKEW + MINUTE)
      .member('web', behind)
      .seenTwice(others, there)
      .thenHolds(phase, /web/);
  });

  it('is not passed by a look from before, nor by the same look twice, also where there is nobody', () => {
    const story = given();
    for (const id of ALL) story.gone(id);
    const since = story.now;
    const { phase: now } = story.state.rotation ?? {};
    const began = now && 'passedAt' in now && now.passedAt !== undefined ? now.passedAt : (now?.since ?? 0);
    story.when({ type: 'Looked', look: { ...story.look(), at: began } }).thenChangesNothing();
    expect(story.now).toBe(since);
    story.looked();
    const { look } = { look: story.look() };
    story.when({ type: 'Looked', look }).when({ type: 'Looked', look });
    if (began === now?.since) story.thenPhase(phase);
    story.looked();
    expect(story.state.rotation?.phase.name).not.toBe(phase);
  });
});

describe('a phase without a gate', () => {
  it('is not left by a look', () => {
    preparing().looked().thenChangesNothing().thenPhase('preparing');
    retired().looked().thenChangesNothing().thenPhase('retired');
  });
});
