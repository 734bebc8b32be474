/** Keys and what is signed with them: certificate requests, the certificates a vault signs itself, and public keys as JSON. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  webcrypto,
  X509Certificate,
} from 'node:crypto';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { Problem } from './answers.ts';

export interface KeyShape {
  readonly kty: 'EC' | 'RSA';
  readonly crv?: string | undefined;
  readonly key_size?: number | undefined;
}

/** @throws Problem 400 for a key the service has none of. */
export function makePrivateKey({ kty, crv, key_size: size = 2048 }: KeyShape): KeyObject {
  if (kty === 'RSA' && [2048, 3072, 4096].includes(size)) return generateKeyPairSync('rsa', { modulusLength: size }).privateKey;
  if (kty === 'EC' && (crv === 'P-256' || crv === 'P-384')) return generateKeyPairSync('ec', { namedCurve: crv }).privateKey;
  throw new Problem(400, 'BadParameter', `Property  has invalid value: no ${kty} key of ${kty === 'EC' ? crv : size} is made here.`);
}

const spkiOf = (key: KeyObject) => createPublicKey(key).export({ format: 'der', type: 'spki' });

/** The certificate's key is that key. */
export const isOver = (certificate: X509Certificate, privateKey: KeyObject): boolean => certificate.checkPrivateKey(privateKey);

async function webKeys(privateKey: KeyObject): Promise<webcrypto.CryptoKeyPair & { algorithm: webcrypto.EcKeyImportParams | object }> {
  const curve = privateKey.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'P-384' : 'P-256';
  const importing =
    privateKey.asymmetricKeyType === 'ec'
      ? { name: 'ECDSA', namedCurve: curve, hash: curve === 'P-384' ? 'SHA-384' : 'SHA-256' }
      : { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
  return {
    privateKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, importing, true, ['sign']),
    publicKey: await webcrypto.subtle.importKey('spki', spkiOf(privateKey), importing, true, ['verify']),
    algorithm: importing,
  };
}

/** A PKCS #10 request, DER. */
export async function requestOver(privateKey: KeyObject, subject: string): Promise<Buffer> {
  const keys = await webKeys(privateKey);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({ name: subject, keys, signingAlgorithm: keys.algorithm });
  return Buffer.from(request.rawData);
}

/** What issuer `Self` makes, DER: no authority, valid from ten minutes ago. */
export async function selfSigned(privateKey: KeyObject, subject: string, months: number, now: Date): Promise<Buffer> {
  const keys = await webKeys(privateKey);
  const notAfter = new Date(now);
  notAfter.setUTCMonth(notAfter.getUTCMonth() + months);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: subject,
    keys,
    signingAlgorithm: keys.algorithm,
    serialNumber: randomBytes(15).toString('hex'),
    notBefore: new Date(now.getTime() - 600_000),
    notAfter,
    extensions: [new x509.BasicConstraintsExtension(false, undefined, false)],
  });
  return Buffer.from(certificate.rawData);
}

/** A certificate and its key, both PEM in one text. @throws Problem 400 when it is none. */
export function readImported(pem: string): { readonly certificate: X509Certificate; readonly privateKey: KeyObject } {
  try {
    const certificate = new X509Certificate(pem);
    const privateKey = createPrivateKey(pem);
    if (isOver(certificate, privateKey)) return { certificate, privateKey };
  } catch {
    // Said below, as for a pair that does not belong together.
  }
  throw new Problem(400, 'BadParameter', 'The specified PEM X.509 certificate content can not be read.');
}
