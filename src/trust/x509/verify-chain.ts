/**
 * Strict path validation (RFC 5280, 6.1, and X.509-SVID 1.0, 5) for the chains that this project issues: a leaf for one SPIFFE ID,
 * issuers above it, roots that are believed. It takes less than a general verifier does, and is asked before a root is used.
 */
import { refused } from '../../decision.ts';
import { type CertificateFacts, readCertificate } from './certificate.ts';
import { x509 } from './library.ts';
import { judgeKey } from './public-key.ts';

export type ChainReason =
  | 'NotACertificate'
  | 'WrongProfile'
  | 'WeakKey'
  | 'Expired'
  | 'NotYetValid'
  | 'NotAnAuthority'
  | 'PathTooLong'
  | 'UnknownIssuer'
  | 'BadSignature'
  | 'ForeignIdentity';

export interface ChainRefusal {
  readonly kind: 'refused';
  readonly reason: ChainReason;
  readonly message: string;
}

/** `path`: fingerprints from the leaf to the root. */
export type ChainVerdict = { readonly kind: 'verified'; readonly path: readonly string[] } | ChainRefusal;

type Encoded = string | Uint8Array;
type Verdict = ChainRefusal | undefined;

const { keyCertSign, digitalSignature, keyEncipherment } = x509.KeyUsageFlags;
const SIGNATURES = ['ECDSA with SHA-256', 'ECDSA with SHA-384', 'RSASSA-PKCS1-v1_5 with SHA-256', 'RSASSA-PKCS1-v1_5 with SHA-384'];
const LEAF_USAGES = [x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth];
const MAX_SERIAL_HEX = 40;
/** Certificates that are looked at at all: a chain that is longer is none of ours. */
const MAX_CERTIFICATES = 16;

/** Each certificate as PEM or DER; `now`: epoch ms, exact: tolerance of clocks is in the certificates. */
export function verifyChain(
  leaf: Encoded,
  intermediates: readonly Encoded[],
  roots: readonly Encoded[],
  { now, spiffeId }: { readonly now: number; readonly spiffeId: string },
): ChainVerdict {
  const read = readCertificate(leaf);
  const between = intermediates.map(readCertificate);
  const trusted = roots.map(readCertificate);
  if (!read || !between.every((each) => each !== undefined) || !trusted.every((each) => each !== undefined)) {
    return refused('NotACertificate', 'One of the chain is not a single well-formed X.509 v3 certificate; give each alone, as PEM or DER.');
  }
  if (between.length + trusted.length > MAX_CERTIFICATES) {
    return refused('PathTooLong', `The chain has more than ${MAX_CERTIFICATES} certificates; give the issuers of this leaf alone.`);
  }
  const wrong = judgeEach('The leaf', read, now) ?? judgeLeaf(read, spiffeId);
  return wrong ?? climb(read, { between, trusted, now, path: [read.fingerprint] });
}

interface Climb {
  readonly between: readonly CertificateFacts[];
  readonly trusted: readonly CertificateFacts[];
  readonly now: number;
  /** Fingerprints, the leaf's first. */
  readonly path: readonly string[];
}

/** Up from `below`: the first way that leads to a root, or what was wrong with the last that was tried. */
function climb(below: CertificateFacts, climbing: Climb): ChainVerdict {
  const { between, trusted, now, path } = climbing;
  let wrong: ChainRefusal | undefined;
  for (const root of trusted.filter((each) => couldHaveSigned(each, below))) {
    const bad = judgeSigner(root, below, { now, issuersBelow: path.length - 1 }) ?? judgeRoot(root);
    if (!bad) return { kind: 'verified', path: [...path, root.fingerprint] };
    wrong = bad;
  }
  for (const issuer of between.filter((each) => couldHaveSigned(each, below) && !path.includes(each.fingerprint))) {
    const bad = judgeSigner(issuer, below, { now, issuersBelow: path.length - 1 });
    const verdict = bad ?? climb(issuer, { ...climbing, path: [...path, issuer.fingerprint] });
    if (verdict.kind === 'verified') return verdict;
    wrong = verdict;
  }
  return (
    wrong ??
    refused('UnknownIssuer', `No certificate that is trusted, or that was given, signed ${nameOf(below)}; bring its issuer's root.`)
  );
}

/** By name and key identifier; whether it did, the signature says. */
const couldHaveSigned = (issuer: CertificateFacts, below: CertificateFacts): boolean =>
  issuer.subjectBytes === below.issuerBytes && issuer.subjectKeyId !== undefined && issuer.subjectKeyId === below.authorityKeyId;

