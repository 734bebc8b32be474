/** What Key Vault does on bad days, and what comes of it: nothing is made twice, nothing is waited for without end, every refusal says what to do. */

import { CertificateClient } from '@azure/keyvault-certificates';
import { KeyClient } from '@azure/keyvault-keys';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openKeyVault } from '../../src/adapters/key-vault.ts';
import { CALL_LIMITS } from '../../src/adapters/key-vault-calls.ts';
import { type Vault, VaultForbidden, VaultUnavailable } from '../../src/trust/vault.ts';
import type { Role } from '../emulators/key-vault/access.ts';
import { type Fault, type KeyVaultStandIn, startKeyVault } from '../emulators/key-vault/start.ts';
import { pendingOf, rootOver } from './vault.contract.ts';

let keyVault: KeyVaultStandIn;
beforeEach(async () => {
  keyVault = await startKeyVault();
});
afterEach(() => keyVault.stop());

const open = (limits = CALL_LIMITS, ...roles: Role[]) =>
  openKeyVault({ url: keyVault.url, credential: keyVault.credential(...roles), loopback: true, lookAgainMs: 5, limits });

/** For what hangs on attempts and not on time. */
const PATIENT = { attemptMs: 30_000, callMs: 600_000 };

/** As an effect is: asked again for as long as the vault is not there. */
async function insisting<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof VaultUnavailable)) throw error;
    }
  }
}

/** Everything that makes an authority: a root's key and certificate, and an issuer's key. */
async function wholeFlow(vault: Vault): Promise<void> {
  const asked = { name: 'root', algorithm: 'P-256', wish: 'rotation-1' } as const;
  const kept = await insisting(async () => {
    const begun = await vault.begin(asked);
    if (begun.kind === 'complete') return begun.certificate;
    return vault.complete({ ...asked, certificate: await rootOver(vault, begun) });
  });
  const key = await insisting(() => vault.makeKey({ ...asked, name: 'issuer' }));
  await insisting(() => vault.sign(key.keyId, 'P-256', Buffer.from('a leaf')));
  expect(await insisting(() => vault.versions('root'))).toEqual([kept]);
}

/** How many certificate versions and keys there are after all, by the SDKs. */
async function counted(): Promise<{ certificates: number; enabled: number; keys: number }> {
  const insecure = { allowInsecureConnection: true, disableChallengeResourceVerification: true };
  const count = { certificates: 0, enabled: 0, keys: 0 };
  const certificates = new CertificateClient(keyVault.url, keyVault.credential(), insecure);
  for await (const { enabled } of certificates.listPropertiesOfCertificateVersions('root')) {
    count.certificates += 1;
    if (enabled) count.enabled += 1;
  }
  const keys = new KeyClient(keyVault.url, keyVault.credential(), insecure);
  for await (const _ of keys.listPropertiesOfKeyVersions('issuer')) count.keys += 1;
  return count;
}

/** The version for the root's key, the root, the issuer's key; and nothing else. */
const ONE_OF_EACH = { certificates: 2, enabled: 1, keys: 1 };

describe('an answer that is lost', () => {
  it('makes nothing twice, whichever call it was the answer of', { timeout: 120_000 }, async () => {
    for (let lost = 0; ; lost++) {
      await keyVault.stop();
      keyVault = await startKeyVault();
      const { calls } = keyVault.inject((_, earlier) => (earlier === lost ? 'lost' : undefined));
      await wholeFlow(await open());
      if (calls.length <= lost) return expect(lost).toBeGreaterThan(15);
      keyVault.inject(() => undefined);
      expect({ lost: calls[lost], ...(await counted()) }).toEqual({ lost: calls[lost], ...ONE_OF_EACH });
    }
  });

  it.each<[string, Fault]>([
    ['a connection that breaks before the effect', 'reset'],
    ['no answer within the time there is, to what was done', 'silent'],
    ['a vault that is not there', { status: 503 }],
    ['a vault that is not there yet', { status: 429, retryAfter: '0' }],
  ])('is taken like %s', { timeout: 60_000 }, async (_what, fault) => {
    const writes = ['certificates/create/action', 'keys/create/action'];
    const hit = new Map<string, number>();
    keyVault.inject(({ action, path }) => {
      const nth = (hit.get(path) ?? 0) + 1;
      if (writes.includes(action)) hit.set(path, nth);
      return writes.includes(action) && nth === 1 ? fault : undefined;
    });
    await wholeFlow(await open({ attemptMs: 2_000, callMs: 10_000 }));
    expect([...hit.keys()].sort()).toEqual(['/certificates/root/create', '/certificates/root/pending/merge', '/keys/issuer/create']);
    keyVault.inject(() => undefined);
    expect(await counted()).toEqual(ONE_OF_EACH);
  });
});

