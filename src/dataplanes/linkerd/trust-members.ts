/**
 * Who trusts what and presents what in a Linkerd mesh: the roots that each proxy began with, the leaf that it shows, and what each identity pod
 * signs with. Who cannot be asked is not ready, nor is who will begin with other roots.
 */
import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import type { DataPlaneTrust, TrustMaterial } from '../../trust/data-plane-trust.ts';
import { answeredBy } from '../answered-by.ts';
import { fingerprintOf, presentedBy } from '../certificates.ts';
import type { Cluster, Refused } from '../kubernetes/cluster.ts';
import { EVENTS } from '../kubernetes/kinds.ts';
import type { FindWorkload } from '../kubernetes/workloads.ts';
import type { IdentityService, Shown } from './identity-service.ts';
import { ISSUER, readIssuer } from './issuer-secret.ts';
import { type MeshedPod, nameOfPod } from './meshed-pods.ts';
import { fleetOf, hasRoots, whyBehind } from './restarts.ts';
import { readTrustRoots, type TrustRoots } from './trust-roots.ts';

const UPDATED = 'IssuerUpdated';
/** Of pkg/identity/service.go. */
const ISSUER_EVENTS = [UPDATED, 'IssuerUpdateSkipped', 'IssuerValidationFailed'];

type Member = Awaited<ReturnType<DataPlaneTrust['look']>>[number];

const AT_ONCE = 16;
/** A look ends before the claim of an effect does; whom there was no time to ask is not known. */
const LOOK_MS = 8_000;

export interface Membership {
  readonly cluster: Cluster;
  readonly identity: IdentityService;
  readonly dataPlane: string;
  readonly controlPlaneNamespace: string;
  /** Of the mesh's spec: whoever cannot be asked may present something until then. */
  readonly lives: TrustMaterial['lives'];
  /** For how long pods are asked; left out: 8 s. */
  readonly lookMs?: number;
}

/** Throws where nobody can be asked: without roots, without an identity pod, or where we may not. */
export async function membersOf(of: Membership, now: number): Promise<readonly Member[]> {
  const { cluster, controlPlaneNamespace: home } = of;
  const roots = await readTrustRoots(cluster, home);
  if (roots === 'absent') throw new Error(`There is no ConfigMap ${home}/linkerd-identity-trust-roots.`);
  if ('message' in roots) throw new Error(roots.message);
  const [fleet, secret] = await Promise.all([fleetOf(cluster, home, roots), readIssuer(cluster, home)]);
  if ('message' in fleet) throw new Error(fleet.message);
  if (secret === 'absent') throw new Error(`There is no Secret ${home}/${ISSUER}.`);
  if ('message' in secret) throw new Error(secret.message);
  const { pods, find } = fleet;
  const identities = pods.filter(({ component, running, leaving }) => component === 'identity' && running && !leaving);
  if (identities.length === 0) throw new Error(`No pod of linkerd-identity runs in ${home}.`);
  const look: Look = {
    of,
    now,
    roots,
    issuer: secret.issuer && fingerprintOf(secret.issuer),
    find,
    until: AbortSignal.timeout(of.lookMs ?? LOOK_MS),
  };
  // Whoever does not run and will with these roots has nothing that could break.
  const counted = pods.filter((pod) => pod.running || !hasRoots(pod, roots.fingerprints));
  const asked = [
    ...identities.map((pod) => () => identityMember(look, pod)),
    ...counted.map((pod) => () => (pod.running ? proxyMember(look, pod) : Promise.resolve(comingMember(look, pod)))),
  ];
  const members: Member[] = [];
  for (let at = 0; at < asked.length; at += AT_ONCE) {
    members.push(...(await Promise.all(asked.slice(at, at + AT_ONCE).map((ask) => ask()))));
  }
  return members;
}

interface Look {
  readonly of: Membership;
  readonly now: number;
  readonly roots: TrustRoots;
  /** Fingerprint of the one in the Secret. */
  readonly issuer: string | undefined;
  readonly find: FindWorkload;
  readonly until: AbortSignal;
}

