/**
 * The vault port over Azure Key Vault, by its official SDKs, which are loaded when a vault is opened. What a wish has made is known by
 * tags and by its public key, never by an answer that had to arrive; so every step is looked for before it is taken.
 */
import { createPublicKey } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TokenCredential } from '@azure/identity';
import type { CertificateClient, CertificateOperation } from '@azure/keyvault-certificates';
import type { CryptographyClient, JsonWebKey, KeyClient, KeyProperties } from '@azure/keyvault-keys';
import type { KeyAlgorithm } from '../trust/certificates.ts';
import { type Begun, type Vault, type VaultCertificate, type VaultKey, VaultRefused, VaultUnavailable } from '../trust/vault.ts';
import { CALL_LIMITS, type CallLimits, KeyVaultAnswer, KeyVaultCalls, type Role } from './key-vault-calls.ts';
import {
  isForItsKey,
  isStep,
  keyOptionsOf,
  objectOf,
  policyOf,
  type Step,
  signatureOf,
  tagsOf,
  type Whole,
  wholeOf,
  wishOf,
} from './key-vault-policy.ts';
import { publicKeyOf, spkiOf } from './public-keys.ts';

export interface KeyVaultOptions {
  /** Such as `https://shop.vault.azure.net`. */
  readonly url: string;
  readonly credential: TokenCredential;
  readonly limits?: CallLimits;
  /** Between two looks at what the vault is making. */
  readonly lookAgainMs?: number;
  /** For a stand-in: plain HTTP on this machine, whose challenge names another host. */
  readonly loopback?: boolean;
}

/** Opens the vault; nothing is sent before the first call. */
export async function openKeyVault(options: KeyVaultOptions): Promise<Vault> {
  const [{ CertificateClient }, { KeyClient }] = await Promise.all([
    import('@azure/keyvault-certificates'),
    import('@azure/keyvault-keys'),
  ]);
  const { url, credential, loopback = false } = options;
  // The SDK would repeat a `create` whose answer was lost, and make a second key.
  const client = { retryOptions: { maxRetries: 0 }, allowInsecureConnection: loopback, disableChallengeResourceVerification: loopback };
  return new KeyVault(new CertificateClient(url, credential, { ...client }), new KeyClient(url, credential, { ...client }), options);
}

const CERTIFICATES = 'Key Vault Certificates Officer';
const KEYS = 'Key Vault Crypto Officer';
const SIGNING = 'Key Vault Crypto User';
const LOOKS = 20;
const AT_ONCE = 4;

class KeyVault implements Vault {
  readonly #certificates: CertificateClient;
  readonly #keys: KeyClient;
  readonly #calls: KeyVaultCalls;
  readonly #url: string;
  readonly #lookAgainMs: number;
  readonly #signers = new Map<string, CryptographyClient>();

  constructor(certificates: CertificateClient, keys: KeyClient, { url, limits = CALL_LIMITS, lookAgainMs = 500 }: KeyVaultOptions) {
    this.#certificates = certificates;
    this.#keys = keys;
    this.#calls = new KeyVaultCalls(url, limits);
    this.#url = url;
    this.#lookAgainMs = lookAgainMs;
  }

