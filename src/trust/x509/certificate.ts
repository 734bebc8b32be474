/**
 * A certificate read for judging it: what its fields and extensions say, strictly (one certificate, X.509 v3, nothing after it, no
 * extension twice), as PEM or DER. Whether any of it is believed is decided elsewhere.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { elementsIn } from './der.ts';
import { x509 } from './library.ts';
import { readOne } from './pem.ts';
import { publicKeyOf } from './public-key.ts';

export interface CertificateFacts {
  readonly der: Uint8Array;
  /** SHA-256 of the DER, hex. */
  readonly fingerprint: string;
  readonly subject: InstanceType<typeof x509.Name>;
  /** DER of both names, hex. */
  readonly subjectBytes: string;
  readonly issuerBytes: string;
  /** Hex. */
  readonly serial: string;
  /** Epoch ms, both ends included. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  readonly signedWith: string;
  readonly constraints?: { readonly ca: boolean; readonly pathLength?: number; readonly critical: boolean };
  /** Bits as in `x509.KeyUsageFlags`. */
  readonly keyUsage?: { readonly flags: number; readonly critical: boolean };
  readonly extendedKeyUsages: readonly string[];
  /** Hex. */
  readonly subjectKeyId?: string;
  readonly authorityKeyId?: string;
  readonly names?: { readonly of: readonly { readonly type: string; readonly value: string }[]; readonly critical: boolean };
  /** Critical extensions beside those above, by object identifier. */
  readonly unknownCritical: readonly string[];
  /** Whether `signer`'s key (SubjectPublicKeyInfo, DER) made its signature. */
  signedBy(publicKey: Uint8Array): boolean;
}

const TAG = 'CERTIFICATE';
const MAX_BYTES = 32_768;
const KNOWN = ['2.5.29.14', '2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.35', '2.5.29.37'];

/** `undefined`: not exactly one well-formed certificate. */
export function readCertificate(pemOrDer: string | Uint8Array): CertificateFacts | undefined {
  const der = readOne(pemOrDer, TAG, MAX_BYTES);
  if (!der) return undefined;
  try {
    return factsOf(der);
  } catch {
    // Two parsers have to take it; what either of them throws means the same.
    return undefined;
  }
}

function factsOf(der: Uint8Array): CertificateFacts | undefined {
  const native = new X509Certificate(der);
  const parsed = new x509.X509Certificate(der);
  const types = parsed.extensions.map(({ type }) => type);
  if (native.raw.length !== der.length || !isVersion3(der) || new Set(types).size !== types.length) return undefined;
  const constraints = parsed.getExtension(x509.BasicConstraintsExtension);
  const usage = parsed.getExtension(x509.KeyUsagesExtension);
  const extended = parsed.getExtension(x509.ExtendedKeyUsageExtension);
  const subjectKeyId = parsed.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
  const authorityKeyId = parsed.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId;
  const alternative = parsed.getExtension(x509.SubjectAlternativeNameExtension);
  return {
    der,
    fingerprint: createHash('sha256').update(der).digest('hex'),
    subject: parsed.subjectName,
    subjectBytes: Buffer.from(parsed.subjectName.toArrayBuffer()).toString('hex'),
    issuerBytes: Buffer.from(parsed.issuerName.toArrayBuffer()).toString('hex'),
    serial: parsed.serialNumber,
    notBefore: parsed.notBefore.getTime(),
    notAfter: parsed.notAfter.getTime(),
    publicKey: new Uint8Array(parsed.publicKey.rawData),
    signedWith: signatureName(parsed.signatureAlgorithm),
    ...(constraints && {
      constraints: {
        ca: constraints.ca,
        critical: constraints.critical,
        ...(constraints.pathLength === undefined ? {} : { pathLength: constraints.pathLength }),
      },
    }),
    ...(usage && { keyUsage: { flags: usage.usages, critical: usage.critical } }),
    extendedKeyUsages: extended?.usages.map(String) ?? [],
    ...(subjectKeyId === undefined ? {} : { subjectKeyId }),
    ...(authorityKeyId === undefined ? {} : { authorityKeyId }),
    ...(alternative && {
      names: { of: alternative.names.items.map(({ type, value }) => ({ type, value })), critical: alternative.critical },
    }),
    unknownCritical: parsed.extensions.filter(({ type, critical }) => critical && !KNOWN.includes(type)).map(({ type }) => type),
    signedBy: (publicKey) => native.verify(publicKeyOf(publicKey)),
  };
}

/** TBSCertificate begins with [0] { INTEGER 2 }; the library does not say which version it read. */
function isVersion3(der: Uint8Array): boolean {
  const [signed = der] = elementsIn(der) ?? [];
  const [version = der] = elementsIn(signed) ?? [];
  return Buffer.from(version).toString('hex') === 'a003020102';
}

const signatureSchema = z.object({ name: z.string(), hash: z.object({ name: z.string() }).optional() });

/** Such as `ECDSA with SHA-256`; of algorithms without a separate hash, their name. */
function signatureName(algorithm: unknown): string {
  const { name, hash } = signatureSchema.parse(algorithm);
  return hash ? `${name} with ${hash.name}` : name;
}
