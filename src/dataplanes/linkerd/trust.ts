/**
 * The trust roots and the issuer of a Linkerd mesh, with the restarts that it takes in their order: roots, control plane, workloads; the issuer
 * only once identity has begun with the root above it. Each call does what it can and says what it waits for.
 * https://linkerd.io/2-edge/tasks/manually-rotating-control-plane-tls-credentials
 */
import { X509Certificate } from 'node:crypto';
import type { DataPlaneTrust, DelegatedIssuer, TrustMaterial } from '../../trust/data-plane-trust.ts';
import { covers, fingerprintOf, fingerprintsOf, issuerAmong, sameSet } from '../certificates.ts';
import type { ApplyOutcome } from '../kubernetes/cluster.ts';
import { ISSUER, type IssuerSecret, readIssuer, writeIssuer } from './issuer-secret.ts';
import { type Fleet, fleetOf, hasRoots, podsNamed, restartControlPlane, restartWorkloads } from './restarts.ts';
import { type Membership, membersOf } from './trust-members.ts';
import { readTrustRoots, TRUST_ROOTS, type TrustRoots, writeTrustRoots } from './trust-roots.ts';

type Brought = Awaited<ReturnType<DataPlaneTrust['bring']>>;
const BROUGHT: Brought = { kind: 'brought' };

export interface LinkerdTrustOptions extends Membership {
  /** Takes roots and issuer over from another manager. */
  readonly takeOver: boolean;
  /** Epoch ms. */
  readonly now: () => number;
}

