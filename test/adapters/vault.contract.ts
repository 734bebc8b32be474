/** What every vault does, whichever it is: one suite for Key Vault (the stand-in, and a real one that is named), files and memory. */
import { createPublicKey, randomBytes, randomUUID, verify, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KEY_ALGORITHMS, type KeyAlgorithm } from '../../src/trust/certificates.ts';
import { type Begun, type Vault, type VaultCertificate, type VaultKey, VaultRefused } from '../../src/trust/vault.ts';
import { rootCertificate, SERIAL_BYTES } from '../../src/trust/x509/profiles.ts';

export interface OpenVault {
  readonly vault: Vault;
  /** The same vault as another process has it. */
  readonly other: Vault;
  readonly close: () => Promise<void>;
}

/** Of this run, for who has to clear up after it. */
export const usedNames: string[] = [];

export function newName(): string {
  const name = `test-${randomUUID()}`;
  usedNames.push(name);
  return name;
}

export function pendingOf(begun: Begun): VaultKey {
  if (begun.kind === 'pending') return begun;
  throw new Error(`${begun.certificate.certificateId} is complete already`);
}

/** A root over that key, signed by it in its vault. DER. */
export function rootOver(vault: Vault, key: VaultKey, algorithm: KeyAlgorithm = 'P-256'): Promise<Uint8Array> {
  const notBefore = Math.floor(Date.now() / 1000) * 1000 - 300_000;
  const serial = randomBytes(SERIAL_BYTES);
  return rootCertificate(vault, { trustDomain: 'shop.example', key, algorithm, serial, notBefore, notAfter: notBefore + 86_400_000 });
}

export async function made(vault: Vault, name: string, wish: string, algorithm: KeyAlgorithm = 'P-256'): Promise<VaultCertificate> {
  const key = pendingOf(await vault.begin({ name, algorithm, wish }));
  return vault.complete({ name, wish, certificate: await rootOver(vault, key, algorithm) });
}

const MESSAGE = Buffer.from('whatever is to be signed');

