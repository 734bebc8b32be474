/**
 * Which keys certificates are made for: P-256, P-384 and RSA of 2048 to 4096 bits, in the one encoding that every verifier reads the
 * same. A curve that is spelled out in parameters is none of them, whatever its parameters (CVE-2020-0601).
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { refused } from '../../decision.ts';

export type KeyRefusal = { readonly kind: 'refused'; readonly reason: 'WeakKey' | 'UnsupportedKey'; readonly message: string };
export type KeyKind = { readonly kind: 'P-256' } | { readonly kind: 'P-384' } | { readonly kind: 'RSA'; readonly bits: number };

/** SubjectPublicKeyInfo up to the point, uncompressed (RFC 5480). */
const EC_KEYS = [
  { kind: 'P-256', prefix: Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex'), length: 91 },
  { kind: 'P-384', prefix: Buffer.from('3076301006072a8648ce3d020106052b8104002203620004', 'hex'), length: 120 },
] as const;
const RSA_BITS = { min: 2_048, max: 4_096 };
/** Some verifiers hold the exponent in 31 bits. */
const RSA_EXPONENT = { min: 65_537n, max: 2n ** 31n - 1n };
const WEAK_CURVES = /^(sec[pt]|prime|wap|brainpool|c2)[a-z-]*(\d+)/i;

export const publicKeyOf = (spki: Uint8Array): KeyObject => createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });

/** `spki`: SubjectPublicKeyInfo, DER. */
export function judgeKey(spki: Uint8Array): KeyKind | KeyRefusal {
  const key = readKey(spki);
  const what = 'use P-256, P-384 or RSA with 2048 to 4096 bits.';
  if (!key) return refused('UnsupportedKey', `The public key cannot be read; ${what}`);
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'rsa') return judgeRsa(details?.modulusLength ?? 0, details?.publicExponent ?? 0n);
  if (type !== 'ec') return refused(type === 'dsa' ? 'WeakKey' : 'UnsupportedKey', `Keys of type ${type} are not certified; ${what}`);
  const known = EC_KEYS.find(({ prefix, length }) => spki.length === length && prefix.equals(spki.subarray(0, prefix.length)));
  if (known) return { kind: known.kind };
  const curve = details?.namedCurve ?? 'without a name';
  const bits = Number(WEAK_CURVES.exec(curve)?.[2] ?? 256);
  return refused(bits < 256 ? 'WeakKey' : 'UnsupportedKey', `A key on the curve ${curve}, so encoded, is not certified; ${what}`);
}

function judgeRsa(bits: number, exponent: bigint): KeyKind | KeyRefusal {
  if (bits < RSA_BITS.min) return refused('WeakKey', `The RSA key has ${bits} bits; make one with ${RSA_BITS.min} to ${RSA_BITS.max}.`);
  if (bits > RSA_BITS.max) return refused('UnsupportedKey', `The RSA key has ${bits} bits; make one with at most ${RSA_BITS.max}.`);
  if (exponent < RSA_EXPONENT.min || exponent > RSA_EXPONENT.max || exponent % 2n === 0n) {
    return refused('WeakKey', `The RSA key's public exponent is ${exponent}; make one with 65537.`);
  }
  return { kind: 'RSA', bits };
}

function readKey(spki: Uint8Array): KeyObject | undefined {
  try {
    return publicKeyOf(spki);
  } catch {
    return undefined;
  }
}