/** What it signs with. That it has the roots is its own proxy's to say, which began with them in the same moment. */
async function identityMember(look: Look, pod: MeshedPod): Promise<Member> {
  const { of, now } = look;
  const id = `${nameOfPod(pod)}/identity`;
  const { namespace, identities, grpc: port } = pod;
  const seen = await certificatesShown(look, () => of.identity.sample({ namespace, pod: pod.pod, port, identities }));
  if ('trouble' in seen) return unseen(look, id, pod, seen.trouble);
  const { presents } = presentedBy(seen.chain, look.roots.roots);
  const member = { ...seenMember(look, id, pod), ...(presents ? { presents } : {}) };
  if (!presents) return { ...member, trouble: 'the leaf it gave was signed by none of the chain that came with it' };
  if (presents.issuer !== look.issuer)
    return { ...member, trouble: `it signs with another issuer than ${ISSUER} has${await whySkipped(of)}` };
  const longest = of.lives.leafLifeMs + of.lives.skewMs;
  if (presents.notAfter - now <= longest) return member;
  const told = `it gives leafs of ${Math.round((presents.notAfter - now) / 1_000)} s, which is longer than the spec's leafLife`;
  return { ...member, trouble: `${told}: say the same there and in identity.issuer.issuanceLifetime` };
}

const eventSchema = z.object({ reason: z.string().default(''), message: z.string().default(''), lastTimestamp: z.string().nullish() });

/** The last that identity said of its issuer, where it was no success; empty where it said nothing, or we may not know. */
async function whySkipped({ cluster, controlPlaneNamespace: namespace }: Membership): Promise<string> {
  const listed = await cluster.list(EVENTS, { namespace });
  if (listed.kind === 'refused') return '';
  const said = listed.objects
    .map((each) => eventSchema.parse(each))
    .filter(({ reason }) => ISSUER_EVENTS.includes(reason))
    .toSorted((one, other) => Date.parse(one.lastTimestamp ?? '') - Date.parse(other.lastTimestamp ?? ''))
    .at(-1);
  return said === undefined || said.reason === UPDATED ? '' : `; ${said.reason}: ${said.message}`;
}

async function proxyMember(look: Look, pod: MeshedPod): Promise<Member> {
  const { of, roots, find } = look;
  const id = nameOfPod(pod);
  const seen = await certificatesShown(look, () => of.identity.shown(pod.admin, pod.identity));
  if ('trouble' in seen) return unseen(look, id, pod, seen.trouble);
  const [leaf] = seen.chain;
  const { presents } = presentedBy(seen.chain, roots.roots);
  const trouble =
    leaf && isOf(leaf, pod.identity) ? whyBehind(pod, find, roots.fingerprints) : `it shows a leaf that is not of ${pod.identity}`;
  return { ...seenMember(look, id, pod), ...(presents ? { presents } : {}), ...(trouble === undefined ? {} : { trouble }) };
}

/** It has no leaf yet, and would begin with what it was made with. */
function comingMember(look: Look, pod: MeshedPod): Member {
  const trouble = whyBehind(pod, look.find, look.roots.fingerprints) ?? 'it has not begun, and would with other roots';
  return { ...seenMember(look, nameOfPod(pod), pod), trouble };
}

const isOf = ({ subjectAltName = '' }: X509Certificate, identity: string): boolean =>
  subjectAltName.split(', ').includes(`DNS:${identity}`);

async function certificatesShown(
  { until }: Look,
  ask: () => Promise<Shown | Refused>,
): Promise<{ readonly chain: readonly X509Certificate[] } | { readonly trouble: string }> {
  try {
    const answer = await answeredBy(until, ask, () => new Error('there was no time to ask it'));
    if (answer.kind === 'refused') return { trouble: answer.message };
    return { chain: answer.chain.map((der) => new X509Certificate(der)) };
  } catch (error) {
    return { trouble: error instanceof Error ? error.message : String(error) };
  }
}

const kindOf = ({ component }: MeshedPod): Member['kind'] => (component === undefined ? 'proxy' : 'control-plane');

const seenMember = ({ of: { dataPlane }, now }: Look, id: string, pod: MeshedPod): Member => ({
  id: `${dataPlane}/${id}`,
  dataPlane,
  kind: kindOf(pod),
  seenAt: now,
  trusts: pod.roots ?? [],
});

/** It is there, and what it shows is not known. */
const unseen = ({ of: { dataPlane, lives }, now }: Look, id: string, pod: MeshedPod, trouble: string): Member => ({
  id: `${dataPlane}/${id}`,
  dataPlane,
  kind: kindOf(pod),
  seenAt: 0,
  trusts: [],
  mayPresentUntil: now + lives.leafLifeMs,
  trouble,
});
