/** How certificates of a mesh are written: where their authority is, how long they live, who may ask for one, who must approve what. */
import { z } from 'zod';
import { duration, eachOnce, keyVault, present } from './authored-fields.ts';
import type { Attestation, CertificatesSpec } from './certificates-schema.ts';
import { formatDuration } from './duration.ts';
import { nameSchema } from './names.ts';

const DAY_MS = 86_400_000;
const LONGEST_MS = 20 * 365 * DAY_MS;
const DEFAULTS = { rootLifeMs: 5 * 365 * DAY_MS, issuerLifeMs: 7 * DAY_MS, leafLifeMs: DAY_MS };
/** An issuer signs for the first half of its life, and what it signs ends before it does. */
const LEAFS_OF_AN_ISSUER = 4;
const ISSUERS_OF_A_ROOT = 4;

const audience = z.string().min(1).max(256).describe('The `aud` of its tokens');

const objectId = z.uuid({ error: 'give the object id of the principal, a UUID' });

const attestation = z
  .union(
    [
      z.literal('join').transform((): Attestation => ({ kind: 'join' })),
      z
        .strictObject({
          kubernetes: z.strictObject({
            issuer: z
              .url({ protocol: /^https$/, error: 'give the https address of the OIDC issuer' })
              .describe("The cluster's OIDC issuer"),
            audience: audience.optional(),
            namespaces: z.array(nameSchema).min(1).max(1000).optional().describe('Whose service accounts may ask (all)'),
          }),
        })
        .transform(({ kubernetes: { issuer, audience: aud, namespaces } }): Attestation => {
          return { kind: 'kubernetes', issuer, audience: aud ?? 'meshwright', ...present({ namespaces }) };
        }),
      z
        .strictObject({
          entra: z.strictObject({
            tenant: z.uuid({ error: 'give the id of the tenant, a UUID' }),
            audience,
            identities: z
              .array(z.strictObject({ principal: objectId, namespace: nameSchema, serviceAccount: nameSchema }))
              .min(1)
              .max(1000)
              .describe('Which principal (object id) may have which identity'),
          }),
        })
        .transform(({ entra }): Attestation => ({ kind: 'entra', ...entra })),
    ],
    { error: 'write `join`, `kubernetes: { issuer: https://… }` or `entra: { tenant, audience, identities }`' },
  )
  .describe('Whose tokens are believed');

export const authoredCertificatesSchema = z
  .strictObject({
    vault: keyVault.optional().describe('The Key Vault that holds the keys of its authorities; left out: sealed files of a local host'),
    name: nameSchema.optional().describe("The name of the root's certificate in the vault (`<mesh>-root`)"),
    algorithm: z.enum(['P-256', 'P-384', 'RSA-3072']).optional().describe('Of the keys of roots and issuers (P-256)'),
    rootLife: duration(3_600_000, LONGEST_MS).optional().describe('How long a root counts (1825d)'),
    issuerLife: duration(40_000, LONGEST_MS).optional().describe('How long what signs under it counts (7d)'),
    leafLife: duration(10_000, LONGEST_MS).optional().describe("How long a workload's certificate counts (1d)"),
    approvals: z
      .array(z.enum(['issuing', 'pruning']))
      .superRefine(eachOnce((gate) => gate, [], 'name it once'))
      .optional()
      .describe('What a second person must approve: that the new root signs, that the old one is no longer trusted'),
    attest: z.array(attestation).max(100).optional().describe('Who says who a workload is; left out: nobody, and no certificate is issued'),
  })
  .transform((written, context): Omit<CertificatesSpec, 'name'> & { readonly name?: string } => {
    const { rootLife, issuerLife, leafLife, algorithm, approvals, attest, ...rest } = written;
    const rootLifeMs = rootLife ?? DEFAULTS.rootLifeMs;
    const issuerLifeMs = issuerLife ?? DEFAULTS.issuerLifeMs;
    const leafLifeMs = leafLife ?? DEFAULTS.leafLifeMs;
    const wrong = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    if (issuerLifeMs < LEAFS_OF_AN_ISSUER * leafLifeMs) {
      wrong(
        'issuerLife',
        `give at least ${formatDuration(LEAFS_OF_AN_ISSUER * leafLifeMs)}, ${LEAFS_OF_AN_ISSUER} times the life of a leaf`,
      );
    }
    if (rootLifeMs < ISSUERS_OF_A_ROOT * issuerLifeMs) {
      wrong(
        'rootLife',
        `give at least ${formatDuration(ISSUERS_OF_A_ROOT * issuerLifeMs)}, ${ISSUERS_OF_A_ROOT} times the life of an issuer`,
      );
    }
    return {
      ...present(rest),
      algorithm: algorithm ?? 'P-256',
      rootLifeMs,
      issuerLifeMs,
      leafLifeMs,
      approvals: [...(approvals ?? [])].sort(),
      attest: attest ?? [],
    };
  });
