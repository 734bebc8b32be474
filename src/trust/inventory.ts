/**
 * Who trusts what, who presents what, and until when: the roots and issuers of a mesh, its workloads as they were seen, and the
 * serving certificates in its vault, each with the day by which something has to begin. What the API, the CLI, the page and metrics show.
 */
import { type Authority, signsUnder } from './certificates.ts';
import { type FleetLook, hasLeft, type Lives, type Member } from './gates.ts';
import type { TrustState } from './state.ts';
import { livesAt, renewIssuerAt, rootsOf, rotateBy, rotationMs } from './timing.ts';

/** `due`: something has to begin; `late`: it should have, and may not end in time; `expired`: nobody believes it any more. */
export type Standing = 'good' | 'due' | 'late' | 'expired';

/** `current` is the root in force, `next` the one that a rotation leads to; `other`: none that this mesh's trust knows of. */
export type RootRole = 'current' | 'next' | 'other';

/** A certificate of a server, as it is in the vault: it is watched here, and issued by whatever issues it. */
export interface ServingCertificate {
  readonly name: string;
  readonly certificateId: string;
  /** Epoch ms. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly enabled: boolean;
}

export interface CertificateItem {
  readonly kind: 'root' | 'issuer' | 'serving';
  /** Of a root and its issuer: which root. */
  readonly role: RootRole | null;
  /** Of an issuer that a data plane signs with: `<name> at <data plane>`. */
  readonly name: string;
  /** SHA-256 of the DER; of a serving certificate: null. */
  readonly fingerprint: string | null;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Whole days until it ends, rounded down; below 0 once it has. */
  readonly daysLeft: number;
  /** Epoch ms: from then on it is `due`; `null`: it ends with its root and has no successor. */
  readonly dueAt: number | null;
  readonly standing: Standing;
  /** The key has been outside of the vault; of a root. */
  readonly imported: boolean;
}

export interface WorkloadItem {
  readonly id: string;
  readonly dataPlane: string;
  readonly kind: Member['kind'];
  readonly identity: string | null;
  readonly trusts: readonly { readonly fingerprint: string; readonly role: RootRole }[];
  readonly presents: { readonly issuer: string; readonly under: RootRole; readonly notAfter: number; readonly daysLeft: number } | null;
  /** Of its leaf; without one it is `expired`. */
  readonly standing: Standing;
  /** Every leaf that it can have has ended: no rotation waits for it. */
  readonly left: boolean;
  readonly seenAt: number;
  readonly trouble: string | null;
}

export interface Inventory {
  readonly at: number;
  readonly trustDomain: string | null;
  /** Epoch ms: the day by which a rotation of the root in force must have started; with room for it to be held as long as it takes. */
  readonly rotateBy: number | null;
  /** Epoch ms: started later, it does not end before the root does. */
  readonly lastStart: number | null;
  readonly certificates: readonly CertificateItem[];
  readonly workloads: readonly WorkloadItem[];
  /** How many workloads that count trust each root, and present leafs under it. */
  readonly roots: readonly {
    readonly fingerprint: string;
    readonly role: RootRole;
    readonly trusting: number;
    readonly presenting: number;
  }[];
  readonly unseen: FleetLook['unseen'];
}

const DAY_MS = 86_400_000;
/** Of its life, and no more than these: a serving certificate for a week is due in its last two days. */
const SERVING = { due: { share: 1 / 3, ms: 30 * DAY_MS }, late: { share: 1 / 10, ms: 7 * DAY_MS } };
/** A workload renews at two thirds of a leaf's life; it is late once half of the time that remains has gone by. */
const LEAF = { due: 1 / 3, late: 1 / 6 };

export function inventoryOf(state: TrustState, look: FleetLook, serving: readonly ServingCertificate[], now: number): Inventory {
  const { current, spec, trustDomain } = state;
  const lives = livesAt(state, now);
  const workloads = look.members.map((member) => workloadOf(state, member, now, lives));
  return {
    at: now,
    trustDomain: trustDomain ?? null,
    rotateBy: current && spec ? rotateBy(current, spec) : null,
    lastStart: current && spec ? current.notAfter - rotationMs(lives) : null,
    certificates: [
      ...rootsOf(state).flatMap((authority) => [rootItem(state, authority, now), ...issuerItems(state, authority, now)]),
      ...serving.map((each) => servingItem(each, now)),
    ].sort((a, b) => a.notAfter - b.notAfter),
    workloads,
    roots: countedRoots(state, workloads),
    unseen: look.unseen,
  };
}

function roleOf({ current, rotation }: TrustState, fingerprint: string): RootRole {
  if (fingerprint === current?.fingerprint) return 'current';
  return fingerprint === rotation?.to?.fingerprint ? 'next' : 'other';
}

