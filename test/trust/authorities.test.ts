/** Roots and issuers made in a vault: once for each wish, whatever is lost on the way, and none that a workload would not believe. */
import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { MemoryVault } from '../../src/adapters/memory-vault.ts';
import { adoptVersion, makeAuthority, makeIssuer } from '../../src/trust/authorities.ts';
import { authoritySchema, KEY_ALGORITHMS } from '../../src/trust/certificates.ts';
import { type Vault, VaultRefused, VaultUnavailable } from '../../src/trust/vault.ts';
import { readCertificate } from '../../src/trust/x509/certificate.ts';
import { x509 } from '../../src/trust/x509/library.ts';
import { asked, DAY_MS, MINUTE_MS, NOW, TRUST_DOMAIN } from './authorities-asked.ts';
import { failingVault, type Moment } from './failing-vault.ts';
import { authorityExtensions, make, type Pair } from './x509/certificate-maker.ts';

const factsOf = (pem: string | Uint8Array) => {
  const facts = readCertificate(pem);
  if (!facts) throw new Error('This is no certificate.');
  return facts;
};

// Here and not in a test: an RSA key takes as long as it takes.
const authorities = await Promise.all(
  KEY_ALGORITHMS.map(async (algorithm) => ({ algorithm, authority: await makeAuthority(new MemoryVault(), asked('first', algorithm)) })),
);

describe('an authority that is made', () => {
  it.each(authorities)('is a self-signed root with an issuer for leafs alone, with $algorithm', ({ algorithm, authority }) => {
    expect(authoritySchema.parse(authority)).toEqual(authority);
    expect(authority).toMatchObject({ algorithm, origin: 'made', formerIssuers: [] });
    const [root, issuer] = [factsOf(authority.certificate), factsOf(authority.issuer.certificate)];
    const { keyCertSign, cRLSign } = x509.KeyUsageFlags;
    const signs = { flags: keyCertSign | cRLSign, critical: true };
    expect(root).toMatchObject({ constraints: { ca: true, pathLength: 1, critical: true }, keyUsage: signs, unknownCritical: [] });
    expect(issuer).toMatchObject({ constraints: { ca: true, pathLength: 0, critical: true }, keyUsage: signs, unknownCritical: [] });
    expect(root.authorityKeyId).toBe(root.subjectKeyId);
    expect(issuer.authorityKeyId).toBe(root.subjectKeyId);
    for (const { serial } of [root, issuer]) expect(serial).toMatch(/^[4-7][0-9a-f]{31}$/);
    expect(root.subject.toString()).toContain(TRUST_DOMAIN);
  });

  it('counts at once where the clock is slow, lives as the spec says, and its issuer no longer than itself', async () => {
    const long = asked('first');
    const authority = await makeAuthority(new MemoryVault(), { ...long, spec: { ...long.spec, issuerLifeMs: 4_000 * DAY_MS } });
    const backdated = NOW - 5 * MINUTE_MS;
    expect(authority).toMatchObject({ notBefore: backdated, notAfter: NOW + 365 * DAY_MS });
    expect(authority.issuer).toMatchObject({ notBefore: backdated, notAfter: authority.notAfter });
    const usual = await makeAuthority(new MemoryVault(), long);
    expect(usual.issuer.notAfter).toBe(NOW + 7 * DAY_MS);
  });

  it('may live past 2049, when certificates write years otherwise', async () => {
    const late = Date.UTC(2048, 0, 1);
    const authority = await makeAuthority(new MemoryVault(), {
      ...asked('first'),
      now: late,
      spec: { ...asked('').spec, rootLifeMs: 5_000 * DAY_MS },
    });
    expect(new X509Certificate(authority.certificate).validTo).toContain('2061');
    expect(authority.notAfter).toBe(late + 5_000 * DAY_MS);
  });

  it('has another key and another name for each wish', async () => {
    const vault = new MemoryVault();
    const [one, other] = [await makeAuthority(vault, asked('first')), await makeAuthority(vault, asked('second'))];
    const [first, second] = [factsOf(one.certificate), factsOf(other.certificate)];
    expect(first.subjectKeyId).not.toBe(second.subjectKeyId);
    expect(first.subjectBytes).not.toBe(second.subjectBytes);
    expect(one.issuer.keyId).not.toBe(other.issuer.keyId);
  });
});

