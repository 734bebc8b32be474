/** A mesh's certificates for the specifications of its trust: roots and issuers by number, with no key behind them. */
import { type CertificatesSpec, certificatesSpecSchema } from '../../src/spec/certificates-schema.ts';
import type { Authority, Issuer } from '../../src/trust/certificates.ts';

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const T0 = Date.parse('2026-11-22T14:00:00Z');
export const LEAF = HOUR;
/** What clocks may be apart with such leafs. */
export const SKEW = 5 * MINUTE;
export const ROOT_LIFE = 365 * DAY;
export const ISSUER_LIFE = 7 * DAY;

export const certificatesSpec = (fields: Partial<CertificatesSpec> = {}): CertificatesSpec =>
  certificatesSpecSchema.parse({
    name: 'mesh-root',
    algorithm: 'P-256',
    rootLifeMs: ROOT_LIFE,
    issuerLifeMs: ISSUER_LIFE,
    leafLifeMs: LEAF,
    approvals: [],
    attest: [],
    ...fields,
  });

/** Unlike that of any other number. */
export const fingerprint = (number: number): string => number.toString(16).padStart(64, '0');

export const issuer = (number: number, notBefore: number, notAfter: number): Issuer => ({
  fingerprint: fingerprint(1_000 + number),
  certificate: `issuer ${number}`,
  keyId: `https://vault.example/keys/issuer-${number}`,
  notBefore,
  notAfter,
});

export const versionOf = (number: number): string => `https://vault.example/certificates/mesh-root/${number}`;

export function authority(number: number, notBefore = T0, life = ROOT_LIFE): Authority {
  const notAfter = notBefore + life;
  return {
    fingerprint: fingerprint(number),
    certificate: `root ${number}`,
    keyId: `https://vault.example/keys/mesh-root/${number}`,
    certificateId: versionOf(number),
    notBefore,
    notAfter,
    algorithm: 'P-256',
    origin: 'made',
    issuer: issuer(number, notBefore, Math.min(notAfter, notBefore + ISSUER_LIFE)),
    formerIssuers: [],
  };
}
