/**
 * Signatures over a digest, as the service is asked for them. Node signs messages only, so ECDSA is put together here (FIPS 186-5,
 * 6.4.1) from Node's arithmetic on the curves; RSASSA-PKCS1-v1_5 is Node's, over the digest with its name before it (RFC 8017, 9.2).
 */
import { constants, createECDH, type KeyObject, privateEncrypt, randomBytes } from 'node:crypto';

/** Orders of the curves' groups: NIST SP 800-186. */
const ORDERS: Readonly<Record<string, bigint>> = {
  prime256v1: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  secp384r1: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
};
const SHA256_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex');

/** r || s. The digest must be as long as the order: SHA-256 for P-256, SHA-384 for P-384. */
export function signEcdsa(key: KeyObject, digest: Buffer): Buffer {
  const curve = key.asymmetricKeyDetails?.namedCurve ?? '';
  const order = ORDERS[curve];
  const d = key.export({ format: 'jwk' }).d;
  if (order === undefined || typeof d !== 'string') throw new Error(`no ECDSA with a key on ${curve}`);
  for (;;) {
    const k = numberOf(randomBytes(digest.length));
    if (k === 0n || k >= order) continue;
    const point = createECDH(curve);
    point.setPrivateKey(bytesOf(k, digest.length));
    const r = numberOf(point.getPublicKey().subarray(1, 1 + digest.length)) % order;
    const s = (inverse(k, order) * (numberOf(digest) + r * numberOf(Buffer.from(d, 'base64url')))) % order;
    if (r !== 0n && s !== 0n) return Buffer.concat([bytesOf(r, digest.length), bytesOf(s, digest.length)]);
  }
}

/** With a digest of SHA-256. */
export const signRsa = (key: KeyObject, digest: Buffer): Buffer =>
  privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, Buffer.concat([SHA256_INFO, digest]));

const numberOf = (bytes: Buffer) => BigInt(`0x${bytes.toString('hex')}`);
const bytesOf = (value: bigint, length: number) => Buffer.from(value.toString(16).padStart(length * 2, '0'), 'hex');

/** Extended Euclid. */
function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n];
  while (b !== 0n) {
    const quotient = a / b;
    [a, b, x, y] = [b, a - quotient * b, y, x - quotient * y];
  }
  return ((x % modulus) + modulus) % modulus;
}
