/**
 * The exact acceptance interval of a binomial count: which numbers of successes are to be expected when each of `trials`
 * independent requests goes one way with probability `share`. Sums the distribution itself, with no approximation by a normal one.
 */

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * The narrowest `low..high` outside which a count falls with at most `(1 - confidence) / 2` on either side. `share` lies
 * strictly between 0 and 1; a weight of 0 or 100 % leaves nothing to chance and gives the one count there is. The default is for checks
 * that are made once: all of them together may be wrong by chance in one run of thousands.
 */
export function binomialInterval(trials: number, share: number, confidence = 0.99999): Interval {
  if (share <= 0) return { low: 0, high: 0 };
  if (share >= 1) return { low: trials, high: trials };
  const tail = (1 - confidence) / 2;
  const low = countBelow(trials, share, tail);
  return { low, high: trials - countBelow(trials, 1 - share, tail) };
}

export const isWithin = (count: number, { low, high }: Interval): boolean => count >= low && count <= high;

/** The smallest count that is not in the lower tail: P(X < count) <= tail < P(X <= count). */
function countBelow(trials: number, share: number, tail: number): number {
  let sum = 0;
  let logChoices = 0;
  for (let count = 0; count <= trials; count += 1) {
    if (count > 0) logChoices += Math.log(trials - count + 1) - Math.log(count);
    sum += Math.exp(logChoices + count * Math.log(share) + (trials - count) * Math.log1p(-share));
    if (sum > tail) return count;
  }
  return trials;
}
