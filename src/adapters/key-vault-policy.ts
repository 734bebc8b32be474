/**
 * What certificates and keys of ours are asked for with, and what of the SDK's answers counts. A root signs itself before it is
 * complete, and Key Vault gives a pending certificate's key no address: so a version with a certificate of the vault's own making comes
 * first, for its key alone, and the request that is signed and merged is over that same key. No key ever serves a second wish.
 */
import { createHash } from 'node:crypto';
import type { CertificatePolicy, KeyVaultCertificate } from '@azure/keyvault-certificates';
import type { CreateKeyOptions, SignatureAlgorithm } from '@azure/keyvault-keys';
import type { KeyAlgorithm } from '../trust/certificates.ts';
import { VaultRefused } from '../trust/vault.ts';

const WISH = 'meshwright-wish';
const STEP = 'meshwright-step';

/** `key`: made for its key, trusted by nobody. `certificate`: what was wished for. */
export type Step = 'key' | 'certificate';
export type Tags = Readonly<Record<string, string>>;

export const tagsOf = (wish: string, step: Step): Record<string, string> => ({ [WISH]: wish, [STEP]: step });
export const wishOf = (tags: Tags | undefined): string | undefined => tags?.[WISH];
export const isStep = (tags: Tags | undefined, wish: string, step: Step): boolean => tags?.[WISH] === wish && tags[STEP] === step;
export const isForItsKey = (tags: Tags | undefined): boolean => tags?.[STEP] === 'key';

const KEYS = {
  'P-256': { keyType: 'EC', keyCurveName: 'P-256' },
  'P-384': { keyType: 'EC', keyCurveName: 'P-384' },
  'RSA-3072': { keyType: 'RSA', keySize: 3072 },
} as const satisfies Record<KeyAlgorithm, Partial<CertificatePolicy>>;

/** PEM, so that the paired secret can be read and seen to hold no key. Never renewed by the vault: that would be a root without overlap. */
export const policyOf = (name: string, algorithm: KeyAlgorithm, step: Step): CertificatePolicy => ({
  ...KEYS[algorithm],
  issuerName: step === 'key' ? 'Self' : 'Unknown',
  subject: `CN=${name}`,
  exportable: false,
  reuseKey: step === 'certificate',
  contentType: 'application/x-pem-file',
  validityInMonths: step === 'key' ? 1 : 120,
  lifetimeActions: [{ action: 'EmailContacts', lifetimePercentage: 80 }],
});

export const keyOptionsOf = (wish: string): CreateKeyOptions => ({ exportable: false, keyOps: ['sign', 'verify'], tags: { [WISH]: wish } });

const SIGNATURES = {
  'P-256': { name: 'ES256', hash: 'sha256' },
  'P-384': { name: 'ES384', hash: 'sha384' },
  'RSA-3072': { name: 'RS256', hash: 'sha256' },
} as const satisfies Record<KeyAlgorithm, { readonly name: SignatureAlgorithm; readonly hash: string }>;

export const signatureOf = (algorithm: KeyAlgorithm, message: Uint8Array): { name: SignatureAlgorithm; digest: Buffer } => ({
  name: SIGNATURES[algorithm].name,
  digest: createHash(SIGNATURES[algorithm].hash).update(message).digest(),
});

/** A version that has its certificate; `undefined` for one that is still being made. */
export interface Whole {
  readonly version: string;
  readonly certificateId: string;
  readonly keyId: string;
  readonly cer: Uint8Array;
  readonly enabled: boolean;
  readonly tags: Tags | undefined;
}

export function wholeOf({ cer, keyId, properties }: KeyVaultCertificate): Whole | undefined {
  const { id, version, enabled, tags } = properties;
  if (!cer || keyId === undefined || id === undefined || version === undefined) return undefined;
  return { version, certificateId: id, keyId, cer, enabled: enabled ?? false, tags };
}

export interface VaultObject {
  readonly collection: 'certificates' | 'keys';
  readonly name: string;
  readonly version: string;
}

/** Of an id with its version. @throws VaultRefused for an id of another vault, or of nothing that this adapter gives out. */
export function objectOf(vaultUrl: string, id: string): VaultObject {
  const url = URL.parse(id);
  const [, collection, name, version] = url?.pathname.split('/') ?? [];
  if (url?.origin === new URL(vaultUrl).origin && name && version && (collection === 'certificates' || collection === 'keys'))
    return { collection, name, version };
  throw new VaultRefused(`${id} is no version of a certificate or a key of ${vaultUrl}.`);
}
