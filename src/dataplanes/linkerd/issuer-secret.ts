/**
 * The Secret `linkerd-identity-issuer` that identity signs with, in whichever form is there: `kubernetes.io/tls` (tls.crt, tls.key, ca.crt) or
 * `linkerd.io/tls` (crt.pem, key.pem). Where there is none, the first, which is what an install with an outside CA expects.
 */
import type { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import type { DelegatedIssuer } from '../../trust/data-plane-trust.ts';
import { certificatesIn } from '../certificates.ts';
import type { ApplyOutcome, Cluster, HowToApply, Refused } from '../kubernetes/cluster.ts';
import { SECRETS } from '../kubernetes/kinds.ts';

export const ISSUER = 'linkerd-identity-issuer';
const LINKERD = { certificate: 'crt.pem', key: 'key.pem' } as const;
const KUBERNETES = { certificate: 'tls.crt', key: 'tls.key' } as const;

export interface IssuerSecret {
  readonly at: { readonly resourceVersion: string; readonly uid: string };
  readonly type: string;
  readonly form: typeof LINKERD | typeof KUBERNETES;
  /** The one that signs; `undefined`: there is none that can be read. */
  readonly issuer: X509Certificate | undefined;
}

const secretSchema = z.object({ type: z.string().default('Opaque'), data: z.record(z.string(), z.base64()).default({}) });

export async function readIssuer(cluster: Cluster, namespace: string): Promise<IssuerSecret | 'absent' | Refused> {
  const got = await cluster.get(SECRETS, { namespace, name: ISSUER });
  if (got.kind !== 'found') return got.kind === 'absent' ? 'absent' : got;
  const { type, data } = secretSchema.parse(got.object);
  const form = LINKERD.certificate in data ? LINKERD : KUBERNETES;
  const { resourceVersion, uid } = got.object.metadata;
  const [issuer] = certificatesIn(Buffer.from(data[form.certificate] ?? '', 'base64').toString('utf8'));
  return { at: { resourceVersion, uid }, type, form, issuer };
}

/** `roots`: PEM of all that are trusted. */
export function writeIssuer(
  cluster: Cluster,
  namespace: string,
  {
    issuer,
    roots,
    there,
  }: { readonly issuer: DelegatedIssuer; readonly roots: readonly string[]; readonly there: IssuerSecret | 'absent' },
  { force }: Pick<HowToApply, 'force'>,
): Promise<ApplyOutcome> {
  const { form, type } = there === 'absent' ? { form: KUBERNETES, type: 'kubernetes.io/tls' } : there;
  const entries = {
    [form.certificate]: issuer.certificate,
    [form.key]: issuer.key,
    ...(form === KUBERNETES ? { 'ca.crt': roots.join('') } : {}),
  };
  const data = Object.fromEntries(Object.entries(entries).map(([entry, text]) => [entry, Buffer.from(text).toString('base64')]));
  const metadata = { namespace, name: ISSUER, labels: {}, annotations: {} };
  const over = there === 'absent' ? there : there.at;
  return cluster.apply({ kind: SECRETS, metadata, content: { type, data } }, { over, force, dryRun: false });
}
