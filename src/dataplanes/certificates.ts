/** Certificates as meshes on Kubernetes hand them about: several in one PEM, known by the SHA-256 of their DER, whatever their order and line ends. */
import { createHash, X509Certificate } from 'node:crypto';

/** Lower-case hex. */
export const fingerprintOf = ({ raw }: X509Certificate): string => createHash('sha256').update(raw).digest('hex');

/** All of a PEM, in their order. Throws where one of them is none. */
export function certificatesIn(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

/** Of those given: who signed it. */
export const issuerAmong = (certificate: X509Certificate, given: readonly X509Certificate[]): X509Certificate | undefined =>
  given.find((each) => certificate.checkIssued(each) && certificate.verify(each.publicKey));

/** Whoever presents `chain` (its leaf first) to those who trust `roots`; `undefined`: there is no leaf. */
export function presentedBy(
  chain: readonly X509Certificate[],
  roots: readonly X509Certificate[],
): { readonly identity?: string; readonly presents?: { readonly issuer: string; readonly notAfter: number } } {
  const [leaf, ...between] = chain;
  if (!leaf) return {};
  const identity = /(?:^|, )URI:(spiffe:\/\/[^,"]+)/.exec(leaf.subjectAltName ?? '')?.[1];
  const issuer = issuerAmong(leaf, [...between, ...roots]);
  return {
    ...(identity === undefined ? {} : { identity }),
    ...(issuer ? { presents: { issuer: fingerprintOf(issuer), notAfter: Date.parse(leaf.validTo) } } : {}),
  };
}

/** No two are the same. */
export const fingerprintsOf = (certificates: readonly X509Certificate[]): readonly string[] => [
  ...new Set(certificates.map(fingerprintOf)),
];

export const covers = (one: readonly string[], other: readonly string[]): boolean => other.every((each) => one.includes(each));
export const sameSet = (one: readonly string[], other: readonly string[]): boolean => covers(one, other) && covers(other, one);
