/**
 * When a leaf is asked for: pure arithmetic over times and chance that come in. Counted from when a leaf came and not by what this machine's
 * clock says, which may be wrong, or be set while the leaf is used.
 */

/** A leaf is replaced when this share of its life has passed, and up to `SPREAD` of it earlier: those that began together do not stay together. */
const SHARE = 2 / 3;
const SPREAD = 0.1;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 60_000;
/** Asked so often before a leaf ends, and in a time as long as one counts, however long the waits have become. */
const TRIES_LEFT = 4;

/** A number from 0 to 1, by chance. */
export type Chance = number;

/** Of a leaf that came just now and counts for `lifeMs`. */
export const renewalDelay = (lifeMs: number, chance: Chance): number => Math.max(0, Math.round(lifeMs * (SHARE - SPREAD * chance)));

/** Of one that was found; `now`, epoch ms, by this machine's clock, is all there is. */
export function renewalDelayOf(leaf: { readonly notBefore: number; readonly notAfter: number }, now: number, chance: Chance): number {
  // Not yet valid, or over: whichever of the clock and the leaf is wrong, another leaf is the answer.
  if (now < leaf.notBefore || now >= leaf.notAfter) return 0;
  return Math.max(0, leaf.notBefore + renewalDelay(leaf.notAfter - leaf.notBefore, chance) - now);
}

/** Another issuer signs: at a random moment of the time that there is for it. */
export const hurriedDelay = (withinMs: number, chance: Chance): number => Math.round(Math.max(0, withinMs) * chance);

/**
 * After that many failures in a row. `leaf`: how long the one in use counts still, and how long one counts at all; both 0 where there was none.
 */
export function retryDelay(failures: number, leaf: { readonly leftMs: number; readonly lifeMs: number }, chance: Chance): number {
  const backedOff = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 20));
  const span = leaf.leftMs > 0 ? leaf.leftMs : leaf.lifeMs;
  const inTime = span > 0 ? Math.max(FIRST_RETRY_MS, span / TRIES_LEFT) : LONGEST_RETRY_MS;
  return Math.round(Math.min(backedOff, inTime) * (0.5 + chance / 2));
}

/** For people: `11 s`, `5 min`, `3 h`, `2 d`. */
export function spanInWords(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
  ] as const;
  const [unit, size] = units.find(([, size]) => ms >= 2 * size) ?? ['s', 1_000];
  return `${Math.max(0, Math.ceil(ms / size))} ${unit}`;
}
