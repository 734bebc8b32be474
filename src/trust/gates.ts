/**
 * Whether a phase may be left: judged by what every proxy and control plane was seen to trust and to present, by fingerprint. Unknown
 * is not ready; who was not seen for longer than its leaf lives cannot break any more, and leaves the count.
 */
import { z } from 'zod';
import { type Authority, fingerprintSchema, signsUnder } from './certificates.ts';

/** One that verifies or presents certificates, as it was seen last. */
export const memberSchema = z.object({
  /** Unlike any other of the mesh, such as `edge/web-1`. */
  id: z.string(),
  dataPlane: z.string(),
  kind: z.enum(['proxy', 'control-plane']),
  /** Its SPIFFE id, where it is known. */
  identity: z.string().exactOptional(),
  /** Epoch ms: when what follows was so. */
  seenAt: z.number(),
  /** Fingerprints of the roots it has loaded. */
  trusts: z.array(fingerprintSchema),
  /** The leaf it has loaded: who signed it, and until when it counts; absent: none. */
  presents: z.object({ issuer: fingerprintSchema, notAfter: z.number() }).exactOptional(),
  /** What it refused, or why it is not believed. */
  trouble: z.string().exactOptional(),
});
export type Member = Readonly<z.infer<typeof memberSchema>>;

export interface FleetLook {
  /** Epoch ms. */
  readonly at: number;
  readonly members: readonly Member[];
  /** Data planes that could not be looked at, and why. */
  readonly unseen: readonly { readonly dataPlane: string; readonly because: string }[];
}

export interface Judgement {
  readonly ready: boolean;
  /** How many count. */
  readonly members: number;
  /** Ids of those that are not where they must be. */
  readonly behind: readonly string[];
  /** One sentence; empty when ready. */
  readonly because: string;
}

const NAMED = 5;
/** Without a leaf that could tell, silence this long is an absence. */
export interface Lives {
  readonly leafLifeMs: number;
  /** How far clocks may be apart. */
  readonly skewMs: number;
}

/** Clocks of two machines are taken to be this far apart at most: a quarter of a leaf's life, and no more than five minutes. */
export const skewOf = (leafLifeMs: number): number => Math.min(300_000, Math.floor(leafLifeMs / 4));

/** Its leaf has ended, or none was seen for as long as one lives: nobody would talk to it, whatever it trusts. */
export function hasLeft({ presents, seenAt }: Member, now: number, { leafLifeMs, skewMs }: Lives): boolean {
  const until = presents ? Math.max(presents.notAfter, seenAt) : seenAt + leafLifeMs;
  return until + skewMs <= now && seenAt + leafLifeMs + skewMs <= now;
}

/** `since`: what was seen before (epoch ms) does not count. */
export function judgeFleet(look: FleetLook, isThere: (member: Member) => boolean, lives: Lives, since: number): Judgement {
  const counted = look.members.filter((member) => !hasLeft(member, look.at, lives));
  const stale = counted.filter(({ seenAt }) => seenAt <= since);
  const behind = counted.filter((member) => member.seenAt <= since || member.trouble !== undefined || !isThere(member));
  const ready = behind.length === 0 && look.unseen.length === 0;
  return { ready, members: counted.length, behind: behind.map(({ id }) => id), because: ready ? '' : why(look, counted, behind, stale) };
}

function why(look: FleetLook, counted: readonly Member[], behind: readonly Member[], stale: readonly Member[]): string {
  const [unseen] = look.unseen;
  if (unseen) return `${unseen.dataPlane} could not be looked at: ${unseen.because}`;
  const named = behind.slice(0, NAMED).map(({ id, trouble }) => (trouble === undefined ? id : `${id} (${trouble})`));
  const rest = behind.length > NAMED ? ` and ${behind.length - NAMED} more` : '';
  const silent = stale.length > 0 ? `; ${stale.length} of them said nothing new yet` : '';
  return `${behind.length} of ${counted.length} are behind: ${named.join(', ')}${rest}${silent}.`;
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

/** A control plane that presents nothing itself is where it must be as soon as it signs under the root, which its `presents` says too. */
export const presentsUnder =
  (root: Authority) =>
  ({ presents }: Member): boolean =>
    presents !== undefined && signsUnder(root, presents.issuer);
