/** What the vault holds, and how the API shows it. A certificate version has a key and a secret of the same name and version. */
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { Problem } from './answers.ts';

export const tagsSchema = z.record(z.string(), z.string()).optional();
export const attributesSchema = z.object({ enabled: z.boolean().optional() }).optional();
export const policySchema = z.looseObject({
  key_props: z.object({
    kty: z.enum(['EC', 'RSA']).default('RSA'),
    crv: z.string().optional(),
    key_size: z.number().optional(),
    exportable: z.boolean().default(true),
    reuse_key: z.boolean().default(false),
  }),
  secret_props: z.object({ contentType: z.string().default('application/x-pkcs12') }).prefault({}),
  x509_props: z.looseObject({ subject: z.string().optional(), validity_months: z.number().default(12) }).prefault({}),
  issuer: z.looseObject({ name: z.string().optional() }).prefault({}),
  lifetime_actions: z.array(z.looseObject({ action: z.object({ action_type: z.string() }) })).optional(),
});
export type Policy = z.infer<typeof policySchema>;

export interface Version {
  readonly version: string;
  readonly privateKey: KeyObject;
  readonly tags: Readonly<Record<string, string>>;
  readonly enabled: boolean;
  /** Epoch seconds, as all times of the API. */
  readonly created: number;
  readonly updated: number;
  readonly nbf?: number;
  readonly exp?: number;
}

export interface CertificateVersion extends Version {
  readonly cer: Buffer;
  readonly exportable: boolean;
}

export interface Pending extends Version {
  readonly requestId: string;
  readonly csr: Buffer;
  readonly issuer: string;
  readonly policy: Policy;
  readonly status: 'inProgress' | 'completed';
  /** For what the vault signs by itself: after how many more looks at it. */
  readonly looksLeft: number;
}

export interface Certificate {
  readonly name: string;
  readonly policy: Policy;
  /** Newest last. */
  readonly versions: readonly CertificateVersion[];
  readonly pending?: Pending;
}

export interface Key {
  readonly name: string;
  readonly versions: readonly (Version & { readonly keyOps: readonly string[] })[];
}

const RECOVERY = { recoveryLevel: 'Recoverable+Purgeable', recoverableDays: 90 };

const attributesOf = ({ enabled, created, updated, nbf, exp }: Version) => ({
  enabled,
  ...(nbf === undefined ? {} : { nbf }),
  ...(exp === undefined ? {} : { exp }),
  created,
  updated,
  ...RECOVERY,
});

const x5t = (cer: Buffer) => Buffer.from(new X509Certificate(cer).fingerprint.replaceAll(':', ''), 'hex').toString('base64url');

export const showPolicy = (base: string, { name, policy }: Certificate) => ({ id: `${base}/certificates/${name}/policy`, ...policy });

export function showCertificate(base: string, certificate: Certificate, version: CertificateVersion) {
  const path = `${certificate.name}/${version.version}`;
  return {
    id: `${base}/certificates/${path}`,
    kid: `${base}/keys/${path}`,
    sid: `${base}/secrets/${path}`,
    x5t: x5t(version.cer),
    cer: version.cer.toString('base64'),
    attributes: attributesOf(version),
    tags: version.tags,
    policy: showPolicy(base, certificate),
    ...(certificate.pending ? { pending: { id: `${base}/certificates/${certificate.name}/pending` } } : {}),
  };
}

/** What there is to see of a certificate whose first version is not complete: nothing of its key. */
export const showUnfinished = (base: string, certificate: Certificate, pending: Pending) => ({
  id: `${base}/certificates/${certificate.name}/${pending.version}`,
  attributes: attributesOf({ ...pending, enabled: false }),
  tags: pending.tags,
  policy: showPolicy(base, certificate),
  pending: { id: `${base}/certificates/${certificate.name}/pending` },
});

/** As lists show it: of a certificate without its version, of a version with it. */
export const showCertificateItem = (base: string, path: string, version: CertificateVersion) => ({
  id: `${base}/certificates/${path}`,
  x5t: x5t(version.cer),
  attributes: attributesOf(version),
  tags: version.tags,
  subject: '',
});

export function showPending(base: string, name: string, pending: Pending) {
  const completed = pending.status === 'completed';
  return {
    id: `${base}/certificates/${name}/pending`,
    issuer: { name: pending.issuer },
    csr: pending.csr.toString('base64'),
    cancellation_requested: false,
    status: pending.status,
    status_details: completed ? null : 'Pending certificate created. Please Perform Merge to complete the request.',
    request_id: pending.requestId,
    ...(completed ? { target: `${base}/certificates/${name}` } : {}),
  };
}

export function showKey(base: string, name: string, version: Version, keyOps: readonly string[], managed: boolean) {
  const { kty, crv, x, y, n, e } = createPublicKey(version.privateKey).export({ format: 'jwk' });
  return {
    key: { kid: `${base}/keys/${name}/${version.version}`, kty, key_ops: keyOps, crv, x, y, n, e },
    attributes: { ...attributesOf(version), exportable: false },
    tags: version.tags,
    ...(managed ? { managed: true } : {}),
  };
}

export const showKeyItem = (base: string, name: string, version: Version) => ({
  kid: `${base}/keys/${name}/${version.version}`,
  attributes: attributesOf(version),
  tags: version.tags,
});

/** @throws Problem 400 for what the service does not take. */
export function readBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const read = schema.safeParse(body ?? {});
  if (read.success) return read.data;
  throw new Problem(400, 'BadParameter', `Property ${z.prettifyError(read.error)} has invalid value`);
}