/** What a wish asks of the vault, in order. */
const STEPS = ['begin', 'sign', 'complete', 'makeKey', 'sign', 'sign'];
const FAULTS = STEPS.flatMap((step, index) => (['before', 'after'] as const).map((moment) => ({ step, index, moment })));

describe('a wish whose making was cut short', () => {
  it('takes these steps', async () => {
    const vault = failingVault(new MemoryVault(), -1, 'before');
    await makeAuthority(vault, asked('first'));
    expect(vault.calls).toEqual(STEPS);
  });

  it.each(FAULTS)('comes to one root when it is asked again: $moment step $index, $step', async ({ index, moment }) => {
    const vault = new MemoryVault();
    await expect(makeAuthority(failingVault(vault, index, moment), asked('first'))).rejects.toThrow(VaultUnavailable);
    const later = asked('first', 'P-256', NOW + MINUTE_MS);
    const authority = await makeAuthority(vault, later);
    await expectOne(vault, authority);
    const again = await makeAuthority(vault, later);
    expect({ ...again, issuer: again.issuer.keyId }).toEqual({ ...authority, issuer: authority.issuer.keyId });
  });

  it('comes to one root though each step fails once, both ways', async () => {
    const vault = new MemoryVault();
    for (const { index, moment } of FAULTS) {
      const failing = failingVault(vault, Math.min(index, 3), moment);
      await makeAuthority(failing, asked('first')).catch(expectUnavailable);
    }
    await expectOne(vault, await makeAuthority(vault, asked('first')));
  });

  it('comes to one root though it is asked for twice at once', async () => {
    const vault = new MemoryVault();
    const [one, other] = await Promise.all([makeAuthority(vault, asked('first')), makeAuthority(vault, asked('first'))]);
    expect(one.fingerprint).toBe(other.fingerprint);
    expect(one.issuer.keyId).toBe(other.issuer.keyId);
    await expectOne(vault, one);
  });
});

async function expectOne(vault: Vault, { certificateId, fingerprint }: { certificateId: string; fingerprint: string }): Promise<void> {
  const versions = await vault.versions('shop-root');
  expect(versions.map((version) => version.certificateId)).toEqual([certificateId]);
  expect(versions.map((version) => factsOf(version.certificate).fingerprint)).toEqual([fingerprint]);
}

function expectUnavailable(error: unknown): void {
  expect(error).toBeInstanceOf(VaultUnavailable);
}

describe('another issuer', () => {
  it.each(['P-256', 'P-384'] as const)('has another key and stands under the same root, with %s', async (algorithm) => {
    const vault = new MemoryVault();
    const authority = await makeAuthority(vault, asked('first', algorithm));
    const later = NOW + 4 * DAY_MS;
    const issuer = await makeIssuer(vault, authority, asked('issuer-2', algorithm, later));
    expect(issuer).toMatchObject({ notBefore: later - 5 * MINUTE_MS, notAfter: later + 7 * DAY_MS });
    expect(issuer.keyId).not.toBe(authority.issuer.keyId);
    expect(factsOf(issuer.certificate).signedBy(factsOf(authority.certificate).publicKey)).toBe(true);
  });

  it('keeps its key when it is asked for again', async () => {
    const vault = new MemoryVault();
    const authority = await makeAuthority(vault, asked('first'));
    const moments: readonly Moment[] = ['before', 'after'];
    for (const moment of moments) {
      for (const step of [0, 1, 2]) {
        await expect(makeIssuer(failingVault(vault, step, moment), authority, asked('next'))).rejects.toThrow(VaultUnavailable);
      }
    }
    const [one, other] = [await makeIssuer(vault, authority, asked('next')), await makeIssuer(vault, authority, asked('next'))];
    expect(one.keyId).toBe(other.keyId);
    expect(factsOf(one.certificate).serial).toBe(factsOf(other.certificate).serial);
  });

  it('is not made under a root that has ended', async () => {
    const vault = new MemoryVault();
    const authority = await makeAuthority(vault, asked('first'));
    const asking = makeIssuer(vault, authority, asked('next', 'P-256', authority.notAfter));
    await expect(asking).rejects.toThrow(VaultRefused);
    await expect(asking).rejects.toThrow(/ended 2027-11-22.*rotate to another root/);
  });
});

const life = { notBefore: NOW - DAY_MS, notAfter: NOW + 300 * DAY_MS };

