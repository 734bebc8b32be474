/**
 * A second certificate for an issuer that holds its own key, signed by that key: the same name, key, end and path length, and so no more
 * power than the first. For whoever tells authorities apart by their first certificate and is to see another one of the same key.
 */
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { readCertificate } from './certificate.ts';
import { pemOf } from './pem.ts';
import { issuerCertificate, SERIAL_BYTES } from './profiles.ts';

/** PEM in and out; the key is P-256, as PKCS #8 or SEC 1. Throws where the certificate cannot be read. */
export async function issuedByItself(issuer: string, privateKey: string, trustDomain: string): Promise<string> {
  const read = readCertificate(issuer);
  if (read?.subjectKeyId === undefined) throw new Error('The issuer cannot be read, or has no key identifier.');
  const key = createPrivateKey(privateKey);
  const publicKey = new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }));
  const held = {
    sign: async (_keyId: string, _algorithm: string, message: Uint8Array) => sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' }),
  };
  const { subject: name, subjectKeyId: keyIdentifier, notBefore, notAfter } = read;
  const serial = createHash('sha256').update('issued by itself').update(read.der).digest().subarray(0, SERIAL_BYTES);
  const signer = { keyId: 'its own', algorithm: 'P-256', name, keyIdentifier, notBefore, notAfter } as const;
  return pemOf('CERTIFICATE', await issuerCertificate(held, signer, { trustDomain, key: { publicKey }, serial, notBefore, notAfter }));
}
