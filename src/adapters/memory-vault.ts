/**
 * The memory vault: real keys and real signatures over maps, for tests and the simulation. Its keys never leave it, and end with it.
 * Every call is done at once, so that two that are asked for at the same time under one wish make one key.
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { KeyAlgorithm } from '../trust/certificates.ts';
import { type Begun, type Vault, type VaultCertificate, type VaultKey, VaultRefused } from '../trust/vault.ts';
import { publicKeyOf, spkiOf } from './public-keys.ts';

interface Key extends VaultKey {
  readonly privateKey: KeyObject;
  readonly algorithm: KeyAlgorithm;
  enabled: boolean;
}

interface Pending {
  readonly wish: string;
  readonly key: Key;
}

export class MemoryVault implements Vault {
  readonly #keys = new Map<string, Key>();
  /** By name and wish. */
  readonly #wished = new Map<string, Key>();
  readonly #pending = new Map<string, Pending>();
  /** Newest first. */
  readonly #certificates = new Map<string, readonly Omit<VaultCertificate, 'enabled'>[]>();

  async begin({ name, algorithm, wish }: Parameters<Vault['begin']>[0]): Promise<Begun> {
    const kept = this.#keptFor(name, wish);
    if (kept) return { kind: 'complete', certificate: kept };
    const pending = this.#pending.get(name);
    if (pending && pending.wish !== wish) {
      throw new VaultRefused(`A version of ${name} is pending for ${pending.wish}; complete it before another is begun.`);
    }
    const { keyId, publicKey } = pending?.key ?? this.#begun(name, wish, algorithm);
    return { kind: 'pending', keyId, publicKey };
  }

  async complete({ name, wish, certificate }: Parameters<Vault['complete']>[0]): Promise<VaultCertificate> {
    const kept = this.#keptFor(name, wish);
    if (kept) return kept;
    const pending = this.#pending.get(name);
    if (pending?.wish !== wish) throw new VaultRefused(`No version of ${name} is pending for ${wish}; begin it first.`);
    if (!publicKeyOf(certificate).equals(Buffer.from(pending.key.publicKey))) {
      throw new VaultRefused(`The certificate is not over the key that is pending for ${wish}; complete it with one that is.`);
    }
    this.#pending.delete(name);
    return this.#keep(name, pending.key, certificate, { exportable: false, wish });
  }

  async abandon({ name, wish }: Parameters<Vault['abandon']>[0]): Promise<void> {
    if (this.#pending.get(name)?.wish === wish) this.#pending.delete(name);
  }

  /** As a person imports one, its key having been outside. */
  importCertificate(name: string, certificate: Uint8Array, privateKey: KeyObject, algorithm: KeyAlgorithm): VaultCertificate {
    const publicKey = publicKeyOf(certificate);
    return this.#keep(name, this.#held(name, { publicKey, privateKey, algorithm }), certificate, { exportable: true });
  }

  async versions(name: string): Promise<readonly VaultCertificate[]> {
    return (this.#certificates.get(name) ?? []).map((each) => this.#withEnabled(each));
  }

  async makeKey({ name, algorithm, wish }: Parameters<Vault['makeKey']>[0]): Promise<VaultKey> {
    const id = JSON.stringify([name, wish]);
    const key = this.#wished.get(id) ?? this.#made(name, algorithm);
    this.#wished.set(id, key);
    return { keyId: key.keyId, publicKey: key.publicKey };
  }

  async sign(keyId: string, algorithm: KeyAlgorithm, message: Uint8Array): Promise<Uint8Array> {
    const key = this.#keys.get(keyId);
    if (!key) throw new VaultRefused(`There is no key ${keyId}; it may have been deleted.`);
    if (!key.enabled) throw new VaultRefused(`The key ${keyId} is disabled; enable it to sign with it.`);
    if (key.algorithm !== algorithm) throw new VaultRefused(`The key ${keyId} is ${key.algorithm}, it does not sign as ${algorithm}.`);
    return sign(algorithm === 'P-384' ? 'sha384' : 'sha256', message, { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  }

  async setEnabled(id: string, enabled: boolean): Promise<void> {
    const certificate = [...this.#certificates.values()].flat().find(({ certificateId }) => certificateId === id);
    const key = this.#keys.get(certificate?.keyId ?? id);
    if (!key && !enabled && id.startsWith('memory:')) return;
    if (!key) throw new VaultRefused(`The vault has neither a certificate nor a key ${id}; it may have been deleted.`);
    key.enabled = enabled;
  }

  async list(): Promise<readonly VaultCertificate[]> {
    return [...this.#certificates.values()].flatMap(([newest]) => (newest ? [this.#withEnabled(newest)] : []));
  }

  #begun(name: string, wish: string, algorithm: KeyAlgorithm): Key {
    const key = this.#made(name, algorithm);
    this.#pending.set(name, { wish, key });
    return key;
  }

  #made(name: string, algorithm: KeyAlgorithm): Key {
    const { publicKey, privateKey } =
      algorithm === 'RSA-3072'
        ? generateKeyPairSync('rsa', { modulusLength: 3_072 })
        : generateKeyPairSync('ec', { namedCurve: algorithm });
    return this.#held(name, { publicKey: spkiOf(publicKey), privateKey, algorithm });
  }

  #held(name: string, key: Pick<Key, 'publicKey' | 'privateKey' | 'algorithm'>): Key {
    const held = { ...key, keyId: `memory:keys/${name}/${this.#keys.size + 1}`, enabled: true };
    this.#keys.set(held.keyId, held);
    return held;
  }

  #keep(name: string, { keyId }: Key, certificate: Uint8Array, origin: Pick<VaultCertificate, 'exportable' | 'wish'>): VaultCertificate {
    const before = this.#certificates.get(name) ?? [];
    const certificateId = `memory:certificates/${name}/${before.length + 1}`;
    const kept = { name, certificateId, keyId, certificate: new Uint8Array(certificate), ...origin };
    this.#certificates.set(name, [kept, ...before]);
    return this.#withEnabled(kept);
  }

  #keptFor(name: string, wish: string): VaultCertificate | undefined {
    const kept = this.#certificates.get(name)?.find((each) => each.wish === wish);
    return kept && this.#withEnabled(kept);
  }

  #withEnabled(kept: Omit<VaultCertificate, 'enabled'>): VaultCertificate {
    return { ...kept, enabled: this.#keys.get(kept.keyId)?.enabled ?? false };
  }
}
