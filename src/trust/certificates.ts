/**
 * What trust is made of, as it is stored: roots that workloads verify with, the short-lived issuers below them that sign, and the
 * fingerprints by which all of them are known. No private key is ever part of it.
 */
import { z } from 'zod';

/** ECDSA on NIST curves, or RSA; what Key Vault signs with and every mesh verifies. */
export const KEY_ALGORITHMS = ['P-256', 'P-384', 'RSA-3072'] as const;
export const keyAlgorithmSchema = z.enum(KEY_ALGORITHMS);
export type KeyAlgorithm = z.infer<typeof keyAlgorithmSchema>;

/** SHA-256 of a certificate's DER, lower-case hex. */
export const fingerprintSchema = z.string().regex(/^[0-9a-f]{64}$/);

const certificateFields = {
  fingerprint: fingerprintSchema,
  /** PEM of this certificate alone. */
  certificate: z.string(),
  /** Where its vault knows its key by. */
  keyId: z.string(),
  /** Epoch ms. */
  notBefore: z.number(),
  notAfter: z.number(),
};

/** A certificate of path length 0 whose key signs leafs. */
export const issuerSchema = z.object(certificateFields);
export type Issuer = Readonly<z.infer<typeof issuerSchema>>;

/**
 * An issuer of path length 0 whose key was handed to a data plane that signs leafs by itself. What is known of the key is where it went: it is
 * kept by nobody here.
 */
export const delegationSchema = z.object({
  dataPlane: z.string(),
  fingerprint: fingerprintSchema,
  /** Epoch ms. */
  notBefore: z.number(),
  notAfter: z.number(),
  /** Another one in its place has been called for. */
  due: z.boolean().exactOptional(),
});
export type Delegation = Readonly<z.infer<typeof delegationSchema>>;

/** A self-signed root and the issuer under it that signs, or would. */
export const authoritySchema = z.object({
  ...certificateFields,
  /** Where its vault knows the certificate by, with its version. */
  certificateId: z.string(),
  algorithm: keyAlgorithmSchema,
  /** `imported`: its key has been outside of the vault. */
  origin: z.enum(['made', 'imported']),
  issuer: issuerSchema,
  /** Earlier issuers under it whose leafs may still be alive. */
  formerIssuers: z.array(
    z.object({
      fingerprint: fingerprintSchema,
      notAfter: z.number(),
      /** An older build wrote none. */
      keyId: z.string().exactOptional(),
    }),
  ),
  /** Newest first; of each data plane the newest is meant to sign. */
  delegated: z.array(delegationSchema).exactOptional(),
});
export type Authority = Readonly<z.infer<typeof authoritySchema>>;

/** Whether a certificate signed by that issuer stands under this root. */
export const signsUnder = (authority: Authority, issuer: string): boolean =>
  [authority.issuer, ...authority.formerIssuers, ...(authority.delegated ?? [])].some(({ fingerprint }) => fingerprint === issuer);
