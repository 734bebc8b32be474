import { afterEach, describe, expect, it } from 'vitest';
import { readInstant } from '../../src/intake/instant.ts';

const zone = process.env.TZ;

afterEach(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

describe('readInstant', () => {
  it.each([
    ['2026-11-22T14:03:00Z', Date.UTC(2026, 10, 22, 14, 3)],
    ['2026-11-22T14:03:00.276585742Z', Date.UTC(2026, 10, 22, 14, 3, 0, 276)],
    ['2026-11-22T14:03:00.6549614+01:00', Date.UTC(2026, 10, 22, 13, 3, 0, 654)],
    ['2026-11-22t14:03:00z', Date.UTC(2026, 10, 22, 14, 3)],
    ['2026-11-22 14:03:00', Date.UTC(2026, 10, 22, 14, 3)],
    ['11/22/2026 1:51:33 PM', Date.UTC(2026, 10, 22, 13, 51, 33)],
    ['3/2/2026 12:00:05 AM', Date.UTC(2026, 2, 2, 0, 0, 5)],
    ['3/2/2026 12:00:05 PM', Date.UTC(2026, 2, 2, 12, 0, 5)],
  ])('reads %s, wherever it runs', (text, time) => {
    process.env.TZ = 'America/New_York';
    expect(readInstant(text)).toBe(time);
  });

  it.each(['', 'now', '2026-11-22', '2026-13-22T14:03:00Z', '13/22/2026 1:51:33 PM', '1/2/2026 13:00:00 PM', '1700000000'])(
    'takes %j for no time',
    (text) => {
      expect(readInstant(text)).toBeUndefined();
    },
  );
});
