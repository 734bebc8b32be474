/** Secrets of a Key Vault, on the stand-in and through the official SDK: a value of a lower revision is never what is in force. */
import { SecretClient } from '@azure/keyvault-secrets';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keyVaultSecrets } from '../../src/adapters/key-vault-secrets.ts';
import type { Secret, VaultSecrets } from '../../src/dataplanes/istio/vault-secrets.ts';
import type { Role } from '../emulators/key-vault/access.ts';
import { type KeyVaultStandIn, startKeyVault } from '../emulators/key-vault/start.ts';

const insecure = { allowInsecureConnection: true, disableChallengeResourceVerification: true };

let keyVault: KeyVaultStandIn;
let byHand: SecretClient;
beforeEach(async () => {
  keyVault = await startKeyVault({ pageSize: 2 });
  byHand = new SecretClient(keyVault.url, keyVault.credential(), insecure);
});
afterEach(() => keyVault.stop());

const opened = (...roles: Role[]) =>
  keyVaultSecrets({ url: keyVault.url, credential: async () => keyVault.credential(...roles), loopback: true });

/** Over what is there. */
const written = async (secrets: VaultSecrets, name: string, secret: Secret) =>
  secrets.write(name, secret, (await secrets.read(name))?.version);

async function versions(name: string) {
  const found: { enabled: boolean | undefined; value: string | undefined }[] = [];
  for await (const { version = '', enabled } of byHand.listPropertiesOfSecretVersions(name))
    found.push({ enabled, value: enabled ? (await byHand.getSecret(name, { version })).value : undefined });
  return found;
}

describe('a secret', () => {
  it('is read with the revision that it was written in, by the role that the docs name', async () => {
    const secrets = opened('Key Vault Secrets Officer');
    expect(await secrets.read('ca-key')).toBeUndefined();
    expect(await written(secrets, 'ca-key', { value: 'one', revision: 3 })).toBe('written');
    expect(await secrets.read('ca-key')).toMatchObject({ value: 'one', revision: 3 });
    expect((await byHand.getSecret('ca-key')).properties).toMatchObject({
      contentType: 'application/x-pem-file',
      tags: { 'meshwright-revision': '3', 'managed-by': 'meshwright' },
    });
  });

  it('is nobody’s of ours where it has no revision, or something else for one', async () => {
    await byHand.setSecret('ca-key', 'theirs');
    expect(await opened().read('ca-key')).toMatchObject({ value: 'theirs', revision: 0 });
    await byHand.setSecret('ca-key', 'theirs', { tags: { 'meshwright-revision': 'soon' } });
    expect(await opened().read('ca-key')).toMatchObject({ value: 'theirs', revision: 0 });
  });

  it('is not written without the role, which is named', async () => {
    await expect(written(opened('Key Vault Secrets User'), 'ca-key', { value: 'one', revision: 1 })).rejects.toThrow(
      /setSecret\/action.*lacks the role "Key Vault Secrets Officer"/,
    );
    const nobody = keyVaultSecrets({ url: keyVault.url, credential: async () => undefined, loopback: true });
    await expect(nobody.read('ca-key')).rejects.toThrow(/There is no identity to reach 127\.0\.0\.1 with/);
  });

  it('gets no second version for what it says already, but the revision', async () => {
    const secrets = opened();
    await written(secrets, 'root-cert', { value: 'one', revision: 1 });
    await written(secrets, 'root-cert', { value: 'one', revision: 2 });
    expect(await secrets.read('root-cert')).toMatchObject({ value: 'one', revision: 2 });
    expect(await versions('root-cert')).toHaveLength(1);
  });

  it('of a higher revision is not written over', async () => {
    const secrets = opened();
    await written(secrets, 'root-cert', { value: 'new', revision: 2 });
    expect(await written(secrets, 'root-cert', { value: 'old', revision: 1 })).toBe('newer');
    expect(await versions('root-cert')).toEqual([{ enabled: true, value: 'new' }]);
  });

  it('is written over what it was decided over, and over nothing else', async () => {
    const secrets = opened();
    await written(secrets, 'cert-chain', { value: 'one', revision: 1 });
    const over = (await secrets.read('cert-chain'))?.version;
    expect(await secrets.write('cert-chain', { value: 'two', revision: 1 }, undefined)).toBe('moved');
    await secrets.write('cert-chain', { value: 'two', revision: 1 }, over);
    expect(await secrets.write('cert-chain', { value: 'late', revision: 1 }, over)).toBe('moved');
    expect((await versions('cert-chain')).map(({ value }) => value)).toEqual(['one', 'two']);
  });

  it('of a higher revision is put back by whoever has written over it, having looked before it was there', async () => {
    for (const [value, revision] of [
      ['first', '1'],
      ['third', '3'],
      ['second', '2'],
    ] as const)
      await byHand.setSecret('root-cert', value, { contentType: 'application/x-pem-file', tags: { 'meshwright-revision': revision } });
    expect(await written(opened(), 'root-cert', { value: 'second', revision: 2 })).toBe('newer');
    expect(await opened().read('root-cert')).toMatchObject({ value: 'third', revision: 3 });
    expect((await versions('root-cert')).map(({ value }) => value)).toEqual(['first', 'third', 'second', 'third']);
  });

  it('whose answer is lost is there all the same, and written again harmlessly', async () => {
    keyVault.inject(({ method }, earlier) => (method === 'PUT' && earlier < 3 ? 'lost' : undefined));
    expect(await written(opened(), 'root-cert', { value: 'one', revision: 1 })).toBe('written');
    expect(await opened().read('root-cert')).toMatchObject({ value: 'one', revision: 1 });
  });

  it('that is disabled is none, and can be written anew', async () => {
    const secrets = opened();
    for (const value of ['one', 'two', 'three']) await written(secrets, 'ca-key', { value, revision: 1 });
    await secrets.disable('ca-key', 'but-newest');
    expect(await versions('ca-key')).toEqual([{ enabled: false }, { enabled: false }, { enabled: true, value: 'three' }]);
    await secrets.disable('ca-key', 'all');
    await secrets.disable('ca-key', 'all');
    expect(await secrets.read('ca-key')).toBeUndefined();
    await written(secrets, 'ca-key', { value: 'four', revision: 2 });
    expect(await secrets.read('ca-key')).toMatchObject({ value: 'four', revision: 2 });
  });
});
