/** What agents say is written when it is new, and often enough; each is told who signs; a store that is away loses none of it. */
import { describe, expect, it } from 'vitest';
import { identitiesOf } from '../../src/reconcile/identity-observations.ts';
import type { ModelledTrust } from '../../src/reconcile/model-trust.ts';
import { OBSERVED_MS } from '../../src/reconcile/observations.ts';
import { IdentityDesk, type IdentityReport } from '../../src/xds/identities.ts';
import { always, never, storeThatFails } from './store-that-fails.ts';

const T0 = Date.parse('2026-11-22T14:00:00Z');
const place = { mesh: 'shop', dataPlane: 'vms' };
const [a, b, issuer] = ['a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64)];
const trust: ModelledTrust = {
  mesh: 'shop',
  trustDomain: 'mesh.example',
  revision: 7,
  sequence: 3,
  roots: ['PEM'],
  fingerprints: [a],
  formerRoots: [],
  signer: { fingerprint: issuer, certificate: 'PEM' },
  renewWithinMs: 9_000,
};
const SECOND = 1_000;
/** A leaf that lives so long from T0. */
const report = (lifeMs?: number, more: Partial<IdentityReport> = {}): IdentityReport => ({
  node: 'web-1',
  loaded: { roots: [a], ...(lifeMs === undefined ? {} : { leaf: { fingerprint: b, issuer, notAfter: T0 + lifeMs } }) },
  ...more,
});

function desk(known: ModelledTrust | 'none' = trust) {
  const store = storeThatFails();
  const clock = { now: T0 };
  const order: string[] = [];
  const problems: string[] = [];
  const made = new IdentityDesk({
    documents: store.documents,
    now: () => clock.now,
    report: (problem) => problems.push(problem),
    trustOf: () => (known === 'none' ? undefined : known),
    writeServed: async () => void order.push('served'),
    onChange: (mesh) => order.push(`changed ${mesh}`),
  });
  const stored = () => identitiesOf(store.stored, place, clock.now);
  return {
    store,
    clock,
    order,
    problems,
    made,
    stored,
    async say(report: IdentityReport) {
      const told = made.take(place, report);
      await made.flush();
      return told;
    },
  };
}

describe('what an agent says', () => {
  it('is written after what was served, and the functions are told of it', async () => {
    const { say, stored, order } = desk();
    await say(report(20 * SECOND, { identity: 'spiffe://mesh.example/ns/shop/sa/web' }));
    expect(await stored()).toEqual([{ ...report(20 * SECOND), identity: 'spiffe://mesh.example/ns/shop/sa/web', seenAt: T0 }]);
    expect(order).toEqual(['served', 'changed shop']);
  });

  it.each([
    ['of twenty seconds', 20 * SECOND, (20 * SECOND) / 3],
    ['of three seconds', 3 * SECOND, SECOND],
    ['of a month', 30 * 86_400_000, 60 * SECOND],
    ['that has ended', -SECOND, SECOND],
  ])('of a leaf %s is never older in the store than a third of what is left, while its agent keeps the pace', async (_, lifeMs, oldest) => {
    const { say, stored, clock, order } = desk();
    const lives = T0 + Math.max(lifeMs, 6 * SECOND);
    for (;;) {
      const told = await say(report(lifeMs));
      const [seen] = await stored();
      expect(clock.now - (seen?.seenAt ?? 0)).toBeLessThanOrEqual(oldest);
      if (clock.now > lives || clock.now > T0 + 10 * 60 * SECOND) break;
      clock.now += told?.reportEveryMs ?? Number.NaN;
      const [before] = await stored();
      expect(clock.now - (before?.seenAt ?? 0)).toBeLessThanOrEqual(oldest);
    }
    expect(order.filter((each) => each.startsWith('changed'))).toEqual(['changed shop']);
  });

  it('is not written each time it is said again, and is at once when it is something else', async () => {
    const { say, stored, clock, order } = desk();
    await say(report(30 * 86_400_000));
    clock.now += SECOND;
    await say(report(30 * 86_400_000));
    expect((await stored())[0]?.seenAt).toBe(T0);
    await say(report(30 * 86_400_000, { trouble: 'Envoy refused an update.' }));
    expect((await stored())[0]).toMatchObject({ seenAt: T0 + SECOND, trouble: 'Envoy refused an update.' });
    expect(order.filter((each) => each.startsWith('changed'))).toHaveLength(2);
  });

  it('is answered with who signs, and with nothing where the mesh has no root yet', async () => {
    expect(await desk().say(report(20 * SECOND))).toEqual({ revision: 7, signer: issuer, renewWithinMs: 9_000, reportEveryMs: 1_666 });
    const none = desk('none').made.take(place, report());
    expect(none).toEqual({ revision: 0, renewWithinMs: 0, reportEveryMs: 5_000 });
  });

  it('that could not be written is when the store is back, with what was said last', async () => {
    const { store, say, stored, problems, order, made, clock } = desk();
    store.fails = always;
    await say(report(20 * SECOND));
    clock.now += SECOND;
    await say(report(20 * SECOND, { trouble: 'late' }));
    expect(problems.length).toBeGreaterThan(0);
    expect(order).not.toContain('changed shop');
    store.fails = never;
    await made.flush();
    expect(await stored()).toMatchObject([{ seenAt: T0 + SECOND, trouble: 'late' }]);
    expect(order.at(-1)).toBe('changed shop');
  });

  it('stays when this server has forgotten who said it, until a day after the leaf has ended', async () => {
    const { say, stored, clock, made } = desk();
    await say(report(3_600_000));
    clock.now += 16 * 60_000;
    made.forgetSilent();
    expect(await stored()).toMatchObject([{ seenAt: T0 }]);
    clock.now = T0 + 3_600_000 + OBSERVED_MS - 1;
    expect(await stored()).toHaveLength(1);
    clock.now += 1;
    expect(await stored()).toEqual([]);
  });
});

describe('more nodes than are kept', () => {
  it('are refused until others have been silent for long; those that are known are not', async () => {
    const { made, clock } = desk();
    let taken = 0;
    while (made.take(place, report(20 * SECOND, { node: `n${taken}` }))) taken += 1;
    expect(taken).toBe(20_000);
    expect(made.take(place, report(20 * SECOND, { node: 'n1' }))).toBeDefined();
    await made.flush();
    made.forgetSilent();
    expect(made.take(place, report(20 * SECOND, { node: 'new' }))).toBeUndefined();
    clock.now += 16 * 60_000;
    made.forgetSilent();
    expect(made.take(place, report(20 * SECOND, { node: 'new' }))).toBeDefined();
  });
});
