/**
 * The CA of the Istio add-on of AKS, changed through the Key Vault secrets that it is synced from
 * (https://learn.microsoft.com/azure/aks/istio-plugin-ca), one step at a time: nothing is written before the cluster was seen to have what was
 * written before it. Who trusts what is looked at as of any Istio.
 */
import { X509Certificate } from 'node:crypto';
import type { DataPlaneTrust, DelegatedIssuer, TrustMaterial } from '../../trust/data-plane-trust.ts';
import { fingerprintsOf, sameSet } from '../certificates.ts';
import { notTaken, type Remedies } from './acceptance.ts';
import {
  behind,
  ENTRIES,
  type Entry,
  type Files,
  type Held,
  halfWritten,
  isPair,
  namesOf,
  nextStep,
  readHeld,
  type SecretNames,
  signerOf,
  stagedNameOf,
  stagedText,
} from './add-on-secrets.ts';
import { type CaCerts, readCaCerts } from './cacerts.ts';
import { istiodPods } from './pods.ts';
import { looksAt, type Membership } from './trust-members.ts';
import type { VaultSecrets } from './vault-secrets.ts';

type Brought = Awaited<ReturnType<DataPlaneTrust['bring']>>;
type Delegate = () => Promise<DelegatedIssuer>;

export interface AddOnTrustOptions extends Membership {
  readonly secrets: VaultSecrets;
  readonly names: SecretNames;
  /** Writes over secrets that somebody else wrote. */
  readonly takeOver: boolean;
}

export function addOnTrust(options: AddOnTrustOptions): DataPlaneTrust {
  const { secrets, names } = options;
  return {
    signing: {
      async signer() {
        return signerOf(await readHeld(secrets, names));
      },
    },
    bring: (material, delegate) => bring(options, material, delegate),
    look: looksAt(options),
  };
}

async function bring(options: AddOnTrustOptions, material: TrustMaterial, delegate?: Delegate): Promise<Brought> {
  const { cluster, controlPlaneNamespace: namespace, secrets, names, takeOver } = options;
  const [there, istiods, held] = await Promise.all([
    readCaCerts(cluster, namespace),
    istiodPods(cluster, namespace),
    readHeld(secrets, names),
  ]);
  if ('message' in istiods) return refused(istiods.message);
  if (held.revision > material.revision) return BROUGHT;
  const remedies = remediesOf(options);
  const theirs = held.others.length > 0 && !takeOver ? belongsToOthers(secrets.host, held.others) : undefined;
  if (there === 'absent') {
    if (istiods.pods.length > 0) return refused(remedies.signsByItself);
    return theirs === undefined ? first(options, material, held, delegate) : refused(theirs);
  }
  if ('message' in there) return refused(there.message);
  const half = halfWritten(held);
  if (half?.kind === 'write') return written(options, material, held, half.writes);
  const missing = ENTRIES.filter((entry) => held.files[entry] === '').map((entry) => namesOf(names)[entry]);
  if (missing.length > 0) return refused(notItsVault(secrets.host, missing));
  const late = behind(held.files, filesOf(there));
  if (late.length > 0) return refused(notSynced(options, late));
  const wanted = material.roots.map((root) => new X509Certificate(root));
  const asked = { wanted, renew: delegate !== undefined };
  const step = nextStep(held, there, asked);
  if (step.kind === 'settled') return settled(options, material, held);
  const changes = !sameSet(there.rootFingerprints, fingerprintsOf(wanted));
  const change = { there: { ...there, revision: held.revision }, wanted, istiods: istiods.pods, changes };
  const wrong = (await notTaken({ ...options, remedies }, change)) ?? theirs;
  if (wrong !== undefined) return refused(wrong);
  if (step.kind === 'write') return written(options, material, held, step.writes);
  if (!delegate) throw new Error('There is nothing to sign with, and none was to be made.');
  const staged = await delegate();
  const overtaking = await overtaken(options, material, held, [[stagedNameOf(names), stagedText(staged)]]);
  if (overtaking) return overtaking;
  const after = nextStep({ ...held, staged }, there, { wanted, renew: false });
  if (after.kind !== 'write') throw new Error('What was made to sign stands under another root than the one that is to sign.');
  return written(options, material, held, after.writes);
}

