/**
 * A rotation before it is one: every write in its order, what each waits for, who is not ready and why, how long it takes and when it must
 * start. Told from the same events that a rotation records, so that the plan and what happens cannot differ. Pure; nothing is written.
 */
import { refused } from '../decision.ts';
import type { Authority } from './certificates.ts';
import type { TrustEvent } from './events.ts';
import { evolve, isGated } from './evolve.ts';
import { type FleetLook, hasLeft, type Member, presentsUnder, trustsAll } from './gates.ts';
import { keepsUp, leafsPerSecond, lookEveryMs, renewWithinMs } from './pace.ts';
import { approvedGateOf, isThere } from './phases.ts';
import { type ApprovedGate, goesBack, type PhaseName, type Rotation, settingsOf, type TrustState } from './state.ts';
import { hasEnded, isOverdue, livesAt, mustLeaveBy, rotateBy, rotationMs, soakMs } from './timing.ts';

/** Which of the two roots: that in force, or that of the rotation. */
export type RootWord = 'old' | 'new';

export type PlannedWrite =
  | {
      readonly target: 'vault';
      readonly operation: 'make-root' | 'make-issuer' | 'sign-issuer' | 'disable-key' | 'enable-key';
      readonly root: RootWord;
    }
  | {
      readonly target: 'data-plane';
      readonly dataPlane: string;
      /** Of the two, the one that this write changes. */
      readonly changes: 'roots' | 'signer';
      readonly roots: readonly RootWord[];
      readonly signer: RootWord;
    };

export interface PlannedPhase {
  readonly phase: PhaseName;
  /** In the order in which they happen; those to data planes go out at one time. */
  readonly writes: readonly PlannedWrite[];
  /** What must be seen before it is left; one sentence. */
  readonly leftWhen: string;
  /** Somebody must approve before it is left. */
  readonly approval: ApprovedGate | null;
  /** ms from entering to leaving it when all follow at once. */
  readonly expectedMs: number;
  /** Epoch ms; `null`: nothing depends on it. */
  readonly mustLeaveBy: number | null;
}

export interface NotReady {
  readonly id: string;
  readonly dataPlane: string;
  readonly identity: string | null;
  readonly because: string;
}

export interface RotationPlan {
  readonly kind: 'plan';
  readonly cause: Rotation['cause'];
  /** Where it is; `null`: nothing has begun. */
  readonly underWay: PhaseName | null;
  readonly phases: readonly PlannedPhase[];
  /** Whom the phase that waits now waits for; before the beginning: who does not follow today. */
  readonly notReady: readonly NotReady[];
  readonly unseen: FleetLook['unseen'];
  /** Who can't be talked to, or can't talk to others, from the next forced write on; where a gate can be forced. The surest to break first. */
  readonly breaks: readonly NotReady[];
  readonly expectedMs: number;
  /** Epoch ms: begun later, it does not end before the old root does, and with room for being held, respectively. */
  readonly mustStartBy: number;
  readonly rotateBy: number;
  /** The old root has ended: until everybody has the new one, nobody can talk. */
  readonly outage: boolean;
  readonly pace: {
    readonly members: number;
    readonly leafsPerSecond: number;
    readonly renewWithinMs: number;
    /** Whether the vault signs fast enough for that many workloads with leafs of that life. */
    readonly keepsUp: boolean;
  };
}

type Refused = ReturnType<typeof refused>;

/** `cause`: of a rotation that has not begun. */
export function rotationPlan(state: TrustState, look: FleetLook, now: number, cause: Rotation['cause'] = 'asked'): RotationPlan | Refused {
  const { spec, current } = state;
  if (!spec) return refused('NoCertificates', 'The spec of this mesh has no `certificates`; add them and apply it.');
  if (!current) return refused('NotEstablished', 'The first root is not made yet; it is being asked of the vault.');
  const lives = livesAt(state, now);
  const counted = look.members.filter((member) => !hasLeft(member, look.at, lives));
  const outage = hasEnded(current, lives, now);
  const why = state.rotation?.cause ?? (outage ? 'expired' : cause);
  const phases = phasesFrom(state, counted.length, now, why);
  return {
    kind: 'plan',
    cause: why,
    underWay: state.rotation?.phase.name ?? null,
    phases,
    notReady: notReady(state, counted, look.at),
    unseen: look.unseen,
    breaks: why === 'compromised' || isForcedOn(state, now) ? breaking(state, counted, look.at) : [],
    expectedMs: phases.reduce((sum, { expectedMs }) => sum + expectedMs, 0),
    mustStartBy: current.notAfter - rotationMs(lives),
    rotateBy: rotateBy(current, spec),
    outage,
    pace: {
      members: counted.length,
      leafsPerSecond: leafsPerSecond(spec),
      renewWithinMs: renewWithinMs(counted.length, spec),
      keepsUp: keepsUp(counted.length, spec),
    },
  };
}

