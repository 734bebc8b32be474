/**
 * The CA of an Istio mesh, changed through its Secret `cacerts`: either the roots or the issuer in one write, and only what istiod will take,
 * since what it will not take it drops without a word. https://istio.io/latest/docs/tasks/security/cert-management/plugin-ca-cert
 */
import { X509Certificate } from 'node:crypto';
import type { DataPlaneTrust, DelegatedIssuer, TrustMaterial } from '../../trust/data-plane-trust.ts';
import type { ApplyOutcome } from '../kubernetes/cluster.ts';
import { type CaCerts, orderedRoots, readCaCerts, rootsOfNamespace, type SigningFiles, writeCaCerts } from './cacerts.ts';
import { certificatesIn, covers, fingerprintOf, fingerprintsOf, isNarrowerOrWider, issuerAmong, sameSet } from './certificates.ts';
import { type IstiodPod, istiodPods } from './pods.ts';
import { type Membership, membersOf } from './trust-members.ts';

type Brought = Awaited<ReturnType<DataPlaneTrust['bring']>>;

/** Where the add-on of AKS has its istiod. */
export const AKS_NAMESPACE = 'aks-istio-system';

export interface IstioTrustOptions extends Membership {
  /** Takes the Secret's entries over from another manager. */
  readonly takeOver: boolean;
}

export function istioTrust(options: IstioTrustOptions): DataPlaneTrust {
  const { cluster, controlPlaneNamespace: namespace } = options;
  let looking: ReturnType<typeof membersOf> | undefined;
  return {
    signing: {
      async signer() {
        const there = await readCaCerts(cluster, namespace);
        if (there === 'absent') return undefined;
        if ('message' in there) throw new Error(there.message);
        return there.signer && fingerprintOf(there.signer);
      },
    },
    bring: (material, delegate) => bring(options, material, delegate),
    // Pages and metrics ask while a rotation does: who comes to a look under way is told what it sees, as of when it began.
    look(_mesh, now) {
      looking ??= membersOf(options, now).finally(() => {
        looking = undefined;
      });
      return looking;
    },
  };
}

async function bring(options: IstioTrustOptions, material: TrustMaterial, delegate?: () => Promise<DelegatedIssuer>): Promise<Brought> {
  const { cluster, controlPlaneNamespace: namespace, takeOver: force } = options;
  const [there, istiods] = await Promise.all([readCaCerts(cluster, namespace), istiodPods(cluster, namespace)]);
  if ('message' in istiods) return refused(istiods.message);
  const { revision } = material;
  if (there === 'absent') {
    if (istiods.pods.length > 0) return refused(signsByItself(namespace));
    if (!delegate) throw new Error(`${namespace}/cacerts went away meanwhile.`);
    return told(
      await writeCaCerts(
        cluster,
        namespace,
        { files: filesOf(await delegate()), roots: material.roots, revision },
        { over: 'absent', force },
      ),
    );
  }
  if ('message' in there) return refused(there.message);
  if (there.revision > revision) return { kind: 'brought' };
  const wanted = material.roots.map((root) => new X509Certificate(root));
  const changes = !sameSet(there.rootFingerprints, fingerprintsOf(wanted));
  if (!changes && !delegate && there.revision === revision) return { kind: 'brought' };
  const wrong = await notTaken(options, { there, wanted, istiods: istiods.pods, changes });
  if (wrong !== undefined) return refused(wrong);
  const write = async (files: SigningFiles, roots: readonly X509Certificate[]): Promise<Brought> =>
    told(await writeCaCerts(cluster, namespace, { files, roots: orderedRoots(roots, there), revision }, { over: there.at, force }));
  if (!delegate) return write(there.files, wanted);
  if (!changes) return write(filesOf(await delegate()), wanted);
  // Both would change: one of them was not brought in its time. The root first, so that nobody has a leaf under one that nobody trusts.
  const isTrusted = covers(there.rootFingerprints, fingerprintsOf(wanted.slice(0, 1)));
  const first = await (isTrusted ? write(filesOf(await delegate()), there.roots) : write(there.files, [...there.roots, ...wanted]));
  return first.kind === 'refused' ? first : refused('Roots and issuer are not changed in one write; the other follows with the next try.');
}

