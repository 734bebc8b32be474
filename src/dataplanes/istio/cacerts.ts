/**
 * The Secret `cacerts` that istiod signs with (https://istio.io/latest/docs/tasks/security/cert-management/plugin-ca-cert): its issuer with
 * key and chain, and the roots that workloads are told to trust. All four entries are written in one apply.
 */
import type { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { certificatesIn, fingerprintOf, fingerprintsOf } from '../certificates.ts';
import type { ApplyOutcome, Cluster, HowToApply, Refused } from '../kubernetes/cluster.ts';
import { CONFIG_MAPS, SECRETS } from '../kubernetes/kinds.ts';

const NAME = 'cacerts';
const ROOTS_OF_NAMESPACE = 'istio-ca-root-cert';
const REVISION = 'meshwright.dev/trust-revision';
const MANAGED_BY = { 'app.kubernetes.io/managed-by': 'meshwright' };

/** The PEM of what signs. */
export interface SigningFiles {
  readonly 'ca-cert.pem': string;
  readonly 'ca-key.pem': string;
  readonly 'cert-chain.pem': string;
}

export interface CaCerts {
  readonly at: { readonly resourceVersion: string; readonly uid: string };
  readonly files: SigningFiles;
  /** The issuer; `undefined`: there is none that can be read. */
  readonly signer: X509Certificate | undefined;
  /** PEM, as it is there. */
  readonly rootsText: string;
  readonly roots: readonly X509Certificate[];
  readonly rootFingerprints: readonly string[];
  /** Of what was written here last; 0: somebody else wrote it. */
  readonly revision: number;
  /** Entries that istiod reads in place of these four, or that say it made them by itself. */
  readonly others: readonly string[];
}

const dataSchema = z.object({ data: z.record(z.string(), z.string()).default({}) });

export async function readCaCerts(cluster: Cluster, namespace: string): Promise<CaCerts | 'absent' | Refused> {
  const got = await cluster.get(SECRETS, { namespace, name: NAME });
  if (got.kind !== 'found') return got.kind === 'absent' ? 'absent' : got;
  const { data } = dataSchema.parse(got.object);
  const text = (entry: string): string => Buffer.from(data[entry] ?? '', 'base64').toString('utf8');
  const rootsText = text('root-cert.pem');
  const roots = certificatesIn(rootsText);
  const { resourceVersion, uid, annotations } = got.object.metadata;
  return {
    at: { resourceVersion, uid },
    files: { 'ca-cert.pem': text('ca-cert.pem'), 'ca-key.pem': text('ca-key.pem'), 'cert-chain.pem': text('cert-chain.pem') },
    signer: certificatesIn(text('ca-cert.pem'))[0],
    rootsText,
    roots,
    rootFingerprints: fingerprintsOf(roots),
    revision: Number(annotations[REVISION] ?? 0),
    others: Object.keys(data).filter((entry) => entry === 'tls.crt' || entry === 'istio-generated'),
  };
}

/** `roots`: PEM of each. */
export function writeCaCerts(
  cluster: Cluster,
  namespace: string,
  { files, roots, revision }: { readonly files: SigningFiles; readonly roots: readonly string[]; readonly revision: number },
  how: Pick<HowToApply, 'over' | 'force'>,
): Promise<ApplyOutcome> {
  const entries = { ...files, 'root-cert.pem': roots.join('') };
  const data = Object.fromEntries(Object.entries(entries).map(([entry, text]) => [entry, Buffer.from(text).toString('base64')]));
  const metadata = { namespace, name: NAME, labels: MANAGED_BY, annotations: { [REVISION]: String(revision) } };
  return cluster.apply({ kind: SECRETS, metadata, content: { data } }, { ...how, dryRun: false });
}

/** In the order in which they are, so that a set that stays the same is not pushed to everybody as another; new ones last. */
export function orderedRoots(wanted: readonly X509Certificate[], { roots }: Pick<CaCerts, 'roots'>): readonly string[] {
  const kept = roots.filter((root) => wanted.some((each) => each.raw.equals(root.raw)));
  const added = wanted.filter((each) => !roots.some((root) => root.raw.equals(each.raw)));
  return [...new Map([...kept, ...added].map((each) => [fingerprintOf(each), each.toString()])).values()];
}

/** What istiod tells the pods of a namespace to trust before they have any certificate; '' where there is nothing. */
export async function rootsOfNamespace(cluster: Cluster, namespace: string): Promise<string | Refused> {
  const got = await cluster.get(CONFIG_MAPS, { namespace, name: ROOTS_OF_NAMESPACE });
  if (got.kind === 'refused') return got;
  return got.kind === 'absent' ? '' : (dataSchema.parse(got.object).data['root-cert.pem'] ?? '');
}