const isForcedOn = (state: TrustState, now: number): boolean =>
  state.rotation !== undefined && isGated(state.rotation.phase) && !goesBack(state.rotation.phase.name) && isOverdue(state, now);

/** What leads from each phase to the next. */
function nextEvent(phase: PhaseName, to: Authority, until: number): TrustEvent {
  switch (phase) {
    case 'preparing':
      return { type: 'AuthorityPrepared', authority: to };
    case 'prepared':
      return { type: 'DistributionBegun' };
    case 'distributing':
      return { type: 'IssuingBegun' };
    case 'issuing':
      return { type: 'SoakBegun', until };
    case 'soaking':
      return { type: 'BundlePruned' };
    case 'pruned':
      return { type: 'RetirementBegun' };
    case 'retired':
      return { type: 'RotationCompleted' };
    case 'restoring':
      return { type: 'IssuerReturned' };
    case 'returning':
      return { type: 'NewRootDropped' };
    case 'dropping':
      return { type: 'DiscardingBegun' };
    case 'discarding':
      return { type: 'RotationAborted' };
  }
}

/** Stands for the root that is not made yet. */
const unmade = (current: Authority): Authority => ({ ...current, fingerprint: '0'.repeat(64), formerIssuers: [] });

function phasesFrom(state: TrustState, members: number, now: number, cause: Rotation['cause']): readonly PlannedPhase[] {
  const { current } = state;
  if (!current) return [];
  const to = state.rotation?.to ?? unmade(current);
  const planned: PlannedPhase[] = [];
  let at = now;
  let before = state;
  const begun = { type: 'RotationBegun', cause, by: 'plan' } as const;
  let after = state.rotation ? state : evolve(state, begun, { version: 0, at });
  while (after.rotation) {
    const { phase } = after.rotation;
    const isNow = state.rotation?.phase.name === phase.name;
    const expectedMs = isNow ? Math.max(0, phase.since + expected(after, members) - now) : expected(after, members);
    planned.push({
      phase: phase.name,
      // What it did on entering is done.
      writes: isNow ? [] : writesOf(before, after),
      leftWhen: LEFT_WHEN[phase.name],
      approval: approvalOf(after, phase.name),
      expectedMs,
      mustLeaveBy: mustLeaveBy(after) ?? null,
    });
    at += expectedMs;
    before = after;
    after = evolve(after, nextEvent(phase.name, to, at), { version: 0, at });
  }
  return planned;
}

function approvalOf({ spec, rotation }: TrustState, phase: PhaseName): ApprovedGate | null {
  const gate = approvedGateOf(phase);
  return gate && spec?.approvals.includes(gate) && rotation?.approvals[gate] === undefined ? gate : null;
}

const LEFT_WHEN: Readonly<Record<PhaseName, string>> = {
  preparing: 'The new root and its issuer are made, and every chain verifies.',
  prepared: 'At once; where the vault has made the root by itself: when somebody lets it be used.',
  distributing: 'Every proxy and control plane was seen, twice, to trust both roots.',
  issuing: 'Every proxy and control plane was seen, twice, to present a leaf under the new root.',
  soaking: 'Every leaf under the old root has ended, of those too that were not seen, and all were seen twice.',
  pruned: 'Every proxy and control plane was seen, twice, to trust the new root and not the old one.',
  retired: "The vault has disabled the old root's key.",
  restoring: 'Every proxy and control plane was seen, twice, to trust both roots again.',
  returning: 'All were seen, twice, to present leafs under the old root, and those under the new one have ended.',
  dropping: 'Every proxy and control plane was seen, twice, to trust the old root and not the new one.',
  discarding: "The vault has disabled the new root's key.",
};

/** What a call to a vault is planned with. */
const VAULT_MS = 5_000;
/** A phase is left at the second of two looks after all have followed, and the first may have just been missed. */
const LOOKS = 3;

