/**
 * The ConfigMap `linkerd-identity-trust-roots`: whom proxies are told to trust when they start (https://linkerd.io/2-edge/tasks/manually-rotating-control-plane-tls-credentials/).
 * It says which roots were there before meshwright, until they are gone, and what was written last, so that what others change in it is seen.
 */
import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { certificatesIn, fingerprintOf, fingerprintsOf } from '../certificates.ts';
import type { ApplyOutcome, Cluster, HowToApply, Refused } from '../kubernetes/cluster.ts';
import { CONFIG_MAPS } from '../kubernetes/kinds.ts';
import { lastWrittenAt } from '../kubernetes/managed-fields.ts';

export const TRUST_ROOTS = 'linkerd-identity-trust-roots';
export const BUNDLE = 'ca-bundle.crt';
const REVISION = 'meshwright.dev/trust-revision';
const WRITTEN = 'meshwright.dev/trust-roots';
const BEFORE = 'meshwright.dev/roots-before';

export interface TrustRoots {
  readonly at: { readonly resourceVersion: string; readonly uid: string };
  readonly roots: readonly X509Certificate[];
  /** SHA-256 of each DER. */
  readonly fingerprints: readonly string[];
  /** Epoch ms, by the API server's clock; `undefined`: that is not told. */
  readonly writtenAt: number | undefined;
  /** Of what was written here last; 0: somebody else wrote it. */
  readonly revision: number;
  /** Fingerprints of what was written here last. */
  readonly written: readonly string[];
  /** Of those that were there first and are to go once nobody needs them. */
  readonly before: readonly string[];
}

const dataSchema = z.object({ data: z.record(z.string(), z.string()).default({}) });

/** Throws where what is there are no certificates. */
export async function readTrustRoots(cluster: Cluster, namespace: string): Promise<TrustRoots | 'absent' | Refused> {
  const got = await cluster.get(CONFIG_MAPS, { namespace, name: TRUST_ROOTS });
  if (got.kind !== 'found') return got.kind === 'absent' ? 'absent' : got;
  const roots = certificatesIn(dataSchema.parse(got.object).data[BUNDLE] ?? '');
  const { resourceVersion, uid, annotations } = got.object.metadata;
  return {
    at: { resourceVersion, uid },
    roots,
    fingerprints: fingerprintsOf(roots),
    writtenAt: lastWrittenAt(got.object),
    revision: Number(annotations[REVISION] ?? 0),
    written: listed(annotations[WRITTEN]),
    before: listed(annotations[BEFORE]),
  };
}

export interface RootsToWrite {
  /** PEM of each; text that was there before stays in its place. */
  readonly roots: readonly string[];
  readonly before: readonly string[];
  readonly revision: number;
}

export function writeTrustRoots(
  cluster: Cluster,
  namespace: string,
  { roots, before, revision }: RootsToWrite,
  how: Pick<HowToApply, 'over' | 'force'>,
): Promise<ApplyOutcome> {
  const certificates = [...new Map(roots.map((root) => new X509Certificate(root)).map((each) => [fingerprintOf(each), each])).values()];
  const annotations = {
    [REVISION]: String(revision),
    [WRITTEN]: setOf(fingerprintsOf(certificates)),
    ...(before.length > 0 ? { [BEFORE]: setOf(before) } : {}),
  };
  const metadata = { namespace, name: TRUST_ROOTS, labels: {}, annotations };
  const content = { data: { [BUNDLE]: certificates.map(String).join('') } };
  return cluster.apply({ kind: CONFIG_MAPS, metadata, content }, { ...how, dryRun: false });
}

/** A set of fingerprints as an annotation; read by `listed`. */
export const setOf = (fingerprints: readonly string[]): string => fingerprints.toSorted().join(',');
export const listed = (annotation = ''): readonly string[] => (annotation === '' ? [] : annotation.split(','));
