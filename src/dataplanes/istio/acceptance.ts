/**
 * What an istiod takes of another CA, known before it is written: what it will not take it drops with a line in its log
 * (pilot/pkg/bootstrap/istio_ca.go).
 */
import type { X509Certificate } from 'node:crypto';
import { certificatesIn, covers, fingerprintOf, fingerprintsOf, issuerAmong } from '../certificates.ts';
import { type CaCerts, rootsOfNamespace } from './cacerts.ts';
import type { IstiodPod } from './pods.ts';
import type { Membership } from './trust-members.ts';

/** What people do about it, where they set istiod up themselves or where somebody does it for them. */
export interface Remedies {
  readonly startOver: string;
  readonly signsByItself: string;
  /** Left out: nobody can change it. */
  readonly takesNoOtherRoots?: (pod: string) => string;
}

export interface Change {
  readonly there: CaCerts;
  readonly wanted: readonly X509Certificate[];
  readonly istiods: readonly IstiodPod[];
  /** Another set of roots than is there. */
  readonly changes: boolean;
}

type Asked = Pick<Membership, 'cluster' | 'signing' | 'controlPlaneNamespace'> & { readonly remedies: Remedies };

/** Why istiod would not take it, or why it would break whom it serves; with what to do. Throws `ClusterUnavailable`. */
export async function notTaken(asked: Asked, { there, wanted, istiods, changes }: Change): Promise<string | undefined> {
  const { controlPlaneNamespace: namespace, remedies } = asked;
  const where = `The Secret ${namespace}/cacerts`;
  if (there.others.includes('istio-generated')) return remedies.signsByItself;
  if (there.others.length > 0) return `${where} has ${there.others.join(', ')}, which istiod reads first; take that out.`;
  const roots = fingerprintsOf(wanted);
  if (!isNarrowerOrWider(there.rootFingerprints, roots)) return `${where} has other roots (${namesOf(there.roots)}); ${remedies.startOver}`;
  const above = there.signer && issuerAmong(there.signer, there.roots);
  // Of what was written here, whoever is left behind was accepted.
  if (changes && there.revision === 0 && !(above && roots.includes(fingerprintOf(above)))) {
    return `${where} has an issuer under a root that is none of this mesh's; ${remedies.startOver}`;
  }
  const narrow = changes ? istiods.find(({ multiRoot }) => !multiRoot) : undefined;
  if (narrow && remedies.takesNoOtherRoots) return remedies.takesNoOtherRoots(narrow.pod);
  const ready = istiods.filter((each) => each.ready);
  const unlikes = await Promise.all(ready.map(({ pod }) => unlike(asked, pod, there, roots)));
  return unlikes.find((each) => each !== undefined);
}

/** What an istiod has in memory decides, and not the Secret: it may have begun before that was there, or dropped it. */
async function unlike(asked: Asked, pod: string, there: CaCerts, roots: readonly string[]): Promise<string | undefined> {
  const { cluster, controlPlaneNamespace: namespace, signing } = asked;
  const told = await rootsOfNamespace(cluster, namespace);
  if (typeof told !== 'string') return told.message;
  const signed = await signing.sample({ namespace, pod }, [...there.roots.map(String), told].join('\n'));
  if (signed.kind === 'refused') return signed.message;
  const has = certificatesIn(signed.roots);
  if (isNarrowerOrWider(fingerprintsOf(has), roots)) return undefined;
  return `${pod} signs under other roots (${namesOf(has)}) than cacerts has, and would drop these without a word; restart it, so that it reads cacerts.`;
}

const namesOf = (roots: readonly X509Certificate[]): string => roots.map(({ subject }) => subject.replaceAll('\n', ', ')).join('; ');

/** istiod takes roots only so; anything else it drops, with a line in its log (pilot/pkg/bootstrap/istio_ca.go). */
export const isNarrowerOrWider = (one: readonly string[], other: readonly string[]): boolean => covers(one, other) || covers(other, one);