export function linkerdTrust(options: LinkerdTrustOptions): DataPlaneTrust {
  const { cluster, controlPlaneNamespace: namespace } = options;
  let looking: ReturnType<typeof membersOf> | undefined;
  return {
    signing: {
      async signer() {
        const there = await readIssuer(cluster, namespace);
        if (there === 'absent') return undefined;
        if ('message' in there) throw new Error(there.message);
        return there.issuer && fingerprintOf(there.issuer);
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

/** What is there, and what is to be. */
interface Change {
  readonly material: TrustMaterial;
  readonly there: TrustRoots | 'absent';
  readonly secret: IssuerSecret | 'absent';
  readonly wanted: readonly X509Certificate[];
  readonly delegate: (() => Promise<DelegatedIssuer>) | undefined;
}

async function bring(
  options: LinkerdTrustOptions,
  material: TrustMaterial,
  delegate: (() => Promise<DelegatedIssuer>) | undefined,
): Promise<Brought> {
  const { cluster, controlPlaneNamespace: namespace } = options;
  const there = await readTrustRoots(cluster, namespace);
  const secret = await readIssuer(cluster, namespace);
  for (const each of [there, secret]) if (each !== 'absent' && 'message' in each) return refused(each.message);
  if ((there !== 'absent' && 'message' in there) || (secret !== 'absent' && 'message' in secret)) return BROUGHT;
  if (there !== 'absent' && there.revision > material.revision) return BROUGHT;
  const change: Change = { material, there, secret, delegate, wanted: material.roots.map((root) => new X509Certificate(root)) };
  const wrong = notOurs(options, change);
  if (wrong !== undefined) return refused(wrong);
  const target = await rootsToHave(options, change);
  const written = await writeRoots(options, change, target);
  if (written.kind === 'refused') return written;
  // What pods began with is judged by the ConfigMap that is there: after a write, by the next try.
  const fleet = await fleetOf(cluster, namespace, written.kind === 'brought' ? 'absent' : there);
  return 'message' in fleet ? refused(fleet.message) : follow(options, change, target, fleet);
}

/** The restarts for the roots that are there now, and the issuer in its place among them. */
async function follow(options: LinkerdTrustOptions, change: Change, { roots, before }: RootsToHave, fleet: Fleet): Promise<Brought> {
  const { cluster } = options;
  const fingerprints = fingerprintsOf(roots);
  // Under an issuer that has ended identity does not even begin.
  const isIdle = change.secret === 'absent' || !change.secret.issuer || Date.parse(change.secret.issuer.validTo) <= options.now();
  const issuesFirst = change.delegate !== undefined && isIdle;
  if (change.delegate && issuesFirst) {
    const issued = await issue(options, change, change.delegate);
    if (issued.kind === 'refused') return issued;
  }
  const controlPlane = await restartControlPlane(cluster, fleet, fingerprints);
  if (controlPlane.kind === 'wait') return refused(controlPlane.because);
  // Of roots that are ours, who is behind was waited for, or accepted, before another was to sign.
  if (change.delegate && !issuesFirst && before.length === 0) {
    const issued = await issue(options, change, change.delegate);
    if (issued.kind === 'refused') return issued;
  }
  const workloads = await restartWorkloads(cluster, fleet, fingerprints);
  if (workloads.kind === 'wait') return refused(workloads.because);
  if (change.delegate && !issuesFirst && before.length > 0) {
    const behind = fleet.pods.filter((pod) => !hasRoots(pod, fingerprints));
    if (behind.length > 0)
      return refused(
        `Identity is not given the mesh's issuer before all trust it: ${podsNamed(behind)} began with other roots; restart them.`,
      );
    const issued = await issue(options, change, change.delegate);
    if (issued.kind === 'refused') return issued;
  }
  if (sameSet(fingerprints, fingerprintsOf(change.wanted))) return BROUGHT;
  return refused('Former roots are trusted until nobody has a leaf under them; they go with a later try.');
}

interface RootsToHave {
  readonly roots: readonly X509Certificate[];
  /** Fingerprints of those of others that are to go later. */
  readonly before: readonly string[];
}

/** Roots are added at once; they go once nothing of them is needed. */
async function rootsToHave(options: LinkerdTrustOptions, { there, secret, wanted, delegate }: Change): Promise<RootsToHave> {
  if (there === 'absent') return { roots: wanted, before: [] };
  const wantedPrints = fingerprintsOf(wanted);
  const former = there.fingerprints.filter((each) => !wantedPrints.includes(each));
  const before = there.revision === 0 ? former : there.before.filter((each) => former.includes(each));
  const both = { roots: [...there.roots, ...wanted], before };
  if (former.length === 0 || !covers(there.fingerprints, wantedPrints) || delegate || secret === 'absent') return both;
  const { issuer } = secret;
  // Identity would not begin again with an issuer that stands under none of its roots.
  if (!issuer || !issuerAmong(issuer, wanted)) return both;
  if (before.length > 0 && !(await allPresentUnder(options, fingerprintOf(issuer)))) return both;
  return { roots: wanted, before: [] };
}

async function allPresentUnder(options: LinkerdTrustOptions, issuer: string): Promise<boolean> {
  const members = await membersOf(options, options.now());
  return members.every(({ presents, trouble }) => trouble === undefined && presents?.issuer === issuer);
}

async function writeRoots(options: LinkerdTrustOptions, { there, material: { revision } }: Change, { roots, before }: RootsToHave) {
  const { cluster, controlPlaneNamespace: namespace, takeOver: force } = options;
  const isSame = there !== 'absent' && sameSet(there.fingerprints, fingerprintsOf(roots)) && there.revision === revision;
  if (isSame && sameSet(there.before, before)) return { kind: 'same' } as const;
  const over = there === 'absent' ? there : there.at;
  const outcome = await writeTrustRoots(cluster, namespace, { roots: roots.map(String), before, revision }, { over, force });
  return told(outcome, `ConfigMap ${TRUST_ROOTS}`);
}

async function issue(options: LinkerdTrustOptions, { secret: there, material }: Change, delegate: () => Promise<DelegatedIssuer>) {
  const { cluster, controlPlaneNamespace: namespace, takeOver: force } = options;
  const issuer = await delegate();
  return told(await writeIssuer(cluster, namespace, { issuer, roots: material.roots, there }, { force }), `Secret ${ISSUER}`);
}

/** Why what is there cannot be led to what is wanted. */
function notOurs({ controlPlaneNamespace: namespace }: LinkerdTrustOptions, { there, secret, wanted }: Change): string | undefined {
  if (there === 'absent') return undefined;
  const where = `The ConfigMap ${namespace}/${TRUST_ROOTS}`;
  if (there.revision > 0) {
    if (sameSet(there.fingerprints, there.written)) return undefined;
    const others = there.roots.filter((root) => !there.written.includes(fingerprintOf(root)));
    const what =
      others.length > 0 ? `has roots that meshwright did not write (${namesOf(others)}); take them out` : 'has lost roots; put them back';
    return `${where} ${what}, by the annotation meshwright.dev/trust-roots.`;
  }
  const issuer = secret === 'absent' ? undefined : secret.issuer;
  const above = issuer && issuerAmong(issuer, there.roots);
  const others = there.roots.filter((root) => root !== above && !wanted.some((each) => each.raw.equals(root.raw)));
  if (others.length === 0) return undefined;
  return `${where} has roots that its issuer is not under (${namesOf(others)}), and they would go: take them out if nobody needs them, or leave \`certificates\` out.`;
}

const refused = (message: string): Brought => ({ kind: 'refused', message });

function told(outcome: ApplyOutcome, what: string): Brought {
  if (outcome.kind === 'applied') return BROUGHT;
  if (outcome.kind === 'moved') throw new Error(`The ${what} was changed by somebody else meanwhile.`);
  if (outcome.kind === 'refused') return refused(outcome.message);
  const owners = outcome.owners.map(({ manager }) => manager).join(', ');
  return refused(`The ${what} belongs to ${owners}; let go of it there, or set \`takeOver: true\` of this data plane.`);
}

const namesOf = (roots: readonly X509Certificate[]): string => roots.map(({ subject }) => subject.replaceAll('\n', ', ')).join('; ');
