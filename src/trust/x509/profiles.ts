/**
 * The three certificates of a mesh, each with one strict profile (RFC 5280; X.509-SVID 1.0 for leafs), signed by keys that stay in
 * their vault. Times, keys and serial numbers come in as data; the only outside effect is `Vault.sign`, and what that throws passes.
 */
import { createHash } from 'node:crypto';
import type { Authority, Issuer, KeyAlgorithm } from '../certificates.ts';
import type { LeafProfile } from '../issuing.ts';
import type { Vault, VaultKey } from '../vault.ts';
import { readCertificate } from './certificate.ts';
import { x509 } from './library.ts';
import { pemOf } from './pem.ts';
import { remoteSigner, SIGNING_ALGORITHMS, type SigningKey } from './remote-signer.ts';

/** Octets of a serial number before it is made positive. */
export const SERIAL_BYTES = 16;
/** X.520: the upper bound of a common name. */
const MAX_NAME = 64;
const { keyCertSign, cRLSign, digitalSignature, keyEncipherment } = x509.KeyUsageFlags;
const RSA_ENCRYPTION = Buffer.from('06092a864886f70d010101', 'hex');

export interface Validity {
  /** Epoch ms; certificates have whole seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface AuthorityProfile extends Validity {
  readonly trustDomain: string;
  readonly key: VaultKey;
  readonly algorithm: KeyAlgorithm;
  /** `SERIAL_BYTES` random ones. */
  readonly serial: Uint8Array;
}

/** What stands above a certificate: its name and key as they go into it, and where its key signs. */
export interface Signer extends SigningKey {
  readonly name: InstanceType<typeof x509.Name>;
  /** Hex. */
  readonly keyIdentifier: string;
}

export interface Leaf {
  /** PEM of the leaf alone. */
  readonly certificate: string;
  /** PEM: the leaf and the issuer that signed it, as a server or client presents them. */
  readonly chain: string;
  readonly fingerprint: string;
  /** Hex. */
  readonly serial: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** The signer that an authority's issuer is, for as many leafs as it lives. */
export interface LeafSigner extends Signer {
  readonly issuer: Issuer;
}

/** `certificate` as PEM or DER, over the key `keyId`. Throws where it is no certificate with a key identifier. */
export function signerOf(certificate: string | Uint8Array, key: SigningKey): Signer {
  const read = readCertificate(certificate);
  if (read?.subjectKeyId === undefined) throw new Error(`The certificate of ${key.keyId} cannot be read, or has no key identifier.`);
  return { keyId: key.keyId, algorithm: key.algorithm, name: read.subject, keyIdentifier: read.subjectKeyId };
}

export function leafSigner({ issuer, algorithm }: Authority): LeafSigner {
  const known = signers.get(issuer.fingerprint);
  if (known) return known;
  const signer = { ...signerOf(issuer.certificate, { keyId: issuer.keyId, algorithm }), issuer };
  if (signers.size >= REMEMBERED) signers.clear();
  signers.set(issuer.fingerprint, signer);
  return signer;
}

/** By fingerprint, which says all that is in it: reading an issuer anew costs as much as half a leaf. */
const signers = new Map<string, LeafSigner>();
const REMEMBERED = 64;

/** Self-signed, for issuers alone below it. DER. Named after its key, so that no two roots share a name. */
export async function rootCertificate(vault: Pick<Vault, 'sign'>, profile: AuthorityProfile): Promise<Uint8Array> {
  const keyIdentifier = keyIdentifierOf(profile.key.publicKey);
  const name = nameOf('root', keyIdentifier, profile.trustDomain);
  const signer = { keyId: profile.key.keyId, algorithm: profile.algorithm, name, keyIdentifier };
  return sign(
    vault,
    signer,
    { ...profile, subject: name, extensions: authorityExtensions(1, keyIdentifier, keyIdentifier) },
    profile.key.publicKey,
  );
}

/** For leafs alone below it. DER. It lives no longer than `root`, and begins no earlier. */
export async function issuerCertificate(
  vault: Pick<Vault, 'sign'>,
  root: Signer & Validity,
  profile: Omit<AuthorityProfile, 'algorithm' | 'key'> & { readonly key: Pick<VaultKey, 'publicKey'> },
): Promise<Uint8Array> {
  const keyIdentifier = keyIdentifierOf(profile.key.publicKey);
  const content = {
    serial: profile.serial,
    notBefore: Math.max(profile.notBefore, root.notBefore),
    notAfter: Math.min(profile.notAfter, root.notAfter),
    subject: nameOf('issuer', keyIdentifier, profile.trustDomain),
    extensions: authorityExtensions(0, keyIdentifier, root.keyIdentifier),
  };
  return sign(vault, root, content, profile.key.publicKey);
}

// Made once: each costs a tenth of a millisecond.
const NO_AUTHORITY = new x509.BasicConstraintsExtension(false, undefined, true);
const EC_USAGE = new x509.KeyUsagesExtension(digitalSignature, true);
const RSA_USAGE = new x509.KeyUsagesExtension(digitalSignature | keyEncipherment, true);
const FOR_BOTH_ENDS = new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]);
const NAMELESS = new x509.Name([]);

