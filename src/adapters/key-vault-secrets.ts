/**
 * Secrets of a Key Vault by its official SDK, which is loaded with the first call. The vault has no compare-and-set: whoever writes looks right before whether it
 * is over what was decided over, and right after whether a value of a higher revision came in between, which is put back in force.
 */
import { isDeepStrictEqual } from 'node:util';
import type { TokenCredential } from '@azure/identity';
import type { SecretClient, SecretProperties } from '@azure/keyvault-secrets';
import type { HeldSecret, Secret, VaultSecrets } from '../dataplanes/istio/vault-secrets.ts';
import { VaultRefused } from '../trust/vault.ts';
import { CALL_LIMITS, type CallLimits, KeyVaultAnswer, KeyVaultCalls } from './key-vault-calls.ts';

export interface KeyVaultSecretsOptions {
  /** Such as `https://shop.vault.azure.net`. */
  readonly url: string;
  /** `undefined`: there is nobody to sign in as. */
  readonly credential: () => Promise<TokenCredential | undefined>;
  readonly limits?: CallLimits;
  /** For a stand-in: plain HTTP on this machine, whose challenge names another host. */
  readonly loopback?: boolean;
}

const OFFICER = 'Key Vault Secrets Officer';
const REVISION = 'meshwright-revision';
const PEM = 'application/x-pem-file';

export function keyVaultSecrets(options: KeyVaultSecretsOptions): VaultSecrets {
  return new KeyVaultSecrets(options);
}

class KeyVaultSecrets implements VaultSecrets {
  readonly host: string;
  readonly #options: KeyVaultSecretsOptions;
  readonly #calls: KeyVaultCalls;
  #client: Promise<SecretClient> | undefined;

  constructor(options: KeyVaultSecretsOptions) {
    this.#options = options;
    this.#calls = new KeyVaultCalls(options.url, options.limits ?? CALL_LIMITS);
    this.host = new URL(options.url).hostname;
  }

  async read(name: string): Promise<HeldSecret | undefined> {
    const found = await this.#newest(name);
    return found && { value: found.value, revision: revisionOf(found.properties), version: found.properties.version ?? '' };
  }

  async write(name: string, { value, revision }: Secret, over: string | undefined): Promise<'written' | 'moved' | 'newer'> {
    const there = await this.#newest(name);
    if (there && revisionOf(there.properties) > revision) return 'newer';
    if (there?.properties.version !== over) return 'moved';
    if (there?.value === value && there.properties.contentType === PEM) await this.#tag(name, there.properties, revision);
    else await this.#set(name, { value, revision });
    return this.#restored(name, revision);
  }

  async disable(name: string, which: 'all' | 'but-newest'): Promise<void> {
    const versions = (await this.#versions(name)).filter(({ enabled }) => enabled !== false);
    const newest = which === 'all' ? undefined : (await this.#newest(name))?.properties.version;
    for (const { version } of versions) {
      if (version === undefined || version === newest) continue;
      const client = await this.#opened();
      await this.#calls.repeatable(OFFICER, (abortSignal) => client.updateSecretProperties(name, version, { enabled: false, abortSignal }));
    }
  }

  /** A late one may have come after one of a higher revision, whose value is set anew then. */
  async #restored(name: string, revision: number): Promise<'written' | 'newer'> {
    const higher = (await this.#versions(name))
      .filter((each) => each.enabled !== false && revisionOf(each) > revision)
      .sort((a, b) => revisionOf(b) - revisionOf(a))[0];
    if (higher?.version === undefined) return 'written';
    const { version } = higher;
    const client = await this.#opened();
    const { value } = await this.#calls.repeatable(OFFICER, (abortSignal) => client.getSecret(name, { version, abortSignal }));
    if (value !== undefined && value !== (await this.#newest(name))?.value) await this.#set(name, { value, revision: revisionOf(higher) });
    return 'newer';
  }

  async #set(name: string, { value, revision }: Secret): Promise<void> {
    const client = await this.#opened();
    const options = { contentType: PEM, tags: tagsOf(revision) };
    await this.#calls.repeatable(OFFICER, (abortSignal) => client.setSecret(name, value, { ...options, abortSignal }));
  }

  async #tag(name: string, { version = '', tags = {} }: SecretProperties, revision: number): Promise<void> {
    const next = { ...tags, ...tagsOf(revision) };
    if (isDeepStrictEqual(tags, next)) return;
    const client = await this.#opened();
    await this.#calls.repeatable(OFFICER, (abortSignal) => client.updateSecretProperties(name, version, { tags: next, abortSignal }));
  }

  async #newest(name: string) {
    const client = await this.#opened();
    try {
      const found = await this.#calls.find(OFFICER, (abortSignal) => client.getSecret(name, { abortSignal }));
      return found?.value === undefined ? undefined : { value: found.value, properties: found.properties };
    } catch (error) {
      if (error instanceof KeyVaultAnswer && error.code === 'SecretDisabled') return undefined;
      throw error;
    }
  }

  async #versions(name: string): Promise<readonly SecretProperties[]> {
    const client = await this.#opened();
    const listed = await this.#calls.find(OFFICER, async (abortSignal) => {
      const found: SecretProperties[] = [];
      for await (const each of client.listPropertiesOfSecretVersions(name, { abortSignal })) found.push(each);
      return found;
    });
    return listed ?? [];
  }

  #opened(): Promise<SecretClient> {
    const opening = this.#client ?? this.#open();
    this.#client = opening;
    opening.catch(() => {
      this.#client = undefined;
    });
    return opening;
  }

  async #open(): Promise<SecretClient> {
    const { url, credential, loopback = false } = this.#options;
    const identity = await credential();
    if (!identity) throw new VaultRefused(`There is no identity to reach ${this.host} with; on Azure it is the app's managed identity.`);
    const sdk = await import('@azure/keyvault-secrets');
    const insecure = { allowInsecureConnection: loopback, disableChallengeResourceVerification: loopback };
    return new sdk.SecretClient(url, identity, { retryOptions: { maxRetries: 0 }, ...insecure });
  }
}

const tagsOf = (revision: number) => ({ [REVISION]: String(revision), 'managed-by': 'meshwright' });

function revisionOf({ tags = {} }: SecretProperties): number {
  const revision = Number(tags[REVISION]);
  return Number.isSafeInteger(revision) ? revision : 0;
}
