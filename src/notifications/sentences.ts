/** Pieces of sentences that every telling is made of: reasons, times of day, full stops. */

export const LATEST_INSTANT = 8.64e15;

/** `before` the time of day and `after`, or nothing when there is no time. */
export function byWhen(before: string, until: number | undefined, at: number, after = ''): string {
  return until === undefined ? '' : `${before} ${clock(until, at)}${after}`;
}

/** `: because.` or a full stop. */
export const reason = (text: string | undefined): string => (text === undefined ? '.' : `: ${closed(text)}`);

/** Ends with exactly the stop it has, or with one of its own. */
export function closed(text: string): string {
  const trimmed = text.trim();
  return /[.!?…]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

/** The time of day; with the day where it is another day than that of `at`. */
function clock(instant: number, at: number): string {
  const [day, time] = utc(instant).split(' ');
  return utc(at).startsWith(day ?? '') ? `${time} UTC` : utc(instant);
}

export function utc(instant: number): string {
  const inRange = Math.min(Math.max(instant, -LATEST_INSTANT), LATEST_INSTANT);
  return new Date(inRange).toISOString().replace(/T([0-9:]+)\..*$/, ' $1 UTC');
}
