/** Public keys as the vault port speaks of them, out of certificates and Node's keys. */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { VaultRefused } from '../trust/vault.ts';

/** SubjectPublicKeyInfo, DER. */
export const spkiOf = (key: KeyObject): Buffer => key.export({ format: 'der', type: 'spki' });

/** Of a certificate in DER. @throws VaultRefused for what is none. */
export function publicKeyOf(certificate: Uint8Array): Buffer {
  try {
    return spkiOf(new X509Certificate(certificate).publicKey);
  } catch (error) {
    throw new VaultRefused('What is to be a certificate is no X.509 certificate in DER.', { cause: error });
  }
}