const filesOf = ({ certificate, key }: DelegatedIssuer): SigningFiles => ({
  'ca-cert.pem': certificate,
  'ca-key.pem': key,
  'cert-chain.pem': certificate,
});

const refused = (message: string): Brought => ({ kind: 'refused', message });

function told(outcome: ApplyOutcome): Brought {
  if (outcome.kind === 'applied') return { kind: 'brought' };
  if (outcome.kind === 'moved') throw new Error('The Secret cacerts was changed by somebody else meanwhile.');
  if (outcome.kind === 'refused') return refused(outcome.message);
  const owners = outcome.owners.map(({ manager }) => manager).join(', ');
  return refused(`The Secret cacerts belongs to ${owners}; let go of it there, or set \`takeOver: true\` of this data plane.`);
}

interface Change {
  readonly there: CaCerts;
  readonly wanted: readonly X509Certificate[];
  readonly istiods: readonly IstiodPod[];
  /** Another set of roots than is there. */
  readonly changes: boolean;
}

/** Why istiod would not take it, or why it would break whom it serves; with what to do. */
async function notTaken(options: IstioTrustOptions, { there, wanted, istiods, changes }: Change): Promise<string | undefined> {
  const { controlPlaneNamespace: namespace } = options;
  const where = `The Secret ${namespace}/cacerts`;
  if (there.others.includes('istio-generated')) return signsByItself(namespace);
  if (there.others.length > 0) return `${where} has ${there.others.join(', ')}, which istiod reads first; take that out.`;
  const roots = fingerprintsOf(wanted);
  if (!isNarrowerOrWider(there.rootFingerprints, roots)) return `${where} has other roots (${namesOf(there.roots)}); ${START_OVER}`;
  const above = there.signer && issuerAmong(there.signer, there.roots);
  // Of what was written here, whoever is left behind was accepted.
  if (changes && there.revision === 0 && !(above && roots.includes(fingerprintOf(above)))) {
    return `${where} has an issuer under a root that is none of this mesh's; ${START_OVER}`;
  }
  const narrow = changes ? istiods.find(({ multiRoot }) => !multiRoot) : undefined;
  if (narrow) {
    return `${narrow.pod} takes no other roots than those it began with: set ISTIO_MULTIROOT_MESH=true in the environment of its Deployment (\`pilot.env\` of its chart) and let it restart.`;
  }
  const ready = istiods.filter((each) => each.ready);
  const unlikes = await Promise.all(ready.map(({ pod }) => unlike(options, pod, there, roots)));
  return unlikes.find((each) => each !== undefined);
}

/** What an istiod has in memory decides, and not the Secret: it may have begun before that was there, or dropped it. */
async function unlike(options: IstioTrustOptions, pod: string, there: CaCerts, roots: readonly string[]): Promise<string | undefined> {
  const { cluster, controlPlaneNamespace: namespace, signing } = options;
  const told = await rootsOfNamespace(cluster, namespace);
  if (typeof told !== 'string') return told.message;
  const signed = await signing.sample({ namespace, pod }, [...there.roots.map(String), told].join('\n'));
  if (signed.kind === 'refused') return signed.message;
  const has = certificatesIn(signed.roots);
  if (isNarrowerOrWider(fingerprintsOf(has), roots)) return undefined;
  return `${pod} signs under other roots (${namesOf(has)}) than cacerts has, and would drop these without a word; restart it, so that it reads cacerts.`;
}

const namesOf = (roots: readonly X509Certificate[]): string => roots.map(({ subject }) => subject.replaceAll('\n', ', ')).join('; ');

const START_OVER =
  'istiod would drop these without a word. Workloads cannot be led from those to these by themselves: stop istiod, delete the Secret, and start istiod and the workloads anew once it is written.';

const signsByItself = (namespace: string): string =>
  `istiod in ${namespace} signs with a CA of its own and reads cacerts only when it starts: stop it (no pods labelled app=istiod), and delete cacerts if it is there, so that it is written; then start it, and the workloads anew.`;
