/**
 * A vault's key as the X.509 library wants to see one: a key that it can hold but not read, and a WebCrypto whose `sign` asks the vault.
 * The library turns r || s into the DER that certificates carry.
 */
import { webcrypto } from 'node:crypto';
import type { KeyAlgorithm } from '../certificates.ts';
import type { Vault } from '../vault.ts';

/** By the signer's key: ES256 for P-256, ES384 for P-384, RS256 for RSA. */
export const SIGNING_ALGORITHMS = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  'RSA-3072': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
} as const satisfies Record<KeyAlgorithm, webcrypto.Algorithm & { readonly namedCurve?: string; readonly hash: string }>;

export interface SigningKey {
  readonly keyId: string;
  readonly algorithm: KeyAlgorithm;
}

export interface RemoteSigner {
  readonly signingKey: webcrypto.CryptoKey;
  readonly crypto: webcrypto.Crypto;
}

/** `sign` throws what the vault throws. */
export function remoteSigner(vault: Pick<Vault, 'sign'>, { keyId, algorithm }: SigningKey): RemoteSigner {
  const sign = async (_algorithm: unknown, _key: unknown, message: webcrypto.BufferSource): Promise<ArrayBuffer> => {
    const signature = await vault.sign(keyId, algorithm, bytesOf(message));
    return new Uint8Array(signature).buffer;
  };
  const subtle = new Proxy(webcrypto.subtle, {
    get: (target, property) => (property === 'sign' ? sign : Reflect.get(target, property, target)),
  });
  const crypto = new Proxy(webcrypto, {
    get: (target, property) => (property === 'subtle' ? subtle : Reflect.get(target, property, target)),
  });
  return { signingKey: { type: 'private', extractable: false, algorithm: SIGNING_ALGORITHMS[algorithm], usages: ['sign'] }, crypto };
}

const bytesOf = (source: webcrypto.BufferSource): Uint8Array =>
  ArrayBuffer.isView(source) ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength) : new Uint8Array(source);