export function isSigned(publicKey: Uint8Array, algorithm: KeyAlgorithm, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
  return verify(algorithm === 'P-384' ? 'sha384' : 'sha256', MESSAGE, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

/** What `isSigned` judges. */
export const signed = (vault: Vault, keyId: string, algorithm: KeyAlgorithm = 'P-256') => vault.sign(keyId, algorithm, MESSAGE);

const publicKeyIn = ({ certificate }: VaultCertificate) =>
  new X509Certificate(certificate).publicKey.export({ format: 'der', type: 'spki' });

export function describeVault(what: string, open: () => Promise<OpenVault>): void {
  describe(what, () => {
    let opened: OpenVault;
    let vault: Vault;
    beforeAll(async () => {
      opened = await open();
      vault = opened.vault;
    });
    afterAll(() => opened?.close());

    describe.each(KEY_ALGORITHMS)('with %s', (algorithm) => {
      it('makes a root that signed itself with a key of its own', async () => {
        const [name, wish] = [newName(), 'rotation-1'];
        const key = pendingOf(await vault.begin({ name, algorithm, wish }));
        const certificate = await rootOver(vault, key, algorithm);
        const kept = await vault.complete({ name, wish, certificate });
        expect(kept).toMatchObject({ name, wish, enabled: true, exportable: false });
        expect(Buffer.from(kept.certificate).equals(certificate)).toBe(true);
        expect(publicKeyIn(kept).equals(Buffer.from(key.publicKey))).toBe(true);
        const read = new X509Certificate(kept.certificate);
        expect(read.verify(read.publicKey)).toBe(true);
        expect(read.ca).toBe(true);
      });

      it('signs with a certificate’s key and with a key alone', async () => {
        const certificate = await made(vault, newName(), 'rotation-1', algorithm);
        const key = await vault.makeKey({ name: newName(), algorithm, wish: 'issuer-1' });
        expect(isSigned(publicKeyIn(certificate), algorithm, await signed(vault, certificate.keyId, algorithm))).toBe(true);
        const signature = await signed(vault, key.keyId, algorithm);
        expect(isSigned(key.publicKey, algorithm, signature)).toBe(true);
        expect(isSigned(publicKeyIn(certificate), algorithm, signature)).toBe(false);
      });
    });

    it('begins a wish once, however often it is asked, by whomever', async () => {
      const asked = { name: newName(), algorithm: 'P-256', wish: 'rotation-1' } as const;
      const [first, again] = await Promise.all([vault.begin(asked), opened.other.begin(asked)]);
      const later = await opened.other.begin(asked);
      expect(pendingOf(again)).toEqual(pendingOf(first));
      expect(pendingOf(later)).toEqual(pendingOf(first));
    });

    it('answers with the certificate once a wish is complete, and the one that was first', async () => {
      const [name, wish] = [newName(), 'rotation-1'];
      const key = pendingOf(await vault.begin({ name, algorithm: 'P-256', wish }));
      const [certificate, another] = [await rootOver(vault, key), await rootOver(vault, key)];
      const kept = await vault.complete({ name, wish, certificate });
      expect(await opened.other.begin({ name, algorithm: 'P-256', wish })).toEqual({ kind: 'complete', certificate: kept });
      expect(await opened.other.complete({ name, wish, certificate })).toEqual(kept);
      expect(await vault.complete({ name, wish, certificate: another })).toEqual(kept);
      expect(await vault.versions(name)).toEqual([kept]);
    });

    it('makes a key once for a wish, and another for another', async () => {
      const asked = { name: newName(), algorithm: 'P-256', wish: 'issuer-1' } as const;
      const key = await vault.makeKey(asked);
      expect(await opened.other.makeKey(asked)).toEqual(key);
      const next = await vault.makeKey({ ...asked, wish: 'issuer-2' });
      expect(next.keyId).not.toBe(key.keyId);
      expect(Buffer.from(next.publicKey).equals(Buffer.from(key.publicKey))).toBe(false);
    });

    it('refuses another wish while one is pending, until that one is given up', async () => {
      const name = newName();
      const first = pendingOf(await vault.begin({ name, algorithm: 'P-256', wish: 'rotation-1' }));
      await expect(vault.begin({ name, algorithm: 'P-256', wish: 'rotation-2' })).rejects.toThrow(VaultRefused);
      await vault.abandon({ name, wish: 'rotation-1' });
      await vault.abandon({ name, wish: 'rotation-1' });
      const second = await made(vault, name, 'rotation-2');
      expect(publicKeyIn(second).equals(Buffer.from(first.publicKey))).toBe(false);
      expect(await vault.versions(name)).toEqual([second]);
    });

    it('gives up nothing that is complete, and nothing that was never begun', async () => {
      const name = newName();
      const kept = await made(vault, name, 'rotation-1');
      await vault.abandon({ name, wish: 'rotation-1' });
      await vault.abandon({ name, wish: 'rotation-2' });
      await vault.abandon({ name: newName(), wish: 'rotation-1' });
      expect(await vault.versions(name)).toEqual([kept]);
    });

    it('begins a wish again that was given up, with a new key', async () => {
      const asked = { name: newName(), algorithm: 'P-256', wish: 'rotation-1' } as const;
      const first = pendingOf(await vault.begin(asked));
      await vault.abandon(asked);
      const second = pendingOf(await vault.begin(asked));
      expect(Buffer.from(second.publicKey).equals(Buffer.from(first.publicKey))).toBe(false);
    });

    it('completes nothing that was not begun, and nothing with a certificate over another key', async () => {
      const name = newName();
      const key = pendingOf(await vault.begin({ name, algorithm: 'P-256', wish: 'rotation-1' }));
      const own = await rootOver(vault, key);
      const foreign = (await made(vault, newName(), 'rotation-1')).certificate;
      const refusals = [
        () => vault.complete({ name, wish: 'rotation-1', certificate: foreign }),
        () => vault.complete({ name, wish: 'rotation-2', certificate: own }),
        () => vault.complete({ name: newName(), wish: 'rotation-1', certificate: foreign }),
        () => vault.complete({ name, wish: 'rotation-1', certificate: Buffer.from('no certificate') }),
      ];
      for (const refusal of refusals) await expect(refusal()).rejects.toThrow(VaultRefused);
      expect(await vault.versions(name)).toEqual([]);
    });

    it('lists versions with the newest first', async () => {
      const name = newName();
      const first = await made(vault, name, 'rotation-1');
      const second = await made(vault, name, 'rotation-2');
      expect(await vault.versions(name)).toEqual([second, first]);
      expect(await vault.versions(newName())).toEqual([]);
    });

    it('lists the newest version of every certificate, what is pending left out', async () => {
      const names = [newName(), newName(), newName(), newName(), newName()];
      const kept: VaultCertificate[] = [];
      for (const name of names) kept.push(await made(vault, name, 'rotation-1'));
      const newest = await made(vault, names[0] ?? '', 'rotation-2');
      await vault.begin({ name: names[1] ?? '', algorithm: 'P-256', wish: 'rotation-2' });
      const pending = newName();
      await vault.begin({ name: pending, algorithm: 'P-256', wish: 'rotation-1' });
      const listed = await vault.list();
      expect(listed.filter(({ name }) => [...names, pending].includes(name))).toHaveLength(5);
      expect(listed).toEqual(expect.arrayContaining([newest, ...kept.slice(1)]));
    });

    it('signs with nothing that is disabled, until it is enabled again', async () => {
      const certificate = await made(vault, newName(), 'rotation-1');
      const key = await vault.makeKey({ name: newName(), algorithm: 'P-256', wish: 'issuer-1' });
      for (const [id, keyId] of [
        [certificate.certificateId, certificate.keyId],
        [key.keyId, key.keyId],
      ] as const) {
        await vault.sign(keyId, 'P-256', MESSAGE);
        await vault.setEnabled(id, false);
        await vault.setEnabled(id, false);
        await expect(vault.sign(keyId, 'P-256', MESSAGE)).rejects.toThrow(VaultRefused);
        await expect(opened.other.sign(keyId, 'P-256', MESSAGE)).rejects.toThrow(/disabled/);
        await vault.setEnabled(id, true);
        expect(await vault.sign(keyId, 'P-256', MESSAGE)).toHaveLength(64);
      }
      await vault.setEnabled(certificate.certificateId, false);
      expect(await vault.versions(certificate.name)).toEqual([{ ...certificate, enabled: false }]);
    });

    it('has nothing to disable of what is gone, and cannot enable it', async () => {
      const certificate = await made(vault, newName(), 'rotation-1');
      const key = await vault.makeKey({ name: newName(), algorithm: 'P-256', wish: 'issuer-1' });
      for (const id of [certificate.certificateId, key.keyId]) {
        const gone = id.replace(/[^/]+$/, (version) => (/^9+$/.test(version) ? '8' : '9').repeat(version.length));
        await vault.setEnabled(gone, false);
        await expect(vault.setEnabled(gone, true)).rejects.toThrow(VaultRefused);
        await vault.setEnabled(
          id.replace(/[^/]+\/([^/]+)$/, (_all, version) => `${newName()}/${version}`),
          false,
        );
      }
      expect(await vault.versions(certificate.name)).toEqual([certificate]);
      await vault.sign(key.keyId, 'P-256', MESSAGE);
    });

    it('refuses an algorithm that is not the key’s, and ids that are none of its own', async () => {
      const { keyId } = await vault.makeKey({ name: newName(), algorithm: 'P-256', wish: 'issuer-1' });
      const refusals = [
        () => vault.sign(keyId, 'RSA-3072', MESSAGE),
        () => vault.sign(keyId, 'P-384', MESSAGE),
        () => vault.sign('https://elsewhere.example/keys/root/1', 'P-256', MESSAGE),
        () => vault.setEnabled('local:certificates/../../000001', true),
        () => vault.setEnabled('https://elsewhere.example/keys/root/1', false),
      ];
      for (const refusal of refusals) await expect(refusal()).rejects.toThrow(VaultRefused);
    });
  });
}
