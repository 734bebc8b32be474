/** A stored commit as the next link of its stream's chain, or what is wrong with it; files of others are read so, whatever they hold. */
import { describe, expect, it } from 'vitest';
import { GENESIS, linkAfter } from '../../src/journal/archive.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import { hashJson } from '../../src/journal/hash.ts';
import { GENESIS_HASH } from '../../src/journal/stream.ts';

const unsigned = {
  version: 1,
  schema: 1,
  at: 0,
  deliveryId: 'd',
  actor: 'kim',
  events: [{ type: 'x' }],
  message: 'm',
  prevHash: GENESIS_HASH,
};
const signed = (fields: JsonObject): JsonObject => ({ ...fields, hash: hashJson(fields) });

describe('a commit', () => {
  it('is the next link', () => {
    expect(linkAfter(GENESIS, 'mesh/shop', signed(unsigned))).toEqual({ version: 1, hash: hashJson(unsigned) });
  });

  it.each<readonly [string, JsonObject, string]>([
    ['of a later version', signed({ ...unsigned, version: 2 }), 'is missing'],
    ['after another one', signed({ ...unsigned, prevHash: 'a'.repeat(64) }), 'does not follow'],
    ['that was changed', { ...signed(unsigned), actor: 'lee' }, 'was changed'],
    ['with half a character, which has no hash', { ...signed(unsigned), actor: '\ud800' }, 'was changed'],
  ])('%s is none', (_what, commit, why) => {
    expect(linkAfter(GENESIS, 'mesh/shop', commit)).toContain(why);
  });
});
