/**
 * Roots and the issuers under them, made in a vault: each step can be asked again under the same wish, so that a run that ended anywhere,
 * or whose answer was lost, comes to the same root. None is handed out before a leaf under it was verified. Here is the door; what is
 * behind it, and the X.509 library, is loaded when a certificate is first made.
 */
import type { CertificatesSpec } from '../spec/certificates-schema.ts';
import type { Authority, Delegation, Issuer } from './certificates.ts';
import type { Vault } from './vault.ts';

export interface Asked {
  readonly spec: CertificatesSpec;
  readonly trustDomain: string;
  /** What it is made for: the same wish gives the same root, and the same key to its issuer. */
  readonly wish: string;
  /** Epoch ms. */
  readonly now: number;
}

/** A new root with an issuer under it. Throws what the vault throws, and `VaultRefused` where what it keeps makes no authority. */
export async function makeAuthority(vault: Vault, asked: Asked): Promise<Authority> {
  return (await behind()).makeAuthority(vault, asked);
}

/** A root that the vault has already, renewed by itself or imported. `certificateId`: with its version. Throws as `makeAuthority`. */
export async function adoptVersion(vault: Vault, asked: Asked & { readonly certificateId: string }): Promise<Authority> {
  return (await behind()).adoptVersion(vault, asked);
}

/** Another issuer under the same root. Throws as `makeAuthority`. */
export async function makeIssuer(vault: Vault, authority: Authority, asked: Asked): Promise<Issuer> {
  return (await behind()).makeIssuer(vault, authority, asked);
}

/**
 * An issuer under a root for whoever has the key of `publicKey` (SubjectPublicKeyInfo of P-256, DER), which is not in the vault. PEM beside what is
 * recorded of it. Throws as `makeAuthority`.
 */
export async function delegateIssuer(
  vault: Vault,
  authority: Authority,
  asked: Omit<Asked, 'wish'> & { readonly publicKey: Uint8Array },
): Promise<Omit<Delegation, 'dataPlane' | 'due'> & { readonly certificate: string }> {
  return (await behind()).delegateIssuer(vault, authority, asked);
}

const behind = () => import('./x509/making-authorities.ts');