  async begin({ name, algorithm, wish }: { name: string; algorithm: KeyAlgorithm; wish: string }): Promise<Begun> {
    for (let look = 0; look < LOOKS; look++) {
      // Before the versions: what it says is ended by then is among them.
      const operation = await this.#operation(name);
      const made = await this.#madeFor(name, wish);
      if (made.certificate) return { kind: 'complete', certificate: await this.#finished(name, wish, made) };
      if (operation?.status !== 'inProgress') {
        await this.#create(name, algorithm, wish, made.keys.length === 0 ? 'key' : 'certificate');
        continue;
      }
      const key = made.keys.find((each) => isOver(operation, each));
      if (operation.issuerName === 'Self') await sleep(this.#lookAgainMs);
      else if (key) return { kind: 'pending', keyId: key.keyId, publicKey: publicKeyOf(key.cer) };
      else throw this.#taken(name);
    }
    throw new VaultUnavailable(`${this.#url} has not made the key of ${name} yet.`, this.#lookAgainMs);
  }

  async complete({ name, wish, certificate }: { name: string; wish: string; certificate: Uint8Array }): Promise<VaultCertificate> {
    const made = await this.#madeFor(name, wish);
    if (made.certificate) return this.#finished(name, wish, made);
    if (made.keys.length === 0) throw new VaultRefused(`Nothing was begun for ${wish} in ${name} of ${this.#url}; begin it first.`);
    if (!made.keys.some(({ cer }) => publicKeyOf(certificate).equals(publicKeyOf(cer))))
      throw new VaultRefused(`The certificate for ${wish} is not over the key that was begun for it in ${name}.`);
    let refusal: unknown;
    try {
      await this.#calls.once(CERTIFICATES, (abortSignal) => this.#certificates.mergeCertificate(name, [certificate], { abortSignal }));
    } catch (error) {
      if (!(error instanceof KeyVaultAnswer)) throw error;
      refusal = error;
    }
    const merged = await this.#madeFor(name, wish);
    // Refused although it is there: somebody who was asked the same was faster.
    if (refusal && !merged.certificate) throw refusal;
    return this.#finished(name, wish, merged);
  }

  async abandon({ name, wish }: { name: string; wish: string }): Promise<void> {
    const operation = await this.#operation(name);
    const { keys, certificate } = await this.#madeFor(name, wish);
    if (certificate) return;
    if (operation?.status === 'inProgress' && keys.some((key) => isOver(operation, key)))
      await this.#calls.find(CERTIFICATES, (abortSignal) => this.#certificates.deleteCertificateOperation(name, { abortSignal }));
    await this.#disable(keys);
  }

  async versions(name: string): Promise<readonly VaultCertificate[]> {
    const current = await this.#calls.find(CERTIFICATES, (abortSignal) => this.#certificates.getCertificate(name, { abortSignal }));
    if (!current) return [];
    const shown = (await this.#versionsOf(name)).filter(({ tags }) => !isForItsKey(tags));
    // Times are whole seconds: of two in one, the vault's own current one is the newer.
    const isCurrent = ({ version }: Whole) => (version === current.properties.version ? 1 : 0);
    shown.sort((a, b) => b.createdOn - a.createdOn || isCurrent(b) - isCurrent(a));
    return shown.map((whole) => vaultCertificate(name, whole, current.policy?.exportable));
  }

  async makeKey({ name, algorithm, wish }: { name: string; algorithm: KeyAlgorithm; wish: string }): Promise<VaultKey> {
    const made = await this.#keysFor(name, wish);
    if (made.length === 0) {
      const options = keyOptionsOf(wish);
      await this.#calls.once(KEYS, (abortSignal) =>
        algorithm === 'RSA-3072'
          ? this.#keys.createRsaKey(name, { ...options, keySize: 3072, abortSignal })
          : this.#keys.createEcKey(name, { ...options, curve: algorithm, abortSignal }),
      );
    }
    // Read back, so that two who made one at the same time go on with the same one.
    const [first] = made.length > 0 ? made : await this.#keysFor(name, wish);
    const version = first?.version;
    if (version === undefined) throw new VaultUnavailable(`${this.#url} does not show the key ${name} yet.`, this.#lookAgainMs);
    const { id, key } = await this.#calls.repeatable(KEYS, (abortSignal) => this.#keys.getKey(name, { version, abortSignal }));
    if (id === undefined || !key) throw new VaultUnavailable(`${this.#url} does not show the key ${name} yet.`, this.#lookAgainMs);
    return { keyId: id, publicKey: spkiOfJwk(key) };
  }

  async sign(keyId: string, algorithm: KeyAlgorithm, message: Uint8Array): Promise<Uint8Array> {
    const { name, version } = objectOf(this.#url, keyId);
    const signer = this.#signers.get(keyId) ?? this.#keys.getCryptographyClient(name, { keyVersion: version });
    this.#signers.set(keyId, signer);
    const { name: signature, digest } = signatureOf(algorithm, message);
    const signed = await this.#calls.repeatable(SIGNING, (abortSignal) => signer.sign(signature, digest, { abortSignal }));
    return signed.result;
  }

  async setEnabled(id: string, enabled: boolean): Promise<void> {
    const { collection, name, version } = objectOf(this.#url, id);
    // What is not there any more signs nothing.
    const set = (role: Role, update: (signal: AbortSignal) => Promise<unknown>) =>
      enabled ? this.#calls.repeatable(role, update) : this.#calls.find(role, update);
    if (collection === 'certificates')
      await set(CERTIFICATES, (abortSignal) => this.#certificates.updateCertificateProperties(name, version, { enabled, abortSignal }));
    else await set(KEYS, (abortSignal) => this.#keys.updateKeyProperties(name, version, { enabled, abortSignal }));
  }

  async list(): Promise<readonly VaultCertificate[]> {
    const names = await this.#calls.repeatable(CERTIFICATES, async (abortSignal) => {
      const found: string[] = [];
      for await (const { name } of this.#certificates.listPropertiesOfCertificates({ abortSignal })) if (name) found.push(name);
      return found;
    });
    const newest = await inTurns(names, async (name) => {
      const current = await this.#calls.find(CERTIFICATES, (abortSignal) => this.#certificates.getCertificate(name, { abortSignal }));
      const whole = current && wholeOf(current);
      if (whole && !isForItsKey(whole.tags)) return [vaultCertificate(name, whole, current.policy?.exportable)];
      return (await this.versions(name)).slice(0, 1);
    });
    return newest.flat();
  }

  async #create(name: string, algorithm: KeyAlgorithm, wish: string, step: Step): Promise<void> {
    try {
      await this.#calls.once(CERTIFICATES, (abortSignal) =>
        this.#certificates.beginCreateCertificate(name, policyOf(name, algorithm, step), { tags: tagsOf(wish, step), abortSignal }),
      );
    } catch (error) {
      // One is pending, somebody else's or our own whose answer was lost: the next look tells.
      if (!(error instanceof KeyVaultAnswer && error.status === 409 && error.code === undefined)) throw error;
    }
  }

  /** What there is of a wish. Of its keys those that are enabled: the others were given up, or have their certificate. */
  async #madeFor(name: string, wish: string): Promise<Made> {
    const all = await this.#versionsOf(name);
    const keys = all.filter(({ tags }) => isStep(tags, wish, 'key'));
    const publicKeys = keys.map(({ cer }) => publicKeyOf(cer));
    const certificate = all.find(({ tags, cer }) => !isForItsKey(tags) && publicKeys.some((key) => key.equals(publicKeyOf(cer))));
    return { keys: keys.filter(({ enabled }) => enabled), certificate };
  }

  /** Leaves one enabled version of the key, the certificate's, so that disabling that one ends all signing with it. */
  async #finished(name: string, wish: string, { keys, certificate }: Made): Promise<VaultCertificate> {
    if (!certificate)
      throw new VaultUnavailable(`${this.#url} does not show the certificate that was merged in ${name} yet.`, this.#lookAgainMs);
    if (!isStep(certificate.tags, wish, 'certificate')) {
      const tags = tagsOf(wish, 'certificate');
      await this.#calls.repeatable(CERTIFICATES, (abortSignal) =>
        this.#certificates.updateCertificateProperties(name, certificate.version, { tags, abortSignal }),
      );
    }
    await this.#disable(keys);
    const { policy } = await this.#calls.repeatable(CERTIFICATES, (abortSignal) =>
      this.#certificates.getCertificate(name, { abortSignal }),
    );
    return vaultCertificate(name, { ...certificate, tags: tagsOf(wish, 'certificate') }, policy?.exportable);
  }

  async #disable(keys: readonly Whole[]): Promise<void> {
    for (const { certificateId } of keys) await this.setEnabled(certificateId, false);
  }

  async #versionsOf(name: string): Promise<readonly (Whole & { readonly createdOn: number })[]> {
    const listed = await this.#calls.find(CERTIFICATES, async (abortSignal) => {
      const found: { version: string; createdOn: number }[] = [];
      for await (const { version, createdOn } of this.#certificates.listPropertiesOfCertificateVersions(name, { abortSignal }))
        if (version) found.push({ version, createdOn: createdOn?.getTime() ?? 0 });
      return found;
    });
    const read = await inTurns(listed ?? [], async ({ version, createdOn }) => {
      const certificate = await this.#calls.find(CERTIFICATES, (abortSignal) =>
        this.#certificates.getCertificateVersion(name, version, { abortSignal }),
      );
      const whole = certificate && wholeOf(certificate);
      return whole ? [{ ...whole, createdOn }] : [];
    });
    return read.flat();
  }

  async #operation(name: string): Promise<CertificateOperation | undefined> {
    const poller = await this.#calls.find(CERTIFICATES, (abortSignal) => this.#certificates.getCertificateOperation(name, { abortSignal }));
    return poller?.getOperationState().certificateOperation;
  }

  /** Oldest first. */
  async #keysFor(name: string, wish: string): Promise<readonly KeyProperties[]> {
    const found = await this.#calls.find(KEYS, async (abortSignal) => {
      const keys: KeyProperties[] = [];
      for await (const key of this.#keys.listPropertiesOfKeyVersions(name, { abortSignal })) if (wishOf(key.tags) === wish) keys.push(key);
      return keys;
    });
    const at = ({ createdOn, version = '' }: KeyProperties) => `${createdOn?.toISOString()} ${version}`;
    return (found ?? []).sort((a, b) => (at(a) < at(b) ? -1 : 1));
  }

  #taken(name: string): VaultRefused {
    const vault = new URL(this.#url).hostname.split('.')[0];
    return new VaultRefused(
      `${name} of ${this.#url} has a pending certificate that was begun for something else; complete it, or give it up with \`az keyvault certificate pending delete --vault-name ${vault} --name ${name}\`.`,
    );
  }
}

