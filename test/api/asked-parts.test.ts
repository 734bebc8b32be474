/** Numbers of a query, as they are written. */
import { describe, expect, it } from 'vitest';
import { page } from '../../src/api/asked-parts.ts';

describe('a page', () => {
  it.each<readonly [Readonly<Record<string, string>>, object]>([
    [{}, { after: 0, limit: 200 }],
    [
      { after: '7', limit: '1000' },
      { after: 7, limit: 1_000 },
    ],
    [{ after: String(Number.MAX_SAFE_INTEGER) }, { after: Number.MAX_SAFE_INTEGER, limit: 200 }],
  ])('%o', (query, asked) => {
    expect(page(1_000, 200).parse(query)).toEqual(asked);
  });

  it.each(['', ' 7', '-1', '+1', '1.5', '1e3', '0x10', 'NaN', '9007199254740992', '٣'])('is none after %j', (after) => {
    expect(page(1_000, 200).safeParse({ after }).success).toBe(false);
  });

  it.each(['0', '1001', ''])('is none with a limit of %j', (limit) => {
    expect(page(1_000, 200).safeParse({ limit }).success).toBe(false);
  });
});
