/**
 * What making certificates needs of a vault: keys that are made in it and never leave it, certificates whose versions it keeps, and
 * signatures. Implemented over Azure Key Vault, and over sealed files for a local host. Whatever is asked for under a `wish` can be asked
 * for again, with the same answer: an answer that was lost makes no second key.
 */
import type { KeyAlgorithm } from './certificates.ts';

export interface Vault {
  /**
   * Begins a certificate version whose key cannot be exported and is not used again, with an issuer that is unknown to the vault. Asked
   * again: the one that was begun, or completed, for this wish. Throws `VaultUnavailable`, `VaultRefused`, and `VaultRefused` too
   * where another wish of the same name is pending.
   */
  begin(request: { readonly name: string; readonly algorithm: KeyAlgorithm; readonly wish: string }): Promise<Begun>;
  /** Completes what was begun with a certificate over its key. Asked again, with another one too: what completed it first. */
  complete(request: { readonly name: string; readonly wish: string; readonly certificate: Uint8Array }): Promise<VaultCertificate>;
  /** Gives up what was begun for a wish and not completed, so that another of its name can begin. Nothing to give up is no error. */
  abandon(request: { readonly name: string; readonly wish: string }): Promise<void>;
  /** Every version of a certificate, newest first; none where there is no such certificate. */
  versions(name: string): Promise<readonly VaultCertificate[]>;
  /** A key that cannot be exported, for an issuer. */
  makeKey(request: { readonly name: string; readonly algorithm: KeyAlgorithm; readonly wish: string }): Promise<VaultKey>;
  /** ECDSA (r || s) or RSASSA-PKCS1-v1_5 with SHA-256, with SHA-384 for P-384, over `message`. */
  sign(keyId: string, algorithm: KeyAlgorithm, message: Uint8Array): Promise<Uint8Array>;
  /**
   * A version of a certificate with its key, or of a key alone. Disabled: it signs no more, and can be enabled again. What was deleted signs
   * no more either: disabling it is no error, enabling it is `VaultRefused`.
   */
  setEnabled(id: string, enabled: boolean): Promise<void>;
  /** The newest version of every certificate in the vault, whoever uses it. */
  list(): Promise<readonly VaultCertificate[]>;
}

/** A pending one's `keyId` signs what completes it, and nothing after that: from then on it is the certificate's. */
export type Begun = ({ readonly kind: 'pending' } & VaultKey) | { readonly kind: 'complete'; readonly certificate: VaultCertificate };

export interface VaultKey {
  readonly keyId: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
}

export interface VaultCertificate {
  readonly name: string;
  /** With its version. */
  readonly certificateId: string;
  readonly keyId: string;
  /** DER. */
  readonly certificate: Uint8Array;
  readonly enabled: boolean;
  /** Its private key can be, or was, outside of the vault, as far as can be told; what was not made by `begin` is taken to have been. */
  readonly exportable: boolean;
  /** What it was made for, of those that are made here. */
  readonly wish?: string;
}

/** It may be asked for again, after `retryAfterMs` where the vault said so. */
export class VaultUnavailable extends Error {
  override name = 'VaultUnavailable';
  readonly retryAfterMs: number | undefined;
  constructor(message: string, retryAfterMs?: number) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** Asking again changes nothing until somebody changes something; the message says what. */
export class VaultRefused extends Error {
  override name = 'VaultRefused';
}

/** Who asks may not: it is refused until somebody grants it, and says nothing of what was asked for. */
export class VaultForbidden extends VaultRefused {
  override name = 'VaultForbidden';
}