describe('a vault that is away', () => {
  it('is asked a few times what may be asked twice, and what makes something only once', async () => {
    const vault = await open(PATIENT);
    const away = keyVault.inject(() => ({ status: 503 }));
    await expect(vault.versions('root')).rejects.toThrow(VaultUnavailable);
    expect(away.calls).toHaveLength(3);
    const creating = keyVault.inject(({ action }) => (action === 'keys/create/action' ? { status: 503 } : undefined));
    await expect(vault.makeKey({ name: 'issuer', algorithm: 'P-256', wish: 'issuer-1' })).rejects.toThrow(VaultUnavailable);
    expect(creating.calls.filter(({ action }) => action === 'keys/create/action')).toHaveLength(1);
  });

  it('is left alone for as long as it asks, if that is longer than the call may take', async () => {
    const vault = await open();
    const throttled = keyVault.inject(() => ({ status: 429, retryAfter: '30' }));
    await expect(vault.list()).rejects.toMatchObject({ name: 'VaultUnavailable', retryAfterMs: 30_000 });
    expect(throttled.calls).toHaveLength(1);
  });

  it('is waited for if that is short', async () => {
    const vault = await open(PATIENT);
    keyVault.inject((_, earlier) => (earlier === 0 ? { status: 429, retryAfter: '1' } : undefined));
    expect(await vault.list()).toEqual([]);
  });

  it('is unavailable when nothing listens there', async () => {
    const vault = await open();
    await keyVault.stop();
    await expect(vault.list()).rejects.toThrow(VaultUnavailable);
    keyVault = await startKeyVault();
  });
});

describe('a role that is missing', () => {
  const asked = { name: 'root', algorithm: 'P-256', wish: 'rotation-1' } as const;

  it.each<[string, readonly Role[], string, (vault: Vault, keyId: string) => Promise<unknown>]>([
    ['certificates', ['Key Vault Reader', 'Key Vault Crypto Officer'], 'Key Vault Certificates Officer', (vault) => vault.begin(asked)],
    ['keys', ['Key Vault Crypto User'], 'Key Vault Crypto Officer', (vault) => vault.makeKey(asked)],
    ['signing', ['Key Vault Reader'], 'Key Vault Crypto User', (vault, keyId) => vault.sign(keyId, 'P-256', Buffer.from('x'))],
  ])('is named, with the command that gives it: %s', async (_what, roles, missing, ask) => {
    const { keyId } = await (await open()).makeKey({ ...asked, name: 'issuer' });
    const credential = keyVault.credential(...roles);
    const vault = await openKeyVault({ url: keyVault.url, credential, loopback: true });
    const refusal = await ask(vault, keyId).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(VaultForbidden);
    expect(String(refusal)).toContain(`az role assignment create --role "${missing}" --assignee-object-id ${credential.objectId}`);
  });

  it('is named where the SDK keeps nothing but the status: a list', async () => {
    const vault = await open(CALL_LIMITS, 'Key Vault Crypto User');
    const refusal = await vault.list().catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(VaultForbidden);
    expect(String(refusal)).toContain('az role assignment create --role "Key Vault Certificates Officer"');
  });

  it('is none with the three that are asked for', async () => {
    await wholeFlow(await open(CALL_LIMITS, 'Key Vault Certificates Officer', 'Key Vault Crypto Officer', 'Key Vault Crypto User'));
  });
});

describe('who is not known', () => {
  it('is refused, with where to look', async () => {
    const stranger = { getToken: async () => ({ token: 'of-elsewhere', expiresOnTimestamp: Date.now() + 60_000 }) };
    const vault = await openKeyVault({ url: keyVault.url, credential: stranger, loopback: true });
    await expect(vault.list()).rejects.toThrow(/in the tenant of its identity/);
  });

  it('is refused without an identity at all', async () => {
    const none = {
      getToken: async () => {
        throw Object.assign(new Error('ManagedIdentityCredential authentication failed.'), { name: 'CredentialUnavailableError' });
      },
    };
    const vault = await openKeyVault({ url: keyVault.url, credential: none, loopback: true });
    await expect(vault.list()).rejects.toMatchObject({ name: 'VaultForbidden', message: expect.stringContaining('managed identity') });
  });
});

it('says nothing of what was sent in any error', async () => {
  const vault = await open();
  const key = pendingOf(await vault.begin({ name: 'root', algorithm: 'P-256', wish: 'rotation-1' }));
  keyVault.inject(({ action }) => (action === 'keys/sign/action' ? { status: 500 } : undefined));
  const failure = await vault.sign(key.keyId, 'P-256', Buffer.from('a secret message')).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(VaultUnavailable);
  expect(failure instanceof Error && failure.cause).toBeUndefined();
});