/** `issuersBelow`: certificates of authorities between it and the leaf. */
function judgeSigner(
  issuer: CertificateFacts,
  below: CertificateFacts,
  { now, issuersBelow }: { readonly now: number; readonly issuersBelow: number },
): Verdict {
  const wrong = judgeEach(nameOf(issuer), issuer, now) ?? judgeAuthority(issuer);
  if (wrong) return wrong;
  if ((issuer.constraints?.pathLength ?? Number.POSITIVE_INFINITY) < issuersBelow) {
    return refused(
      'PathTooLong',
      `${nameOf(issuer)} may have ${issuer.constraints?.pathLength} authorities below it, not ${issuersBelow}.`,
    );
  }
  if (!below.signedBy(issuer.publicKey)) {
    return refused('BadSignature', `${nameOf(below)} was changed, or was not signed by ${nameOf(issuer)}; ask for it again.`);
  }
  return undefined;
}

/** What holds for every certificate of a chain. */
function judgeEach(what: string, certificate: CertificateFacts, now: number): Verdict {
  const { notBefore, notAfter, serial, signedWith, publicKey, unknownCritical, authorityKeyId } = certificate;
  if (now < notBefore) return refused('NotYetValid', `${what} counts from ${new Date(notBefore).toISOString()} on; compare the clocks.`);
  if (now > notAfter) return refused('Expired', `${what} ended ${new Date(notAfter).toISOString()}; it has to be replaced.`);
  const key = judgeKey(publicKey);
  if (key.kind === 'refused') return refused('WeakKey', `${what}: ${key.message}`);
  if (!SIGNATURES.includes(signedWith)) return refused('WeakKey', `${what} is signed by ${signedWith}; use ${SIGNATURES.join(', ')}.`);
  if (/^0*$/.test(serial) || serial.length > MAX_SERIAL_HEX) return profile(`${what} has no serial number of 1 to 20 octets.`);
  if (unknownCritical.length > 0) return profile(`${what} has critical extensions that are not understood: ${unknownCritical.join(', ')}.`);
  if (authorityKeyId === undefined) return profile(`${what} does not say by which key it was signed (authority key identifier).`);
  return undefined;
}

/** A certificate that may sign others. */
export function judgeAuthority(certificate: CertificateFacts): Verdict {
  const { constraints, keyUsage, subjectKeyId } = certificate;
  const what = nameOf(certificate);
  if (!constraints?.ca || !constraints.critical) {
    return refused('NotAnAuthority', `${what} may not sign others: its basic constraints are not critical with CA:TRUE.`);
  }
  if (!keyUsage?.critical || (keyUsage.flags & keyCertSign) === 0) {
    return refused('NotAnAuthority', `${what} may not sign others: its key usage is not critical with keyCertSign.`);
  }
  return subjectKeyId === undefined ? profile(`${what} has no subject key identifier.`) : undefined;
}

export function judgeRoot(root: CertificateFacts): Verdict {
  const isOwn = root.subjectBytes === root.issuerBytes && root.subjectKeyId === root.authorityKeyId && root.signedBy(root.publicKey);
  return isOwn ? undefined : refused('UnknownIssuer', `${nameOf(root)} is given as a root and did not sign itself.`);
}

function judgeLeaf(leaf: CertificateFacts, spiffeId: string): Verdict {
  const { constraints, keyUsage, extendedKeyUsages, names, publicKey } = leaf;
  const isRsa = judgeKey(publicKey).kind === 'RSA';
  if (constraints?.ca) return profile('The leaf says that it may sign others (CA:TRUE).');
  const usages = isRsa ? [digitalSignature, digitalSignature | keyEncipherment] : [digitalSignature];
  if (!keyUsage?.critical || !usages.some((flags) => flags === keyUsage.flags)) {
    return profile('The key usage of the leaf is not critical with digitalSignature alone (for RSA, with keyEncipherment).');
  }
  if (!LEAF_USAGES.every((usage) => extendedKeyUsages.includes(usage))) {
    return profile('The extended key usage of the leaf lacks serverAuth or clientAuth.');
  }
  const [name, ...more] = names?.of ?? [];
  if (!name || more.length > 0 || name.type !== 'url') return refused('ForeignIdentity', 'The leaf has not exactly one name, a SPIFFE ID.');
  if (leaf.subjectBytes === EMPTY_NAME && !names?.critical)
    return profile('The subject of the leaf is empty and its SPIFFE ID not critical.');
  return name.value === spiffeId
    ? undefined
    : refused('ForeignIdentity', `The leaf is for ${JSON.stringify(name.value)}, not for ${spiffeId}.`);
}

const EMPTY_NAME = '3000';
const profile = (message: string): ChainRefusal => refused('WrongProfile', `${message} Have it issued anew.`);
const nameOf = ({ subject, fingerprint }: CertificateFacts): string => `${subject.toString() || 'the leaf'} (${fingerprint.slice(0, 16)})`;
