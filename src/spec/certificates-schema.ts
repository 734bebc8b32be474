/** How a mesh's certificates are made and rotated, normalized: what is stored, hashed and passed between rooms. */
import { z } from 'zod';
import { nameSchema } from './names.ts';
import { text } from './policy-schema.ts';

/** Roots live for years. */
const life = z
  .int()
  .min(1)
  .max(20 * 366 * 86_400_000);

/** Who says who a workload is. A token of an issuer that is not named here gets no certificate. */
export const attestationSchema = z.discriminatedUnion('kind', [
  /** Service-account tokens: `sub` is the identity. `issuer` as in the cluster's OIDC discovery document. */
  z.strictObject({ kind: z.literal('kubernetes'), issuer: z.url(), audience: text, namespaces: z.array(nameSchema).exactOptional() }),
  /** Entra ID tokens; each principal (`oid`) may ask for the identities that are named here. */
  z.strictObject({
    kind: z.literal('entra'),
    tenant: z.uuid(),
    audience: text,
    identities: z.array(z.strictObject({ principal: z.uuid(), namespace: nameSchema, serviceAccount: nameSchema })),
  }),
  /** One-use tokens that an operator makes for one identity each. */
  z.strictObject({ kind: z.literal('join') }),
]);
export type Attestation = Readonly<z.infer<typeof attestationSchema>>;

export const certificatesSpecSchema = z.strictObject({
  /** Key Vault's address; left out: the vault of a local host. */
  vault: z.url().exactOptional(),
  /** The name of the root's certificate in the vault. */
  name: nameSchema,
  algorithm: z.enum(['P-256', 'P-384', 'RSA-3072']),
  rootLifeMs: life,
  issuerLifeMs: life,
  leafLifeMs: life,
  /** What a second person must approve: that the new root signs, that the old one is no longer trusted. */
  approvals: z.array(z.enum(['issuing', 'pruning'])),
  attest: z.array(attestationSchema),
});
export type CertificatesSpec = Readonly<z.infer<typeof certificatesSpecSchema>>;