/** As `decideIssuing` said. Its name is its SPIFFE ID alone. */
export async function leafCertificate(
  vault: Pick<Vault, 'sign'>,
  signer: LeafSigner,
  { spiffeId, publicKey, notBefore, notAfter }: LeafProfile,
  serial: Uint8Array,
): Promise<Leaf> {
  const extensions = [
    NO_AUTHORITY,
    isRsa(publicKey) ? RSA_USAGE : EC_USAGE,
    FOR_BOTH_ENDS,
    new x509.SubjectKeyIdentifierExtension(keyIdentifierOf(publicKey)),
    new x509.AuthorityKeyIdentifierExtension(signer.keyIdentifier),
    // Critical where the subject is empty (RFC 5280, 4.2.1.6).
    new x509.SubjectAlternativeNameExtension([{ type: 'url', value: spiffeId }], true),
  ];
  const content = {
    serial,
    notBefore: Math.max(notBefore, signer.issuer.notBefore),
    notAfter: Math.min(notAfter, signer.issuer.notAfter),
    subject: NAMELESS,
    extensions,
  };
  const der = await sign(vault, signer, content, publicKey);
  const certificate = pemOf('CERTIFICATE', der);
  return {
    certificate,
    chain: certificate + signer.issuer.certificate,
    fingerprint: createHash('sha256').update(der).digest('hex'),
    serial: positive(serial),
    notBefore: content.notBefore,
    notAfter: content.notAfter,
  };
}

interface Content extends Validity {
  readonly subject: InstanceType<typeof x509.Name>;
  readonly serial: Uint8Array;
  readonly extensions: InstanceType<typeof x509.Extension>[];
}

async function sign(vault: Pick<Vault, 'sign'>, signer: Signer, content: Content, publicKey: Uint8Array): Promise<Uint8Array> {
  const { signingKey, crypto } = remoteSigner(vault, signer);
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: positive(content.serial),
      subject: content.subject,
      issuer: signer.name,
      notBefore: new Date(content.notBefore),
      notAfter: new Date(content.notAfter),
      publicKey: new Uint8Array(publicKey),
      signingKey,
      signingAlgorithm: SIGNING_ALGORITHMS[signer.algorithm],
      extensions: content.extensions,
    },
    crypto,
  );
  return new Uint8Array(certificate.rawData);
}

const authorityExtensions = (pathLength: number, own: string, above: string): InstanceType<typeof x509.Extension>[] => [
  new x509.BasicConstraintsExtension(true, pathLength, true),
  new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
  new x509.SubjectKeyIdentifierExtension(own),
  new x509.AuthorityKeyIdentifierExtension(above),
];

/** RFC 7093, 2, method 4. Hex. */
const keyIdentifierOf = (publicKey: Uint8Array): string => createHash('sha256').update(publicKey).digest('hex');

const nameOf = (what: 'root' | 'issuer', keyIdentifier: string, trustDomain: string): InstanceType<typeof x509.Name> =>
  new x509.Name([{ CN: [`${what} ${keyIdentifier.slice(0, 16)} of ${trustDomain}`.slice(0, MAX_NAME)] }]);

/** Positive, and never shorter than its octets (RFC 5280, 4.1.2.2). Hex. */
function positive(serial: Uint8Array): string {
  if (serial.length !== SERIAL_BYTES) throw new Error(`A serial number is made of ${SERIAL_BYTES} random bytes, not ${serial.length}.`);
  const [first = 0, ...rest] = serial;
  return Buffer.from([(first & 0x7f) | 0x40, ...rest]).toString('hex');
}

const isRsa = (publicKey: Uint8Array): boolean => Buffer.from(publicKey.subarray(0, 32)).includes(RSA_ENCRYPTION);