/** No cluster reads them yet: in any order. */
async function first(options: AddOnTrustOptions, material: TrustMaterial, held: Held, delegate?: Delegate): Promise<Brought> {
  const { files } = held;
  if (!delegate && !isPair(files)) throw new Error(`What ${options.secrets.host} had to sign with went away meanwhile.`);
  const issuer = delegate && (await delegate());
  const signing = issuer && { 'ca-cert.pem': issuer.certificate, 'ca-key.pem': issuer.key, 'cert-chain.pem': issuer.certificate };
  const all: Files = { ...files, ...signing, 'root-cert.pem': material.roots.join('') };
  return (await overtaken(options, material, held, named(options, all, ENTRIES))) ?? BROUGHT;
}

/** The others get the revision as well, so that none of an earlier one is written over any of them. What is not needed any more nobody reads again. */
async function settled(options: AddOnTrustOptions, material: TrustMaterial, held: Held): Promise<Brought> {
  const { secrets, names } = options;
  const earlier = ENTRIES.filter((entry) => held.revisions[entry] < material.revision);
  const stamped = await overtaken(options, material, held, named(options, held.files, earlier));
  if (stamped) return stamped;
  if (held.staged) await secrets.disable(stagedNameOf(names), 'all');
  await secrets.disable(names.caKey, 'but-newest');
  return BROUGHT;
}

async function written(
  options: AddOnTrustOptions,
  material: TrustMaterial,
  held: Held,
  writes: readonly (readonly [Entry, string])[],
): Promise<Brought> {
  const byName = writes.map(([entry, text]) => [namesOf(options.names)[entry], text] as const);
  const entries = writes.map(([entry]) => entry);
  return (await overtaken(options, material, held, byName)) ?? refused(notSynced(options, entries));
}

const named = ({ names }: AddOnTrustOptions, files: Files, entries: readonly Entry[]) =>
  entries.map((entry) => [namesOf(names)[entry], files[entry]] as const);

/** `undefined`: all are written, by the name of the secret. Throws where one of them is not what was decided over any more. */
async function overtaken(
  { secrets }: AddOnTrustOptions,
  { revision }: TrustMaterial,
  { versions }: Held,
  writes: readonly (readonly [string, string])[],
): Promise<Brought | undefined> {
  for (const [name, value] of writes) {
    const outcome = await secrets.write(name, { value, revision }, versions.get(name));
    if (outcome === 'newer') return BROUGHT;
    if (outcome === 'moved') throw new Error(`${name} of ${secrets.host} was changed by somebody else meanwhile.`);
  }
  return undefined;
}

const filesOf = ({ files, rootsText }: CaCerts): Files => ({ ...files, 'root-cert.pem': rootsText });

const BROUGHT: Brought = { kind: 'brought' };
const refused = (message: string): Brought => ({ kind: 'refused', message });

const notSynced = ({ secrets, controlPlaneNamespace }: AddOnTrustOptions, entries: readonly Entry[]): string =>
  `${secrets.host} has another ${entries.join(' and ')} than ${controlPlaneNamespace}/cacerts: waiting for the Secrets Store CSI driver, which brings it every two minutes unless its \`--rotation-poll-interval\` says otherwise, and only with \`--enable-secret-rotation\`.`;

const notItsVault = (host: string, names: readonly string[]): string =>
  `${host} has no ${names.join(', ')}, and the cluster has a cacerts: name the vault and the secrets that the add-on was enabled with in \`caSecrets\`.`;

const belongsToOthers = (host: string, names: readonly string[]): string =>
  `${names.join(', ')} of ${host} was written by somebody else; name other secrets, or set \`takeOver: true\` of this data plane.`;

function remediesOf({ controlPlaneNamespace, secrets, names: { rootCert, caCert, caKey, certChain } }: AddOnTrustOptions): Remedies {
  const names = `--root-cert-object-name ${rootCert} --ca-cert-object-name ${caCert} --ca-key-object-name ${caKey} --cert-chain-object-name ${certChain}`;
  const anew = `\`az aks mesh disable\`; once ${secrets.host} has its secrets, \`az aks mesh enable --key-vault-id … ${names}\``;
  return {
    startOver: `istiod would drop these without a word. ${anew}.`,
    signsByItself: `istiod in ${controlPlaneNamespace} signs with a CA of its own: ${anew}.`,
  };
}