/** Whole days, rounded down; below 0 once it is over. */
const daysUntil = (notAfter: number, now: number): number => Math.floor((notAfter - now) / DAY_MS);

function standingAt(now: number, due: number | null, late: number, notAfter: number): Standing {
  if (now > notAfter) return 'expired';
  if (due === null) return 'good';
  if (now >= late) return 'late';
  return now >= due ? 'due' : 'good';
}

function rootItem(state: TrustState, authority: Authority, now: number): CertificateItem {
  const { fingerprint, notBefore, notAfter } = authority;
  const due = state.spec ? rotateBy(authority, state.spec) : notAfter;
  const late = notAfter - rotationMs(livesAt(state, now));
  const standing = standingAt(now, due, late, notAfter);
  const imported = authority.origin === 'imported';
  const role = roleOf(state, fingerprint);
  const name = state.spec?.name ?? '';
  return { kind: 'root', role, name, fingerprint, notBefore, notAfter, daysLeft: daysUntil(notAfter, now), dueAt: due, standing, imported };
}

/** That of the vault, and those that data planes were handed last. */
function issuerItems(state: TrustState, authority: Authority, now: number): readonly CertificateItem[] {
  const name = state.spec?.name ?? '';
  const delegated = state.dataPlanes.flatMap((dataPlane) => {
    const newest = authority.delegated?.find((each) => each.dataPlane === dataPlane);
    return newest ? [issuerItem(state, { ...authority, issuer: newest }, `${name} at ${dataPlane}`, now)] : [];
  });
  return [issuerItem(state, authority, name, now), ...delegated];
}

type OfIssuer = Pick<Authority, 'fingerprint' | 'notAfter'> & {
  readonly issuer: Pick<Authority['issuer'], 'fingerprint' | 'notBefore' | 'notAfter'>;
};

function issuerItem(state: TrustState, authority: OfIssuer, name: string, now: number): CertificateItem {
  const { fingerprint, notBefore, notAfter } = authority.issuer;
  const due = renewIssuerAt(authority) ?? null;
  // From then on it signs leafs that live shorter than they should.
  const standing = standingAt(now, due, notAfter - livesAt(state, now).leafLifeMs, notAfter);
  const role = roleOf(state, authority.fingerprint);
  const daysLeft = daysUntil(notAfter, now);
  return { kind: 'issuer', role, name, fingerprint, notBefore, notAfter, daysLeft, dueAt: due, standing, imported: false };
}

function servingItem({ name, notBefore, notAfter }: ServingCertificate, now: number): CertificateItem {
  const before = ({ share, ms }: { readonly share: number; readonly ms: number }) =>
    notAfter - Math.min(ms, Math.floor((notAfter - notBefore) * share));
  const dueAt = before(SERVING.due);
  const standing = standingAt(now, dueAt, before(SERVING.late), notAfter);
  const daysLeft = daysUntil(notAfter, now);
  return { kind: 'serving', role: null, name, fingerprint: null, notBefore, notAfter, daysLeft, dueAt, standing, imported: false };
}

function workloadOf(state: TrustState, member: Member, now: number, lives: Lives): WorkloadItem {
  const { id, dataPlane, kind, identity, presents, seenAt, trouble } = member;
  const root = presents && rootsOf(state).find((each) => signsUnder(each, presents.issuer));
  const { leafLifeMs } = lives;
  return {
    id,
    dataPlane,
    kind,
    identity: identity ?? null,
    trusts: member.trusts.map((fingerprint) => ({ fingerprint, role: roleOf(state, fingerprint) })),
    presents: presents
      ? {
          issuer: presents.issuer,
          under: root ? roleOf(state, root.fingerprint) : 'other',
          notAfter: presents.notAfter,
          daysLeft: daysUntil(presents.notAfter, now),
        }
      : null,
    standing: presents
      ? standingAt(now, presents.notAfter - leafLifeMs * LEAF.due, presents.notAfter - leafLifeMs * LEAF.late, presents.notAfter)
      : 'expired',
    left: hasLeft(member, now, lives),
    seenAt,
    trouble: trouble ?? null,
  };
}

function countedRoots(state: TrustState, workloads: readonly WorkloadItem[]): Inventory['roots'] {
  const counted = workloads.filter(({ left }) => !left);
  const known = rootsOf(state).map(({ fingerprint }) => fingerprint);
  const all = new Set([...known, ...counted.flatMap(({ trusts }) => trusts.map(({ fingerprint }) => fingerprint))]);
  return [...all].map((fingerprint) => {
    const role = roleOf(state, fingerprint);
    return {
      fingerprint,
      role,
      trusting: counted.filter(({ trusts }) => trusts.some((each) => each.fingerprint === fingerprint)).length,
      presenting: role === 'other' ? 0 : counted.filter(({ presents }) => presents?.under === role).length,
    };
  });
}
