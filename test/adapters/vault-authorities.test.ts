/** Authorities in the vaults that people have: made, resumed after whatever was lost, and taken over from versions that others made. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CertificateClient } from '@azure/keyvault-certificates';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openKeyVault } from '../../src/adapters/key-vault.ts';
import { openLocalVault } from '../../src/adapters/local-vault.ts';
import { adoptVersion, makeAuthority } from '../../src/trust/authorities.ts';
import { KEY_ALGORITHMS } from '../../src/trust/certificates.ts';
import { type Vault, VaultRefused, VaultUnavailable } from '../../src/trust/vault.ts';
import { verifyChain } from '../../src/trust/x509/verify-chain.ts';
import { type KeyVaultStandIn, startKeyVault } from '../emulators/key-vault/start.ts';
import { asked as askedAt, DAY_MS } from '../trust/authorities-asked.ts';
import { authorityExtensions, ecPair, make } from '../trust/x509/certificate-maker.ts';
import { issue, SPIFFE_ID } from '../trust/x509/chains.ts';
import type { OpenVault } from './vault.contract.ts';

// Vaults go by their own clock: a key whose certificate does not count yet, or any more, signs nothing there.
const NOW = Date.now();
const asked = (wish: string, algorithm?: Parameters<typeof askedAt>[1]) => askedAt(wish, algorithm, NOW);

const opened = (keyVault: KeyVaultStandIn): Promise<Vault> =>
  openKeyVault({ url: keyVault.url, credential: keyVault.credential(), loopback: true, lookAgainMs: 5 });

async function local(): Promise<Pick<OpenVault, 'vault' | 'close'>> {
  const directory = await mkdtemp(join(tmpdir(), 'meshwright-vault-'));
  return { vault: await openLocalVault(directory), close: () => rm(directory, { recursive: true }) };
}

async function keyVaultStandIn(): Promise<Pick<OpenVault, 'vault' | 'close'>> {
  const keyVault = await startKeyVault();
  return { vault: await opened(keyVault), close: keyVault.stop };
}

async function expectBelieved(vault: Vault, authority: Awaited<ReturnType<typeof makeAuthority>>): Promise<void> {
  const leaf = await issue(vault, authority, ecPair(), NOW);
  const verdict = verifyChain(leaf, [authority.issuer.certificate], [authority.certificate], { now: NOW, spiffeId: SPIFFE_ID });
  expect(verdict).toMatchObject({ kind: 'verified' });
}

describe.each([
  ['a local vault', local],
  ['Key Vault', keyVaultStandIn],
])('an authority in %s', (_what, open) => {
  // RSA keys take as long as they take.
  it.each(KEY_ALGORITHMS)('signs leafs that are believed, with %s', { timeout: 120_000 }, async (algorithm) => {
    const { vault, close } = await open();
    try {
      const authority = await makeAuthority(vault, asked('first', algorithm));
      expect(authority).toMatchObject({ algorithm, origin: 'made' });
      await expectBelieved(vault, authority);
      expect(await makeAuthority(vault, asked('first', algorithm))).toMatchObject({ fingerprint: authority.fingerprint });
    } finally {
      await close();
    }
  });
});

describe('an authority in a Key Vault whose answer is lost', () => {
  it('is one, whichever call it was the answer of', { timeout: 120_000 }, async () => {
    for (let lost = 0; ; lost += 1) {
      const keyVault = await startKeyVault();
      try {
        const { calls } = keyVault.inject((_, earlier) => (earlier === lost ? 'lost' : undefined));
        const vault = await opened(keyVault);
        const authority = await untilThere(() => makeAuthority(vault, asked('first')));
        if (calls.length <= lost) return expect(lost).toBeGreaterThan(10);
        expect((await vault.versions('shop-root')).map(({ certificateId }) => certificateId)).toEqual([authority.certificateId]);
        await expectBelieved(vault, authority);
      } finally {
        await keyVault.stop();
      }
    }
  });

  async function untilThere<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof VaultUnavailable)) throw error;
      }
    }
  }
});

describe('a version in Key Vault that was not made here', () => {
  let keyVault: KeyVaultStandIn;
  let vault: Vault;
  let certificates: CertificateClient;
  beforeAll(async () => {
    keyVault = await startKeyVault();
    vault = await opened(keyVault);
    const insecure = { allowInsecureConnection: true, disableChallengeResourceVerification: true };
    certificates = new CertificateClient(keyVault.url, keyVault.credential(), insecure);
  });
  afterAll(() => keyVault?.stop());

  it('is refused where the vault signed it by itself: those are no authorities', async () => {
    const poller = await certificates.beginCreateCertificate(
      'shop-root',
      { issuerName: 'Self', subject: 'CN=renewed', keyType: 'EC', keyCurveName: 'P-256' },
      { intervalInMs: 5 },
    );
    await poller.pollUntilDone();
    const [{ certificateId } = { certificateId: '' }] = await vault.versions('shop-root');
    const adopting = adoptVersion(vault, { ...asked('r7'), certificateId });
    await expect(adopting).rejects.toThrow(VaultRefused);
    await expect(adopting).rejects.toThrow(/CA:TRUE.*Rotate without it to have a root made/);
  });

  it('is adopted where it is a root that was imported, and is said to have been outside', async () => {
    const root = await make({
      subject: 'CN=of our own',
      notBefore: NOW - DAY_MS,
      notAfter: NOW + 100 * DAY_MS,
      extensions: authorityExtensions(1),
    });
    const key = root.pair.privateKey.export({ type: 'pkcs8', format: 'pem' });
    await certificates.importCertificate('shop-root', Buffer.from(`${root.pem}\n${key}`), {
      policy: { contentType: 'application/x-pem-file' },
    });
    const [{ certificateId } = { certificateId: '' }] = await vault.versions('shop-root');
    const authority = await adoptVersion(vault, { ...asked('r8'), certificateId });
    expect(authority).toMatchObject({ certificateId, origin: 'imported', algorithm: 'P-256' });
    await expectBelieved(vault, authority);
  });
});
