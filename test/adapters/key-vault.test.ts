/**
 * The Key Vault adapter passes the contract of vaults on the stand-in, through the SDKs it uses on Azure, and on a real vault where
 * `MESHWRIGHT_TEST_KEY_VAULT` is its address (as whoever is signed in; what is made is deleted afterwards, and stays recoverable).
 */
import { X509Certificate } from 'node:crypto';
import { DefaultAzureCredential, type TokenCredential } from '@azure/identity';
import { CertificateClient } from '@azure/keyvault-certificates';
import { KeyClient } from '@azure/keyvault-keys';
import { SecretClient } from '@azure/keyvault-secrets';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openKeyVault } from '../../src/adapters/key-vault.ts';
import { type Vault, VaultRefused } from '../../src/trust/vault.ts';
import { createAuthority } from '../dataplanes/envoy/identities.ts';
import { type KeyVaultStandIn, startKeyVault } from '../emulators/key-vault/start.ts';
import { describeVault, made, newName, pendingOf, rootOver, usedNames } from './vault.contract.ts';

const real = process.env.MESHWRIGHT_TEST_KEY_VAULT;
// No machine has one by itself: who names it asks for these tests.
if (real === undefined) process.stderr.write('not asked for: a real Key Vault; name one by its address in MESHWRIGHT_TEST_KEY_VAULT\n');

describeVault('Key Vault, by its stand-in', async () => {
  const keyVault = await startKeyVault({ pageSize: 2 });
  const open = () => openKeyVault({ url: keyVault.url, credential: keyVault.credential(), loopback: true, lookAgainMs: 5 });
  return { vault: await open(), other: await open(), close: keyVault.stop };
});

if (real !== undefined) {
  describe('Azure', { timeout: 300_000 }, () => {
    describeVault('a real Key Vault', async () => {
      const credential = new DefaultAzureCredential();
      const open = () => openKeyVault({ url: real, credential });
      return { vault: await open(), other: await open(), close: () => deleteUsed(real, credential) };
    });
  });
}

async function deleteUsed(url: string, credential: TokenCredential): Promise<void> {
  const [certificates, keys] = [new CertificateClient(url, credential), new KeyClient(url, credential)];
  for (const name of usedNames) {
    await certificates.deleteCertificateOperation(name).catch(() => undefined);
    await certificates.beginDeleteCertificate(name).catch(() => undefined);
    await keys.beginDeleteKey(name).catch(() => undefined);
  }
}

const insecure = { allowInsecureConnection: true, disableChallengeResourceVerification: true };