interface Made {
  readonly keys: readonly Whole[];
  readonly certificate: Whole | undefined;
}

/** A request carries its public key as it is, so it need not be taken apart. */
const isOver = ({ csr }: CertificateOperation, { cer }: Whole): boolean => csr !== undefined && Buffer.from(csr).includes(publicKeyOf(cer));

const vaultCertificate = (name: string, whole: Whole, exportable: boolean | undefined): VaultCertificate => {
  const wish = wishOf(whole.tags);
  return {
    name,
    certificateId: whole.certificateId,
    keyId: whole.keyId,
    certificate: Uint8Array.from(whole.cer),
    enabled: whole.enabled,
    // The policy says what can be taken out, and nothing says what was brought in: only what is ours is known to be neither.
    exportable: exportable !== false || wish === undefined,
    ...(wish === undefined ? {} : { wish }),
  };
};

function spkiOfJwk({ kty, crv, x, y, n, e }: JsonWebKey): Buffer {
  const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString('base64url'));
  const jwk = { kty, crv, x: text(x), y: text(y), n: text(n), e: text(e) };
  return spkiOf(createPublicKey({ key: JSON.parse(JSON.stringify(jwk)), format: 'jwk' }));
}

/** A few at a time, in order: a vault's quota is counted in ten seconds, and others use it. */
async function inTurns<T, R>(items: readonly T[], each: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += AT_ONCE)
    results.push(...(await Promise.all(items.slice(from, from + AT_ONCE).map(each))));
  return results;
}
