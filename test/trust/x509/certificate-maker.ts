/**
 * Certificates as nobody here would issue them, for what has to be refused: every field is said, keys are at hand. The library signs
 * with Node's own cryptography, none of the product's profiles is involved.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, webcrypto } from 'node:crypto';
import { x509 } from '../../../src/trust/x509/library.ts';

export interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export const spkiOf = ({ publicKey }: Pick<Pair, 'publicKey'>): Uint8Array => publicKey.export({ type: 'spki', format: 'der' });

export const ecPair = (namedCurve = 'P-256'): Pair => generateKeyPairSync('ec', { namedCurve });
export const rsaPair = (modulusLength: number, publicExponent = 65_537): Pair =>
  generateKeyPairSync('rsa', { modulusLength, publicExponent });

export interface Made {
  readonly pem: string;
  readonly pair: Pair;
  readonly subject: string;
  readonly keyIdentifier: string;
}

export interface Wanted {
  readonly subject: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly extensions: readonly InstanceType<typeof x509.Extension>[];
  readonly pair?: Pair;
  /** Itself, where there is none. */
  readonly signer?: Made;
  readonly hash?: string;
}

const { keyCertSign, cRLSign, digitalSignature } = x509.KeyUsageFlags;

/** P-256 throughout; its identifiers are added to `extensions`. */
export async function make({ subject, notBefore, notAfter, extensions, pair = ecPair(), signer, hash = 'SHA-256' }: Wanted): Promise<Made> {
  const keyIdentifier = randomBytes(20).toString('hex');
  const signingKey = await webcrypto.subtle.importKey(
    'pkcs8',
    (signer?.pair ?? pair).privateKey.export({ type: 'pkcs8', format: 'der' }),
    { name: 'ECDSA', namedCurve: 'P-256' },
    false,
    ['sign'],
  );
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: `40${randomBytes(15).toString('hex')}`,
    subject,
    issuer: signer?.subject ?? subject,
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
    publicKey: new Uint8Array(spkiOf(pair)),
    signingKey,
    signingAlgorithm: { name: 'ECDSA', hash },
    extensions: [
      ...extensions,
      new x509.SubjectKeyIdentifierExtension(keyIdentifier),
      new x509.AuthorityKeyIdentifierExtension(signer?.keyIdentifier ?? keyIdentifier),
    ],
  });
  return { pem: `${certificate.toString('pem')}\n`, pair, subject, keyIdentifier };
}

export const authorityExtensions = (pathLength?: number): readonly InstanceType<typeof x509.Extension>[] => [
  new x509.BasicConstraintsExtension(true, pathLength, true),
  new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
];

export interface LeafWishes {
  readonly ca?: boolean;
  readonly usages?: number;
  readonly usageCritical?: boolean;
  readonly extended?: readonly string[];
  readonly names?: readonly { readonly type: 'url' | 'dns'; readonly value: string }[];
  readonly namesCritical?: boolean;
}

export function leafExtensions(uri: string, wishes: LeafWishes = {}): readonly InstanceType<typeof x509.Extension>[] {
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
  const { ca = false, usages = digitalSignature, usageCritical = true, extended = [serverAuth, clientAuth] } = wishes;
  const { names = [{ type: 'url', value: uri }], namesCritical = true } = wishes;
  return [
    new x509.BasicConstraintsExtension(ca, undefined, true),
    new x509.KeyUsagesExtension(usages, usageCritical),
    new x509.ExtendedKeyUsageExtension([...extended]),
    new x509.SubjectAlternativeNameExtension([...names], namesCritical),
  ];
}

/** `pem` with the last octet of its signature changed. */
export function tampered(pem: string): string {
  const [certificate] = x509.PemConverter.decode(pem);
  if (!certificate) throw new Error('There is no certificate to change.');
  const der = new Uint8Array(certificate);
  der.set([(der.at(-1) ?? 0) ^ 1], der.length - 1);
  return `${x509.PemConverter.encode(der, 'CERTIFICATE')}\n`;
}