function expected({ rotation, spec, ...state }: TrustState, members: number): number {
  if (!rotation || !spec) return 0;
  const looks = LOOKS * lookEveryMs(spec.leafLifeMs);
  const skipsSoak = rotation.cause === 'compromised' || rotation.cause === 'expired';
  const soak = soakMs(livesAt({ ...state, rotation, spec }, rotation.phase.since));
  switch (rotation.phase.name) {
    case 'preparing':
    case 'retired':
    case 'discarding':
      return VAULT_MS;
    case 'prepared':
      return 0;
    case 'issuing':
      return renewWithinMs(members, spec) + looks;
    case 'soaking':
      return looks + (skipsSoak ? 0 : soak);
    case 'returning':
      return renewWithinMs(members, spec) + looks + soak;
    default:
      return rotation.cause === 'expired' && rotation.phase.name === 'distributing' ? 0 : looks;
  }
}

function writesOf(before: TrustState, after: TrustState): readonly PlannedWrite[] {
  const phase = after.rotation?.phase.name;
  if (phase === 'preparing') {
    return (['make-root', 'make-issuer', 'sign-issuer'] as const).map((operation) => ({ target: 'vault', operation, root: 'new' }));
  }
  const keys: PlannedWrite[] =
    phase === 'retired' || phase === 'discarding'
      ? [{ target: 'vault', operation: 'disable-key', root: phase === 'retired' ? 'old' : 'new' }]
      : [];
  const [was, is] = [settingsOf(before), settingsOf(after)];
  if (!is || !was) return keys;
  const word = ({ fingerprint }: Authority): RootWord => (fingerprint === after.current?.fingerprint ? 'old' : 'new');
  const signerChanges = was.signer.fingerprint !== is.signer.fingerprint;
  if (!signerChanges && was.roots.length === is.roots.length) return keys;
  const changes = signerChanges ? 'signer' : 'roots';
  const material = { target: 'data-plane', changes, roots: is.roots.map(word), signer: word(is.signer) } as const;
  return [...keys, ...after.dataPlanes.map((dataPlane) => ({ ...material, dataPlane }))];
}

const named = ({ id, dataPlane, identity }: Member, because: string): NotReady => ({ id, dataPlane, identity: identity ?? null, because });

function notReady(state: TrustState, counted: readonly Member[], at: number): readonly NotReady[] {
  const { current, rotation } = state;
  if (!current) return [];
  const { phase, to } = rotation ?? {};
  const isWhere = phase && to && isGated(phase) ? isThere(phase, { current, to }) : isThereToday(current);
  const { leafLifeMs } = livesAt(state, at);
  const since = phase && 'passedAt' in phase && phase.passedAt !== undefined ? phase.passedAt : (phase?.since ?? at - leafLifeMs);
  return counted.flatMap((member) => {
    const because =
      member.trouble ?? (member.seenAt <= since ? silence(member) : isWhere(member) ? undefined : whatIs(member, current, to));
    return because === undefined ? [] : [named(member, because)];
  });
}

/** Where nothing has begun, all are under the root in force. */
const isThereToday = (current: Authority) => (member: Member) => trustsAll([current])(member) && presentsUnder(current)(member);

const silence = ({ seenAt }: Member): string =>
  seenAt === 0 ? 'It was never seen.' : `It was seen last at ${new Date(seenAt).toISOString()}.`;

function whatIs(member: Member, current: Authority, to: Authority | undefined): string {
  const roots = [...(trustsAll([current])(member) ? ['the old'] : []), ...(to && trustsAll([to])(member) ? ['the new'] : [])];
  const leaf = !member.presents
    ? 'no leaf'
    : presentsUnder(current)(member)
      ? 'a leaf under the old'
      : to && presentsUnder(to)(member)
        ? 'a leaf under the new'
        : 'a leaf of another root';
  return `It trusts ${roots.length === 0 ? 'neither root' : `${roots.join(' and ')} root`} and presents ${leaf}.`;
}

/** Whoever is not seen to be where the next forced write needs it: the ones in trouble, then the ones silent longest. */
function breaking(state: TrustState, counted: readonly Member[], at: number): readonly NotReady[] {
  const { current, rotation } = state;
  if (!current || (rotation && goesBack(rotation.phase.name))) return [];
  const byId = new Map(counted.map((member) => [member.id, member]));
  const rank = ({ id }: NotReady): number => {
    const member = byId.get(id);
    return member?.trouble === undefined ? (member?.seenAt ?? 0) : -1;
  };
  return [...notReady(state, counted, at)].sort((a, b) => rank(a) - rank(b));
}