describe('what is made in Key Vault', () => {
  let keyVault: KeyVaultStandIn;
  let vault: Vault;
  let certificates: CertificateClient;
  let secrets: SecretClient;
  beforeAll(async () => {
    keyVault = await startKeyVault({ pageSize: 2 });
    vault = await openKeyVault({ url: keyVault.url, credential: keyVault.credential(), loopback: true, lookAgainMs: 5 });
    certificates = new CertificateClient(keyVault.url, keyVault.credential(), insecure);
    secrets = new SecretClient(keyVault.url, keyVault.credential(), insecure);
  });
  afterAll(() => keyVault?.stop());

  it('has no private key in the secret that belongs to it', async () => {
    const { name, certificate } = await made(vault, newName(), 'rotation-1');
    const { value = '', properties } = await secrets.getSecret(name);
    expect(properties.contentType).toBe('application/x-pem-file');
    expect(value).not.toContain('PRIVATE KEY');
    expect(new X509Certificate(value).raw.equals(Buffer.from(certificate))).toBe(true);
    // It would be seen there if it could be taken out.
    const exportable = newName();
    await bringIn(exportable);
    expect((await secrets.getSecret(exportable)).value).toContain('PRIVATE KEY');
  });

  it('cannot be exported, is of an unknown issuer and is never renewed by the vault', async () => {
    const { name } = await made(vault, newName(), 'rotation-1');
    expect(await certificates.getCertificatePolicy(name)).toMatchObject({
      exportable: false,
      issuerName: 'Unknown',
      lifetimeActions: [{ action: 'EmailContacts' }],
    });
  });

  it('leaves one version that can sign: the key’s own first one is disabled', async () => {
    const { name, certificateId } = await made(vault, newName(), 'rotation-1');
    const enabled: (string | undefined)[] = [];
    for await (const version of certificates.listPropertiesOfCertificateVersions(name)) if (version.enabled) enabled.push(version.id);
    expect(enabled).toEqual([certificateId]);
  });

  it('is told from what was imported, and from what was made by others', async () => {
    const name = newName();
    await made(vault, name, 'rotation-1');
    await bringIn(name);
    await certificates.updateCertificatePolicy(name, { exportable: false, issuerName: 'Unknown', subject: 'CN=outside' });
    expect((await vault.versions(name)).map(({ exportable, wish }) => [exportable, wish])).toEqual([
      [true, undefined],
      [false, 'rotation-1'],
    ]);
    expect((await vault.list()).find((each) => each.name === name)).toMatchObject({ exportable: true });
  });

  it('is exportable once its policy lets it be', async () => {
    const name = newName();
    await made(vault, name, 'rotation-1');
    await bringIn(name);
    expect((await vault.versions(name)).map(({ exportable }) => exportable)).toEqual([true, true]);
  });

  it('is found again by its key where the vault kept no tags', async () => {
    const [name, wish] = [newName(), 'rotation-1'];
    const kept = await made(vault, name, wish);
    await certificates.updateCertificateProperties(name, kept.certificateId.split('/').at(-1) ?? '', { tags: {} });
    expect((await vault.versions(name)).map((each) => each.wish)).toEqual([undefined]);
    expect(await vault.begin({ name, algorithm: 'P-256', wish })).toEqual({ kind: 'complete', certificate: kept });
    expect(await vault.versions(name)).toEqual([kept]);
  });

  it('does not sign when its certificate has expired', async () => {
    const { keyId } = await made(vault, newName(), 'rotation-1');
    keyVault.setClock(new Date(Date.now() + 2 * 86_400_000));
    await expect(vault.sign(keyId, 'P-256', Buffer.from('late'))).rejects.toThrow(/expired/);
    keyVault.setClock(new Date());
  });

  it('is refused under a name that was deleted, with what to do', async () => {
    const { name } = await made(vault, newName(), 'rotation-1');
    await certificates.beginDeleteCertificate(name);
    await expect(vault.begin({ name, algorithm: 'P-256', wish: 'rotation-2' })).rejects.toThrow(/Recover it, purge it/);
  });

  it('goes on with the same key when somebody deleted what was pending', async () => {
    const asked = { name: newName(), algorithm: 'P-256', wish: 'rotation-1' } as const;
    const key = pendingOf(await vault.begin(asked));
    const certificate = await rootOver(vault, key);
    await certificates.deleteCertificateOperation(asked.name);
    await expect(vault.complete({ ...asked, certificate })).rejects.toThrow(VaultRefused);
    expect(pendingOf(await vault.begin(asked))).toEqual(key);
    expect(await vault.complete({ ...asked, certificate })).toMatchObject({ wish: 'rotation-1', enabled: true });
  });

  it('leaves alone what is pending for somebody else, though it was begun under the same name before', async () => {
    const asked = { name: newName(), algorithm: 'P-256' } as const;
    pendingOf(await vault.begin({ ...asked, wish: 'rotation-1' }));
    await certificates.deleteCertificateOperation(asked.name);
    const theirs = pendingOf(await vault.begin({ ...asked, wish: 'rotation-2' }));
    await expect(vault.begin({ ...asked, wish: 'rotation-1' })).rejects.toThrow(VaultRefused);
    await vault.abandon({ ...asked, wish: 'rotation-1' });
    expect(pendingOf(await vault.begin({ ...asked, wish: 'rotation-2' }))).toEqual(theirs);
  });

  it('says how a pending certificate of somebody else is given up', async () => {
    const name = newName();
    pendingOf(await vault.begin({ name, algorithm: 'P-256', wish: 'rotation-1' }));
    const refused = vault.begin({ name, algorithm: 'P-256', wish: 'rotation-2' });
    await expect(refused).rejects.toThrow(`az keyvault certificate pending delete --vault-name 127 --name ${name}`);
  });

  /** A certificate with a key that was made elsewhere, as people import one. Its policy is the service's: exportable. */
  async function bringIn(name: string): Promise<void> {
    const { certificate, key } = await (await createAuthority('outside')).issue('spiffe://outside.example/root');
    const policy = { contentType: 'application/x-pem-file' } as const;
    await certificates.importCertificate(name, Buffer.from(`${certificate}\n${key}`), { policy });
  }
});
