/** Who gets which leaf: the attested identity and nothing else, under the issuer that the rotation's phase names, within its life. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Authority } from '../../src/trust/certificates.ts';
import { readSpiffeId, spiffeIdOf } from '../../src/trust/identity.ts';
import { decideIssuing } from '../../src/trust/issuing.ts';
import { initialTrustState, type Phase, type TrustState } from '../../src/trust/state.ts';
import { asked, DAY_MS, MINUTE_MS, NOW, TRUST_DOMAIN } from './authorities-asked.ts';

const authorityNamed = (letter: string, issuerEnds = NOW + 7 * DAY_MS): Authority => ({
  fingerprint: letter.repeat(64),
  certificate: `root ${letter}`,
  certificateId: `root-${letter}`,
  keyId: `key-${letter}`,
  notBefore: NOW - 100 * DAY_MS,
  notAfter: NOW + 100 * DAY_MS,
  algorithm: 'P-256',
  origin: 'made',
  issuer: {
    fingerprint: letter.repeat(63).padEnd(64, '0'),
    certificate: `issuer ${letter}`,
    keyId: `issuer-key-${letter}`,
    notBefore: NOW - DAY_MS,
    notAfter: issuerEnds,
  },
  formerIssuers: [],
});

const old = authorityNamed('a');
const next = authorityNamed('b');
const established: TrustState = { ...initialTrustState, spec: asked('').spec, trustDomain: TRUST_DOMAIN, current: old };
const publicKey = new Uint8Array([1, 2, 3]);
const attested = { namespace: 'shop', serviceAccount: 'web' };
const WEB = `spiffe://${TRUST_DOMAIN}/ns/shop/sa/web`;

const decide = (state: TrustState, spiffeId?: string, now = NOW) =>
  decideIssuing(state, { request: { publicKey, ...(spiffeId === undefined ? {} : { spiffeId }) }, attested, now });

describe('a request for a leaf', () => {
  it('is given the attested identity, whether it names it or nothing', () => {
    const profile = { spiffeId: WEB, publicKey, notBefore: NOW - 5 * MINUTE_MS, notAfter: NOW + DAY_MS };
    expect(decide(established)).toEqual({ kind: 'issue', signer: old, profile });
    expect(decide(established, WEB)).toEqual({ kind: 'issue', signer: old, profile });
  });

  it.each([
    ['another workload', `spiffe://${TRUST_DOMAIN}/ns/shop/sa/admin`, 'ForeignIdentity'],
    ['another namespace', `spiffe://${TRUST_DOMAIN}/ns/bank/sa/web`, 'ForeignIdentity'],
    ['another trust domain', 'spiffe://other.example/ns/shop/sa/web', 'WrongTrustDomain'],
    ['a trust domain that ends alike', `spiffe://evil-${TRUST_DOMAIN}/ns/shop/sa/web`, 'WrongTrustDomain'],
    ['no SPIFFE ID of ours', `spiffe://${TRUST_DOMAIN}/shop/web`, 'ForeignIdentity'],
    ['itself in other letters', WEB.toUpperCase(), 'ForeignIdentity'],
    ['itself and more', `${WEB}/admin`, 'ForeignIdentity'],
  ])('for %s is refused', (_what, spiffeId, reason) => {
    expect(decide(established, spiffeId)).toMatchObject({ kind: 'refused', reason, message: expect.stringContaining(WEB) });
  });

  it('of an attested name that cannot stand in a SPIFFE ID is refused', () => {
    for (const namespace of ['', 'shop/sa/admin', 'Shop', 'shop?', '../bank']) {
      const decided = decideIssuing(established, { request: { publicKey }, attested: { ...attested, namespace }, now: NOW });
      expect(decided).toMatchObject({ kind: 'refused', reason: 'ForeignIdentity' });
    }
  });

  it('is refused where there are no certificates, or no root yet', () => {
    expect(decide(initialTrustState)).toMatchObject({ reason: 'NoCertificates' });
    const { current: _current, ...founding } = established;
    expect(decide(founding)).toMatchObject({ reason: 'NotEstablished' });
  });

  it('is signed by the one who signs in that phase of a rotation', () => {
    const during = (phase: Phase): TrustState => ({
      ...established,
      rotation: { id: 'r1', cause: 'due', startedAt: NOW, startedBy: 'app', to: next, phase, approvals: {}, insisted: [] },
    });
    const signerIn = (phase: Phase) => {
      const decided = decide(during(phase));
      return decided.kind === 'issue' ? decided.signer : decided;
    };
    expect(signerIn({ name: 'prepared', since: NOW })).toBe(old);
    expect(signerIn({ name: 'distributing', since: NOW })).toBe(old);
    expect(signerIn({ name: 'issuing', since: NOW })).toBe(next);
    expect(signerIn({ name: 'pruned', since: NOW })).toBe(next);
    expect(signerIn({ name: 'restoring', since: NOW })).toBe(next);
    expect(signerIn({ name: 'dropping', since: NOW })).toBe(old);
  });
});

describe('a leaf near the end of its issuer', () => {
  const ending = (issuerEnds: number): TrustState => ({ ...established, current: authorityNamed('a', issuerEnds) });

  it('ends with it', () => {
    const decided = decide(ending(NOW + 0.6 * DAY_MS));
    expect(decided).toMatchObject({ kind: 'issue', profile: { notAfter: NOW + 0.6 * DAY_MS } });
  });

  it('is refused once it would be of little use', () => {
    expect(decide(ending(NOW + DAY_MS / 2))).toMatchObject({ kind: 'issue' });
    expect(decide(ending(NOW + DAY_MS / 2 - 1_000))).toMatchObject({ kind: 'refused', reason: 'IssuerEnding' });
    expect(decide(ending(NOW - DAY_MS))).toMatchObject({ kind: 'refused', reason: 'IssuerEnding' });
  });

  it('never counts outside of its issuer or root, on whole seconds, whenever it is asked for', () => {
    const lives = fc.record({
      now: fc.integer({ min: NOW - 10 * DAY_MS, max: NOW + 10 * DAY_MS }),
      leafLifeMs: fc.integer({ min: 1_000, max: 30 * DAY_MS }),
      issuerEnds: fc.integer({ min: NOW / 1_000 - 86_400, max: NOW / 1_000 + 86_400 * 30 }).map((seconds) => seconds * 1_000),
    });
    fc.assert(
      fc.property(lives, ({ now, leafLifeMs, issuerEnds }) => {
        const current = authorityNamed('a', issuerEnds);
        const decided = decide({ ...established, current, spec: { ...asked('').spec, leafLifeMs } }, undefined, now);
        if (decided.kind === 'refused') return decided.reason === 'IssuerEnding';
        const { notBefore, notAfter } = decided.profile;
        return (
          notBefore >= current.issuer.notBefore &&
          notAfter <= Math.min(issuerEnds, current.notAfter) &&
          notAfter - now >= leafLifeMs / 2 &&
          notBefore % 1_000 === 0 &&
          notAfter % 1_000 === 0
        );
      }),
    );
  });
});

describe('a SPIFFE ID', () => {
  it('is read as it was written', () => {
    const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 4 }), label, label, (domain, namespace, serviceAccount) => {
        const trustDomain = domain.join('.');
        expect(readSpiffeId(spiffeIdOf(trustDomain, { namespace, serviceAccount }))).toEqual({ trustDomain, namespace, serviceAccount });
      }),
    );
  });

  it.each([
    'https://shop.example/ns/shop/sa/web',
    'xspiffe://shop.example/ns/shop/sa/web',
    'spiffe://shop.example/ns/shop/sa/web/',
    'spiffe://shop.example:443/ns/shop/sa/web',
    'spiffe://user@shop.example/ns/shop/sa/web',
    'spiffe://shop.example/ns/shop/sa/web?x',
    'spiffe://shop.example/ns//sa/web',
    'spiffe://shop.example/ns/shop%2fsa/sa/web',
    'spiffe://shop.example/ns/shop/sa/web\n',
    '',
  ])('is not %j', (text) => {
    expect(readSpiffeId(text)).toBeUndefined();
  });
});
