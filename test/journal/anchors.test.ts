/** Anchors of the journal: written in one form, read only as they were written, and what a chain that was made anew lacks of them. */
import { describe, expect, it } from 'vitest';
import { type Anchor, AnchorCheck, type AnchoredHead, anchorOf, readAnchor } from '../../src/journal/anchors.ts';
import { hashJson, sha256 } from '../../src/journal/hash.ts';

const CATALOG = 'service/shop/catalog';
const at = (day: string): number => Date.parse(`${day}T00:20:00Z`);
const head = (version: number, of = 'first', stream = CATALOG): AnchoredHead => ({ stream, version, hash: sha256(`${of} ${version}`) });

function anchor(day: string, ...heads: readonly AnchoredHead[]): Anchor {
  const read = readAnchor(day, anchorOf(at(day), heads).text);
  if (typeof read === 'string') throw new Error(read);
  return read;
}

/** What is said of a journal whose stream `catalog` has these commits. */
function told(anchors: readonly Anchor[], commits: readonly AnchoredHead[]): readonly string[] {
  const check = new AnchorCheck();
  const disagreeing = anchors.flatMap((each) => check.add(each));
  for (const { stream, version, hash } of commits) check.commit(stream, version, hash);
  return [...disagreeing, ...check.problems()];
}

describe('an anchor', () => {
  it('is of the day on which it was made, by UTC', () => {
    expect(anchorOf(Date.parse('2026-11-22T23:59:59.999Z'), []).day).toBe('2026-11-22');
    expect(anchorOf(Date.parse('2026-11-23T00:00:00Z'), []).day).toBe('2026-11-23');
  });

  it('reads as it was written, whatever the order of its fields', () => {
    const { text } = anchorOf(at('2026-11-22'), [head(3)]);
    const turned = JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text)).reverse()));
    expect(readAnchor('2026-11-22', text)).toMatchObject({ day: '2026-11-22', heads: [head(3)] });
    expect(readAnchor('2026-11-22', turned)).toEqual(readAnchor('2026-11-22', text));
  });

  it('of which anything is changed is none', () => {
    const { text } = anchorOf(at('2026-11-22'), [head(3), head(1, 'first', 'mesh/shop')]);
    for (const [was, now] of [
      ['"version":3', '"version":2'],
      ['catalog', 'catalox'],
      [head(3).hash, head(4).hash],
      [`${at('2026-11-22')}`, `${at('2026-11-22') + 1}`],
    ] as const) {
      expect(text).toContain(was);
      expect(readAnchor('2026-11-22', text.replace(was, now))).toBe('The anchor of 2026-11-22 was changed after it was written.');
    }
  });

  it('kept for another day than it was made on is none, and neither is anything else', () => {
    const { text } = anchorOf(at('2026-11-22'), []);
    expect(readAnchor('2026-11-23', text)).toBe('The anchor that is kept for 2026-11-23 was written on another day.');
    const { sha256: _, ...unsigned } = JSON.parse(text);
    const early = { ...unsigned, at: at('2026-11-21') };
    const writtenEarly = JSON.stringify({ ...early, sha256: hashJson(early) });
    expect(readAnchor('2026-11-22', writtenEarly)).toBe('The anchor that is kept for 2026-11-22 was written on another day.');
    for (const other of ['', 'hello', '[]', '{}', text.replace('"format":1', '"format":2')])
      expect(readAnchor('2026-11-22', other)).toMatch(/^What is kept for 2026-11-22 is no anchor of a journal/);
  });
});

describe('a journal held against its anchors', () => {
  const anchors = [anchor('2026-11-20', head(2)), anchor('2026-11-21', head(2)), anchor('2026-11-22', head(4))];

  it('that went on from them has nothing said of it', () => {
    expect(
      told(
        anchors,
        [1, 2, 3, 4, 5].map((version) => head(version)),
      ),
    ).toEqual([]);
    expect(
      told(
        anchors,
        [5, 4, 3, 2, 1].map((version) => head(version)),
      ),
    ).toEqual([]);
  });

  it('that was shortened is named, with the first day that had more', () => {
    expect(told(anchors, [head(1), head(2), head(3)])).toEqual([
      `${CATALOG} was shortened: on 2026-11-22 it was at version 4, and it ends at 3.`,
    ]);
    expect(told(anchors, [head(1)])).toEqual([`${CATALOG} was shortened: on 2026-11-20 it was at version 2, and it ends at 1.`]);
  });

  it('that was written anew is named, with the first day that had another', () => {
    const anew = [1, 2, 3, 4, 5].map((version) => head(version, 'other'));
    expect(told(anchors, anew)).toEqual([`${CATALOG} was rewritten: version 2 is another commit than the anchor of 2026-11-20 has.`]);
    const later = [head(1), head(2), head(3, 'other'), head(4, 'other')];
    expect(told(anchors, later)).toEqual([`${CATALOG} was rewritten: version 4 is another commit than the anchor of 2026-11-22 has.`]);
  });

  it('of which a stream is gone is named', () => {
    const [cart, mesh] = [head(1, 'first', 'service/shop/cart'), head(1, 'first', 'mesh/shop')];
    expect(told([anchor('2026-11-20', mesh, cart)], [mesh])).toEqual(['service/shop/cart is gone: on 2026-11-20 it was at version 1.']);
  });

  it('that was written anew between two anchors is named even where it is held against the later only', () => {
    const both = [anchor('2026-11-20', head(2)), anchor('2026-11-21', head(2, 'other'))];
    const anew = [head(1, 'other'), head(2, 'other')];
    expect(told(both, anew)).toEqual([
      `${CATALOG} was rewritten between 2026-11-20 and 2026-11-21: version 2 is another commit in each of their anchors.`,
      `${CATALOG} was rewritten: version 2 is another commit than the anchor of 2026-11-20 has.`,
    ]);
  });
});
