/**
 * The CA of an Istio mesh, changed through its Secret `cacerts`: either the roots or the issuer in one write, and only what istiod will take,
 * since what it will not take it drops without a word. https://istio.io/latest/docs/tasks/security/cert-management/plugin-ca-cert
 */
import { X509Certificate } from 'node:crypto';
import type { DataPlaneTrust, DelegatedIssuer, TrustMaterial } from '../../trust/data-plane-trust.ts';
import { covers, fingerprintOf, fingerprintsOf, sameSet } from '../certificates.ts';
import type { ApplyOutcome } from '../kubernetes/cluster.ts';
import { notTaken, type Remedies } from './acceptance.ts';
import { orderedRoots, readCaCerts, type SigningFiles, writeCaCerts } from './cacerts.ts';
import { istiodPods } from './pods.ts';
import { looksAt, type Membership } from './trust-members.ts';

type Brought = Awaited<ReturnType<DataPlaneTrust['bring']>>;

/** Where the add-on of AKS has its istiod. */
export const AKS_NAMESPACE = 'aks-istio-system';

export interface IstioTrustOptions extends Membership {
  /** Takes the Secret's entries over from another manager. */
  readonly takeOver: boolean;
}

export function istioTrust(options: IstioTrustOptions): DataPlaneTrust {
  const { cluster, controlPlaneNamespace: namespace } = options;
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
    look: looksAt(options),
  };
}

async function bring(options: IstioTrustOptions, material: TrustMaterial, delegate?: () => Promise<DelegatedIssuer>): Promise<Brought> {
  const { cluster, controlPlaneNamespace: namespace, takeOver: force } = options;
  const [there, istiods] = await Promise.all([readCaCerts(cluster, namespace), istiodPods(cluster, namespace)]);
  if ('message' in istiods) return refused(istiods.message);
  const remedies = remediesIn(namespace);
  const { revision } = material;
  if (there === 'absent') {
    if (istiods.pods.length > 0) return refused(remedies.signsByItself);
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
  const wrong = await notTaken({ ...options, remedies }, { there, wanted, istiods: istiods.pods, changes });
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

const START_OVER =
  'istiod would drop these without a word. Workloads cannot be led from those to these by themselves: stop istiod, delete the Secret, and start istiod and the workloads anew once it is written.';

const remediesIn = (namespace: string): Remedies => ({
  startOver: START_OVER,
  signsByItself: `istiod in ${namespace} signs with a CA of its own and reads cacerts only when it starts: stop it (no pods labelled app=istiod), and delete cacerts if it is there, so that it is written; then start it, and the workloads anew.`,
  takesNoOtherRoots: (pod) =>
    `${pod} takes no other roots than those it began with: set ISTIO_MULTIROOT_MESH=true in the environment of its Deployment (\`pilot.env\` of its chart) and let it restart.`,
});
