/** The interval by which observed splits are judged, against values that were computed in exact rational arithmetic. */
import { describe, expect, it } from 'vitest';
import { binomialInterval, isWithin } from './binomial.ts';

describe('the interval of a binomial count', () => {
  it.each([
    { trials: 10, share: 0.5, low: 0, high: 10 },
    { trials: 20, share: 0.5, low: 3, high: 17 },
    { trials: 100, share: 0.1, low: 2, high: 21 },
    { trials: 2000, share: 0.1, low: 157, high: 245 },
    { trials: 2000, share: 0.3, low: 533, high: 668 },
    { trials: 2400, share: 0.6, low: 1361, high: 1519 },
    { trials: 2000, share: 0.99, low: 1964, high: 1993 },
  ])('at 99.9 % for $trials requests and a share of $share is $low to $high', ({ trials, share, low, high }) => {
    expect(binomialInterval(trials, share, 0.999)).toEqual({ low, high });
  });

  it('agrees with the table of the two-sided sign test at 5 %', () => {
    expect(binomialInterval(20, 0.5, 0.95)).toEqual({ low: 6, high: 14 });
    expect(binomialInterval(100, 0.5, 0.95)).toEqual({ low: 40, high: 60 });
  });

  it('leaves nothing to chance at 0 and 100 %', () => {
    expect(binomialInterval(2000, 0)).toEqual({ low: 0, high: 0 });
    expect(binomialInterval(2000, 1)).toEqual({ low: 2000, high: 2000 });
  });

  it('holds its ends and nothing beyond them', () => {
    const interval = binomialInterval(2000, 0.1, 0.999);
    expect([156, 157, 245, 246].map((count) => isWithin(count, interval))).toEqual([false, true, true, false]);
  });
});
