/** When a leaf is asked for, and what a workload sends for one. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hurriedDelay, renewalDelay, renewalDelayOf, retryDelay, spanInWords } from '../../src/agent/renewal.ts';
import { makeKey } from '../../src/agent/signing-request.ts';
import { readSigningRequest } from '../../src/trust/x509/signing-request.ts';

const DAY = 86_400_000;
const chance = fc.double({ min: 0, max: 1, noNaN: true });
const life = fc.integer({ min: 1_000, max: 30 * DAY });

describe('a leaf is renewed', () => {
  it('at two thirds of its life, or up to a tenth of it sooner', () => {
    expect([renewalDelay(DAY, 0), renewalDelay(DAY, 1)]).toEqual([57_600_000, 48_960_000]);
    fc.assert(
      fc.property(life, chance, (lifeMs, by) => renewalDelay(lifeMs, by) <= lifeMs * 0.667 && renewalDelay(lifeMs, by) >= lifeMs * 0.566),
    );
  });

  it('at once when it was found and its time has come, whatever this machine thinks the time is', () => {
    const leaf = { notBefore: 1_000_000, notAfter: 1_000_000 + DAY };
    expect(renewalDelayOf(leaf, leaf.notBefore + DAY * 0.2, 0)).toBe(Math.round(DAY * (2 / 3)) - DAY * 0.2);
    expect(renewalDelayOf(leaf, leaf.notBefore + DAY * 0.7, 0)).toBe(0);
    expect(renewalDelayOf(leaf, leaf.notAfter + 1, 0)).toBe(0);
    expect(renewalDelayOf(leaf, leaf.notBefore - 1, 0)).toBe(0);
  });

  it('at a random moment of the time there is, when another issuer signs', () => {
    expect([hurriedDelay(10_000, 0), hurriedDelay(10_000, 0.5), hurriedDelay(10_000, 1), hurriedDelay(-5, 1)]).toEqual([
      0, 5_000, 10_000, 0,
    ]);
  });
});

describe('who got none asks again', () => {
  it('later each time, by chance, and never later than in a minute', () => {
    const leaf = { leftMs: DAY, lifeMs: DAY };
    expect([1, 2, 3, 7, 8, 100].map((failures) => retryDelay(failures, leaf, 1))).toEqual([500, 1_000, 2_000, 32_000, 60_000, 60_000]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), life, chance, (failures, leftMs, by) => {
        const delay = retryDelay(failures, { leftMs, lifeMs: leftMs }, by);
        return delay <= 60_000 && delay >= 250;
      }),
    );
  });

  it('often enough before the leaf in use ends, and as often once it has', () => {
    expect(retryDelay(50, { leftMs: 8_000, lifeMs: 20_000 }, 1)).toBe(2_000);
    expect(retryDelay(50, { leftMs: 100, lifeMs: 20_000 }, 1)).toBe(500);
    expect(retryDelay(50, { leftMs: -1, lifeMs: 20_000 }, 1)).toBe(5_000);
    expect(retryDelay(50, { leftMs: 0, lifeMs: 0 }, 1)).toBe(60_000);
  });

  it('and says in words for how long', () => {
    expect([0, 400, 11_000, 119_000, 120_000, 3 * 3_600_000, 5 * DAY].map(spanInWords)).toEqual([
      '0 s',
      '1 s',
      '11 s',
      '119 s',
      '2 min',
      '3 h',
      '5 d',
    ]);
  });
});

describe('a request for a leaf', () => {
  it('is one that the issuing side takes, with a name and without', async () => {
    const key = await makeKey();
    expect(readSigningRequest(key.request())).toEqual({ kind: 'request', publicKey: expect.any(Uint8Array) });
    const long = `spiffe://${'a'.repeat(60)}.example/ns/${'n'.repeat(63)}/sa/${'s'.repeat(60)}`;
    for (const spiffeId of ['spiffe://shop.example/ns/shop/sa/web', long]) {
      expect(readSigningRequest(key.request(spiffeId))).toMatchObject({ kind: 'request', spiffeId });
    }
  });

  it('is of another key each time', async () => {
    const [one, other] = [await makeKey(), await makeKey()];
    expect(one.pem).not.toBe(other.pem);
  });
});
