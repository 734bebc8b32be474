/** Who trusts what, who presents what, until when, and by which day something has to begin. */
import { describe, expect, it } from 'vitest';
import { inventoryOf, type ServingCertificate } from '../../src/trust/inventory.ts';
import { rotateBy } from '../../src/trust/timing.ts';
import { authority, certificatesSpec, DAY, fingerprint, LEAF, MINUTE, ROOT_LIFE, SECOND, SKEW, T0 } from './samples.ts';
import { distributing, resting, type Story } from './story.ts';

const serving = (fields: Partial<ServingCertificate> = {}): ServingCertificate => ({
  name: 'shop-web',
  certificateId: 'https://vault.example/certificates/shop-web/1',
  notBefore: T0,
  notAfter: T0 + 90 * DAY,
  enabled: true,
  ...fields,
});
const inventory = (story: Story, now = story.now, servings: readonly ServingCertificate[] = []) =>
  inventoryOf(story.state, story.look(), servings, now);
const standingOf = (story: Story, kind: string, now: number, servings: readonly ServingCertificate[] = []) =>
  inventory(story, now, servings).certificates.find((each) => each.kind === kind)?.standing;

describe('the inventory', () => {
  it('has the day by which the root in force must be replaced, and the last hour for it', () => {
    const story = resting();
    const by = rotateBy(story.state.current ?? authority(1), certificatesSpec());
    const ends = story.state.current?.notAfter ?? 0;
    expect(inventory(story)).toMatchObject({ rotateBy: by, lastStart: ends - 4 * LEAF - SKEW, trustDomain: 'shop.example' });
    expect(standingOf(story, 'root', by - 1)).toBe('good');
    expect(standingOf(story, 'root', by)).toBe('due');
    expect(standingOf(story, 'root', ends - 4 * LEAF - SKEW)).toBe('late');
    expect(standingOf(story, 'root', ends + 1)).toBe('expired');
  });

  it('counts days down, and below nothing once it is over', () => {
    const story = resting();
    const ends = story.state.current?.notAfter ?? 0;
    const daysLeft = (now: number) => inventory(story, now).certificates.find(({ kind }) => kind === 'root')?.daysLeft;
    expect([daysLeft(ends - 2 * DAY), daysLeft(ends - 2 * DAY + 1), daysLeft(ends - 1), daysLeft(ends + 1)]).toEqual([2, 1, 0, -1]);
  });

  it('has an issuer due at half of its life, and never where it ends with its root', () => {
    const story = resting();
    const { issuer } = story.state.current ?? authority(1);
    const half = (issuer.notBefore + issuer.notAfter) / 2;
    expect(standingOf(story, 'issuer', half - 1)).toBe('good');
    expect(standingOf(story, 'issuer', half)).toBe('due');
    expect(standingOf(story, 'issuer', issuer.notAfter - LEAF)).toBe('late');

    const last = resting().elapse();
    last.given({ type: 'IssuerMade', root: fingerprint(1), issuer: { ...authority(8).issuer, notAfter: T0 + ROOT_LIFE } });
    expect(inventory(last).certificates.find(({ kind }) => kind === 'issuer')).toMatchObject({ dueAt: null, standing: 'good' });
  });

  it('has both roots while one leads to the other, what ends first above', () => {
    const items = inventory(distributing().after(MINUTE), undefined, [serving()]).certificates;
    expect(items.map(({ kind, role }) => `${kind} ${role}`).toSorted()).toEqual([
      'issuer current',
      'issuer next',
      'root current',
      'root next',
      'serving null',
    ]);
    expect(items.map(({ notAfter }) => notAfter)).toEqual(items.map(({ notAfter }) => notAfter).toSorted((a, b) => a - b));
  });

  it('watches serving certificates by their own life', () => {
    const at = (left: number, life = 90) =>
      standingOf(resting(), 'serving', T0 + (life - left) * DAY, [serving({ notAfter: T0 + life * DAY })]);
    expect([at(31), at(30), at(8), at(7), at(-1)]).toEqual(['good', 'due', 'due', 'late', 'expired']);
    expect([at(3, 6), at(2, 6), at(0.5, 6)]).toEqual(['good', 'due', 'late']);
  });

  it('says of every workload whom it trusts and what it presents, by role', () => {
    const story = distributing()
      .after(SECOND)
      .member('web', { trusts: [1, 2, 9], under: 2 })
      .member('cart', { trusts: [1], under: 9 });
    const [web, cart] = inventory(story).workloads;
    expect(web?.trusts.map(({ role }) => role)).toEqual(['current', 'next', 'other']);
    expect([web?.presents?.under, cart?.presents?.under]).toEqual(['next', 'other']);
    const counted = inventory(story).roots.map(({ role, trusting, presenting }) => ({ role, trusting, presenting }));
    expect(counted).toEqual([
      { role: 'current', trusting: 3, presenting: 1 },
      { role: 'next', trusting: 1, presenting: 1 },
      { role: 'other', trusting: 1, presenting: 0 },
    ]);
  });

  it('has a workload late that does not renew, and lets it go when nobody could believe it', () => {
    const story = resting();
    story.member('web', { trusts: [1], under: 1 });
    const standing = (ms: number) => inventory(story, story.now + ms).workloads.find(({ id }) => id === 'web');
    expect([standing(0), standing((LEAF * 2) / 3), standing((LEAF * 5) / 6), standing(LEAF + 1)].map((each) => each?.standing)).toEqual([
      'good',
      'due',
      'late',
      'expired',
    ]);
    expect([standing(LEAF + SKEW)?.left, standing(LEAF + SKEW + 1)?.left]).toEqual([false, true]);
    expect(inventory(story, story.now + LEAF + SKEW + 1).roots[0]?.trusting).toBe(0);
  });
});