async function imported(wanted: Partial<Parameters<typeof make>[0]>): Promise<{ vault: MemoryVault; certificateId: string; pair: Pair }> {
  const vault = new MemoryVault();
  const made = await make({ subject: 'CN=of our own', ...life, extensions: authorityExtensions(), ...wanted });
  const der = x509.PemConverter.decodeFirst(made.pem);
  const { certificateId } = vault.importCertificate('shop-root', new Uint8Array(der), made.pair.privateKey, 'P-256');
  return { vault, certificateId, pair: made.pair };
}

const signer = await make({ subject: 'CN=above', ...life, extensions: authorityExtensions() });
const { digitalSignature } = x509.KeyUsageFlags;

describe('a root that is in the vault already', () => {
  it('is adopted with an issuer of its own, as one that was outside', async () => {
    const { vault, certificateId } = await imported({});
    const authority = await adoptVersion(vault, { ...asked('r7'), certificateId });
    expect(authority).toMatchObject({ certificateId, origin: 'imported', algorithm: 'P-256', ...life });
    expect(authority.issuer.notAfter).toBe(NOW + 7 * DAY_MS);
    expect((await adoptVersion(vault, { ...asked('r7'), certificateId })).issuer.keyId).toBe(authority.issuer.keyId);
  });

  it('is adopted as made in the vault where its key never left', async () => {
    const vault = new MemoryVault();
    const { certificateId } = await makeAuthority(vault, asked('first'));
    expect(await adoptVersion(vault, { ...asked('r7'), certificateId })).toMatchObject({ certificateId, origin: 'made' });
  });

  it.each([
    ['did not sign itself', { signer }, /did not sign itself/],
    ['is no authority', { extensions: [new x509.BasicConstraintsExtension(false, undefined, true)] }, /CA:TRUE/],
    [
      'may not sign certificates',
      { extensions: [new x509.BasicConstraintsExtension(true, 1, true), new x509.KeyUsagesExtension(digitalSignature, true)] },
      /keyCertSign/,
    ],
    ['leaves no room for an issuer', { extensions: authorityExtensions(0) }, /may have 0 authorities below it/],
    ['has ended', { notAfter: NOW - 1_000 }, /ended/],
    ['has not begun', { notBefore: NOW + DAY_MS }, /counts from/],
  ])('is refused with what to do where it %s', async (_what, wanted, words) => {
    const { vault, certificateId } = await imported(wanted);
    const asking = adoptVersion(vault, { ...asked('r7'), certificateId });
    await expect(asking).rejects.toThrow(VaultRefused);
    await expect(asking).rejects.toThrow(words);
    await expect(asking).rejects.toThrow(/[Rr]otate (without it|to another root)/);
  });

  it('is refused where it is not there, or disabled', async () => {
    const { vault, certificateId } = await imported({});
    await expect(adoptVersion(vault, { ...asked('r7'), certificateId: `${certificateId}0` })).rejects.toThrow(/look which versions/);
    await vault.setEnabled(certificateId, false);
    await expect(adoptVersion(vault, { ...asked('r7'), certificateId })).rejects.toThrow(
      /is disabled; enable it in the vault, or rotate without it/,
    );
  });
});

describe('a vault that signs with another key than it says', () => {
  it('gives no root', async () => {
    const [vault, other] = [new MemoryVault(), new MemoryVault()];
    const { keyId } = await other.makeKey({ name: 'other', algorithm: 'P-256', wish: 'other' });
    const wrong = failingVault(vault, -1, 'before');
    const swapped = {
      ...wrong,
      sign: (_id: string, algorithm: 'P-256' | 'P-384' | 'RSA-3072', message: Uint8Array) => other.sign(keyId, algorithm, message),
    };
    await expect(makeAuthority(swapped, asked('first'))).rejects.toThrow(VaultRefused);
    expect(await vault.versions('shop-root')).toEqual([]);
  });

  it('gives no issuer', async () => {
    const [vault, other] = [new MemoryVault(), new MemoryVault()];
    const authority = await makeAuthority(vault, asked('first'));
    const { keyId } = await other.makeKey({ name: 'other', algorithm: 'P-256', wish: 'other' });
    const sign: Vault['sign'] = (id, algorithm, message) =>
      id === authority.keyId ? vault.sign(id, algorithm, message) : other.sign(keyId, algorithm, message);
    const swapped = { ...failingVault(vault, -1, 'before'), sign };
    await expect(makeIssuer(swapped, authority, asked('next'))).rejects.toThrow(/was changed, or was not signed by/);
  });
});
