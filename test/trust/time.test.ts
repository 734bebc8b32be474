/** What becomes due by itself: overdue phases, roots and issuers that end; specs that change on the way, and answers that come late. */
import { describe, expect, it } from 'vitest';
import { mustLeaveBy, rotateBy } from '../../src/trust/timing.ts';
import { abort } from './by-hand.ts';
import { authority, certificatesSpec, DAY, fingerprint, LEAF, ROOT_LIFE, SECOND, SKEW, T0 } from './samples.ts';
import {
  ALL,
  BRINGS,
  distributing,
  issuing,
  made,
  renewingUntil,
  resting,
  restoring,
  retired,
  rotateFor,
  soaking,
  specify,
} from './story.ts';

describe('what time does', () => {
  it('says once of a phase that it is overdue, what holds it, and goes on holding', () => {
    const story = issuing()
      .after(SECOND)
      .member('web', { trusts: [1, 2], under: 1, leafEnds: T0 + 2 * ROOT_LIFE })
      .looked();
    const by = mustLeaveBy(story.state) ?? 0;
    expect(by).toBe((story.state.current?.notAfter ?? 0) - (LEAF + SKEW) - LEAF);
    renewingUntil(story, by);
    expect(story.state.rotation).toMatchObject({ overdue: 'issuing', heldBy: expect.stringMatching(/web/) });
    expect(story.events.filter(({ event }) => event.type === 'PhaseOverdue')).toHaveLength(1);
    story.thenPhase('issuing').thenTrusts(2, 1);
  });

  it('has every phase end before the next must', () => {
    const times = [distributing(), issuing(), soaking()].map(({ state }) => mustLeaveBy(state) ?? 0);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  it('finds a root that has ended: it says so, and the new one is used at once', () => {
    const story = resting()
      .after(ROOT_LIFE + SKEW + SECOND)
      .when({ type: 'Elapsed' });
    story.thenRecords('RotationBegun', 'IssuerDue', 'PhaseOverdue').thenSays(/ended at .* can talk again as soon as/);
    expect(story.state.rotation?.cause).toBe('expired');
    story.when(made(story, 2)).thenRecords('AuthorityPrepared', 'DistributionBegun', 'IssuingBegun').thenTrusts(2, 1);
    story.when(abort).thenRefuses('OldRootExpired');
    story
      .seenTwice(ALL, { trusts: [1, 2], under: 2 })
      .thenPhase('soaking')
      .seenTwice(ALL, { trusts: [1, 2], under: 2 })
      .thenPhase('pruned');
  });

  it('does not take the word of an event for that: no gate is skipped while the root counts', () => {
    const story = resting().when(rotateFor('expired', 'Key Vault shop')).thenChangesNothing('NotDue');
    story
      .after(ROOT_LIFE - DAY)
      .when(rotateFor('expired', 'Key Vault shop'))
      .thenRecords('RotationBegun');
    expect(story.state.rotation?.cause).toBe('due');
    story.when(made(story, 2)).thenRecords('AuthorityPrepared', 'DistributionBegun').thenTrusts(1, 2);
  });

  it('goes on where the old root ends before all are ready: nobody is believed that could be kept', () => {
    const story = distributing()
      .after(SECOND)
      .member('web', { trusts: [1], under: 1 })
      .looked();
    const ends = story.state.current?.notAfter ?? 0;
    renewingUntil(story, ends);
    story.thenPhase('distributing').elapse().thenRecords('RotationHastened', 'IssuingBegun', 'PhaseOverdue').thenTrusts(2, 1);
    expect(story.now).toBe(ends + SKEW + 1);
  });

  it('renews an issuer at half of its life, under the same root, and brings it', () => {
    const story = resting()
      .elapse()
      .thenRecords('IssuerDue')
      .thenOwes(`issuer ${fingerprint(1)}`);
    const issuer = { ...authority(8, story.now).issuer };
    story.when({ type: 'Elapsed' }).thenChangesNothing();
    story
      .when({ type: 'IssuerMade', root: fingerprint(1), issuer })
      .thenRecords('IssuerRenewed')
      .thenOwes(...BRINGS)
      .thenTrusts(1);
    expect(story.state.settingsVersion).toBe(story.version);
    expect(story.state.current?.formerIssuers.map(({ fingerprint: each }) => each)).toEqual([fingerprint(1_001)]);
    story.when({ type: 'IssuerMade', root: fingerprint(1), issuer }).thenChangesNothing('NotAskedFor');
  });

  it('has the key of an issuer disabled once its leafs have ended, and not before', () => {
    const story = resting();
    const owed: (string | undefined)[] = [];
    for (const number of [8, 9, 10]) {
      story.elapse();
      const decision = story.give({ type: 'IssuerMade', root: fingerprint(1), issuer: authority(number, story.now).issuer });
      const ended = decision.kind === 'accepted' ? decision.effects.filter(({ kind }) => kind === 'ended-key') : [];
      owed.push(...ended.map(({ target }) => target));
      // Each ends after seven days and is replaced after half of them.
      expect(owed).toEqual(number < 9 ? [] : [authority(1).issuer, authority(8).issuer].slice(0, number - 8).map(({ keyId }) => keyId));
    }
  });

  it('renews no issuer that could not outlive the one that is there', () => {
    const story = resting().elapse();
    const ends = story.state.current?.notAfter ?? 0;
    story.given({ type: 'IssuerMade', root: fingerprint(1), issuer: { ...authority(8, story.now).issuer, notAfter: ends } });
    story.elapse();
    expect(story.now).toBe(rotateBy(story.state.current ?? authority(1), certificatesSpec()));
  });

  it('asks for no issuer any more under a root that is gone', () => {
    const story = retired();
    story.after(4 * DAY).given({ type: 'Elapsed' });
    expect(story.state.renewing).toContain(fingerprint(1));
    story.given({ type: 'KeyDisabled', root: fingerprint(1) });
    expect(story.state.renewing).not.toContain(fingerprint(1));
    story.when({ type: 'IssuerMade', root: fingerprint(1), issuer: authority(8, story.now).issuer }).thenChangesNothing('NotAskedFor');
  });

  it('leafs of an issuer before are still leafs of its root', () => {
    const story = issuing().after(SECOND);
    renewingUntil(story, story.now + 4 * DAY);
    story.seenTwice(ALL, { trusts: [1, 2], under: 2 }).thenPhase('soaking');
  });
});

describe('a spec', () => {
  it('that comes during a rotation with another data plane makes its gate wait for that one too', () => {
    const story = distributing()
      .given(specify(certificatesSpec(), 2, ['east', 'west', 'north']))
      .thenOwes('trust north', ...BRINGS);
    story
      .unseen('north')
      .seenTwice(ALL, { trusts: [1, 2], under: 1 })
      .thenHolds('distributing', /north/);
  });

  it('that has no certificates any more is not taken up while a rotation is under way', () => {
    distributing().when({ type: 'Release', specVersion: 2 }).thenRefuses('RotationUnderWay');
    resting().when({ type: 'Release', specVersion: 2 }).thenRecords('TrustReleased').when(rotateFor('asked')).thenRefuses('NoCertificates');
  });
});

describe('certificates that were released and are taken up again', () => {
  it('have their issuer renewed when it is due, though another was called for before', () => {
    const story = resting().elapse().thenRecords('IssuerDue').given({ type: 'Release', specVersion: 2 });
    story.given(specify(certificatesSpec(), 3)).when({ type: 'Elapsed' });
    story.thenRecords('IssuerDue').thenOwes(`issuer ${fingerprint(1)}`);
  });

  it('have what a data plane signs with replaced when it is due, though that was called for before', () => {
    const story = resting();
    const [notBefore, notAfter] = [story.now, story.now + DAY];
    const delegation = { dataPlane: 'east', fingerprint: fingerprint(500), notBefore, notAfter };
    story
      .given({ type: 'Delegate', root: fingerprint(1), delegation })
      .elapse()
      .thenRecords('DelegationDue');
    story.given({ type: 'Release', specVersion: 2 }, specify(certificatesSpec(), 3)).when({ type: 'Elapsed' });
    story.thenRecords('DelegationDue').thenOwes('trust east');
  });
});

describe('what the vault says late', () => {
  it('changes nothing', () => {
    resting()
      .when({ type: 'KeyDisabled', root: fingerprint(1) })
      .thenChangesNothing('NothingWaits');
    restoring()
      .when({ type: 'KeyDisabled', root: fingerprint(1) })
      .thenChangesNothing('NothingWaits');
    issuing()
      .when({ type: 'AuthorityMade', wish: 'r3', authority: authority(9) })
      .thenChangesNothing('NotAskedFor');
  });
});
