/**
 * What Consul's list of roots says: which certificates its proxies are given to believe in, with which of them it signs, and whose leaf a
 * certificate is. An entry is known by its first certificate; the others in it are believed too.
 */
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import type { ListedRoot } from './authority.ts';

export interface Anchor {
  readonly pem: string;
  /** SHA-256 of the DER, hex. */
  readonly fingerprint: string;
  /** SubjectPublicKeyInfo, hex. */
  readonly key: string;
  readonly signsItself: boolean;
  /** Epoch ms. */
  readonly notAfter: number;
  readonly certificate: X509Certificate;
}

export interface Entry {
  readonly active: boolean;
  readonly first: Anchor;
  readonly rest: readonly Anchor[];
}

/** Throws on what is no certificate. */
export function anchorOf(pem: string): Anchor {
  const certificate = new X509Certificate(pem);
  return {
    pem,
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    key: hex(certificate.publicKey.export({ type: 'spki', format: 'der' })),
    signsItself: certificate.verify(certificate.publicKey),
    notAfter: certificate.validToDate.getTime(),
    certificate,
  };
}

export function entriesOf(listed: readonly ListedRoot[]): readonly Entry[] {
  return listed.flatMap(({ active, certificates }) => {
    const [first, ...rest] = certificates.map(anchorOf);
    return first ? [{ active, first, rest }] : [];
  });
}

/** Everything that is believed in, each once. */
export const anchorsOf = (entries: readonly Entry[]): readonly Anchor[] => [
  ...new Map(entries.flatMap(({ first, rest }) => [first, ...rest]).map((each) => [each.fingerprint, each])).values(),
];

/** Of the key that signs, the certificate that another one signed; where there is none, the one that it made itself. */
export const signerOf = ({ first, rest }: Entry): Anchor =>
  [first, ...rest].find(({ key, signsItself }) => key === first.key && !signsItself) ?? first;

/** What an entry believes in beside the certificates of its own key. */
export const besides = ({ first, rest }: Entry): readonly Anchor[] => rest.filter(({ key }) => key !== first.key);

/** Whose key signed the leaf (DER); of several certificates of that key, as `signerOf` has it. `undefined`: none of these. */
export function signedBy(leaf: X509Certificate, anchors: readonly Anchor[]): Anchor | undefined {
  const signers = anchors.filter(({ certificate }) => leaf.verify(certificate.publicKey));
  return signers.find(({ signsItself }) => !signsItself) ?? signers[0];
}

/** Whether the certificate's subject is this name (DER). */
export const isNamed = ({ certificate }: Anchor, name: Uint8Array): boolean => subjectOf(certificate.raw).equals(name);

/** Of a private key (PEM), hex SubjectPublicKeyInfo; `undefined`: it is none. */
export function publicKeyOf(privateKey: string): string | undefined {
  try {
    return hex(createPublicKey(createPrivateKey(privateKey)).export({ type: 'spki', format: 'der' }));
  } catch {
    return undefined;
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Of a certificate that was read: the sixth of TBSCertificate, after version, serial number, signature, issuer and validity (RFC 5280, 4.1). */
function subjectOf(der: Buffer): Buffer {
  const { content: tbs } = elementAt(der, 0);
  let at = elementAt(der, tbs).content;
  for (let before = 0; before < 5; before += 1) at = elementAt(der, at).end;
  return der.subarray(at, elementAt(der, at).end);
}

/** Where the DER element at `at` has its content, and its end. */
function elementAt(der: Buffer, at: number): { readonly content: number; readonly end: number } {
  const first = der.readUInt8(at + 1);
  const octets = first < 0x80 ? 0 : first & 0x7f;
  const content = at + 2 + octets;
  return { content, end: content + (octets === 0 ? first : der.readUIntBE(at + 2, octets)) };
}
