/**
 * Whether a phase may be left: judged by what every proxy and control plane was seen to trust and to present, by fingerprint. Unknown
 * is not ready; who was not seen for longer than its leaf lives cannot break any more, and leaves the count.
 */
import { type Authority, signsUnder } from './certificates.ts';

/** One that verifies or presents certificates, as it was seen last. */
export interface Member {
  /** Unlike any other of the mesh, such as `edge/web-1`. */
  readonly id: string;
  readonly dataPlane: string;
  readonly kind: 'proxy' | 'control-plane';
  /** Its SPIFFE id, where it is known. */
  readonly identity?: string;
  /** Epoch ms, by the clock of whoever looks: no later than the moment in which what follows was so. 0: never. */
  readonly seenAt: number;
  /** Fingerprints of the roots it has loaded. */
  readonly trusts: readonly string[];
  /** The leaf it has loaded: who signed it, and until when it counts; absent: none. */
  readonly presents?: { readonly issuer: string; readonly notAfter: number };
  /**
   * Epoch ms: until when a leaf may count that it was given, or may have been given, without having been seen with it. Whoever signs
   * writes it down before it reads the settings that it signs by; of a pod that runs and cannot be asked, it is a leaf's life from now.
   */
  readonly mayPresentUntil?: number;
  /** What it refused, or why it is not believed. */
  readonly trouble?: string;
}

export interface FleetLook {
  /** Epoch ms. */
  readonly at: number;
  /** Data planes that were looked at, or at least tried; of others nothing is known. */
  readonly dataPlanes: readonly string[];
  readonly members: readonly Member[];
  /** Data planes that could not be looked at, or were not brought what the state says, and why. */
  readonly unseen: readonly { readonly dataPlane: string; readonly because: string }[];
}

export interface Judgement {
  readonly ready: boolean;
  /** How many count. */
  readonly members: number;
  /** Ids of those that are not where they must be. */
  readonly behind: readonly string[];
  /** Data planes of whose members nothing is known for certain. */
  readonly unseen: readonly string[];
  /** One sentence; empty when ready. */
  readonly because: string;
}

/** How long one that was not seen can still break. */
export interface Lives {
  readonly leafLifeMs: number;
  /** How far clocks may be apart. */
  readonly skewMs: number;
}

/** Clocks of two machines are taken to be this far apart at most: a quarter of a leaf's life, and no more than five minutes. */
export const skewOf = (leafLifeMs: number): number => Math.min(300_000, Math.floor(leafLifeMs / 4));

/** Every leaf that it can have has ended: nobody would talk to it, whatever it trusts. */
export function hasLeft({ presents, mayPresentUntil, seenAt }: Member, now: number, { leafLifeMs, skewMs }: Lives): boolean {
  return Math.max(presents?.notAfter ?? 0, mayPresentUntil ?? 0, seenAt + leafLifeMs) + skewMs < now;
}

/** What a look is judged by. */
export interface Gate {
  readonly isThere: (member: Member) => boolean;
  readonly lives: Lives;
  /** Epoch ms: what was seen before does not count. */
  readonly since: number;
  /** All of these must have been looked at. */
  readonly dataPlanes: readonly string[];
}

export function judgeFleet(look: FleetLook, { isThere, lives, since, dataPlanes }: Gate): Judgement {
  const behind: Member[] = [];
  let [members, silent] = [0, 0];
  for (const member of look.members) {
    if (hasLeft(member, look.at, lives)) continue;
    members += 1;
    const isSilent = member.seenAt <= since;
    if (isSilent) silent += 1;
    if (isSilent || member.trouble !== undefined || !isThere(member)) behind.push(member);
  }
  const unseen = unseenOf(look, dataPlanes);
  const ready = behind.length === 0 && unseen === undefined;
  const because = ready ? '' : (unseen ?? why(members, behind, silent));
  const notLookedAt = dataPlanes.filter(
    (each) => !look.dataPlanes.includes(each) || look.unseen.some(({ dataPlane }) => dataPlane === each),
  );
  return { ready, members, behind: behind.map(({ id }) => id), unseen: notLookedAt, because };
}

function unseenOf({ dataPlanes: looked, unseen: [first] }: FleetLook, dataPlanes: readonly string[]): string | undefined {
  if (first) return `${first.dataPlane} could not be looked at: ${first.because}`;
  const missing = dataPlanes.find((dataPlane) => !looked.includes(dataPlane));
  return missing === undefined ? undefined : `${missing} was not looked at.`;
}

const NAMED = 5;

function why(members: number, behind: readonly Member[], silent: number): string {
  const named = behind.slice(0, NAMED).map(({ id, trouble }) => (trouble === undefined ? id : `${id} (${trouble})`));
  const rest = behind.length > NAMED ? ` and ${behind.length - NAMED} more` : '';
  const quiet = silent > 0 ? `; ${silent} of them said nothing new yet` : '';
  return `${behind.length} of ${members} are behind: ${named.join(', ')}${rest}${quiet}.`;
}

export const trustsAll =
  (roots: readonly Authority[]) =>
  ({ trusts }: Member): boolean =>
    roots.every(({ fingerprint }) => trusts.includes(fingerprint));

/** It verifies with these roots and with no other of `known`; what else it trusts is not of this mesh's making. */
export const trustsOnly =
  (roots: readonly Authority[], known: readonly Authority[]) =>
  (member: Member): boolean =>
    trustsAll(roots)(member) &&
    known.every(({ fingerprint }) => roots.some((root) => root.fingerprint === fingerprint) || !member.trusts.includes(fingerprint));

/** What a control plane signs with is what its `presents` says. */
export const presentsUnder =
  (root: Authority) =>
  ({ presents }: Member): boolean =>
    presents !== undefined && signsUnder(root, presents.issuer);
