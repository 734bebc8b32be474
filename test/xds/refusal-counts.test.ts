/** Counting whom a service would refuse: nothing twice, nothing lost, and no more memory than was meant for it. */
import { describe, expect, it } from 'vitest';
import { MOST_NODES, OTHER_NODES, RefusalCounts } from '../../src/xds/refusal-counts.ts';
import { MOST_CALLERS, type Refusals } from '../../src/xds/refusal-entries.ts';

const T0 = Date.parse('2026-11-22T14:00:00Z');
const calls = (callers: Readonly<Record<string, number>>): Refusals => ({
  requests: Object.values(callers).reduce((sum, each) => sum + each, 0),
  callers: new Map(Object.entries(callers)),
});
const total = (counts: RefusalCounts) => counts.unwritten().reduce((sum, { refused }) => sum + refused, 0);

describe('counts', () => {
  it('add up by service, node and caller', () => {
    const counts = new RefusalCounts();
    counts.take('catalog', 'n1', calls({ a: 2 }), T0);
    counts.take('catalog', 'n2', calls({ a: 1 }), T0 + 1);
    counts.take('cart', 'n3', calls({ a: 1 }), T0 + 2);
    counts.take('catalog', 'n1', calls({ a: 1, b: 4 }), T0 + 3);
    expect(counts.unwritten()).toEqual([
      {
        service: 'catalog',
        node: 'n1',
        since: T0,
        refused: 7,
        callers: [
          { caller: 'a', refused: 3 },
          { caller: 'b', refused: 4 },
        ],
      },
      { service: 'catalog', node: 'n2', since: T0, refused: 1, callers: [{ caller: 'a', refused: 1 }] },
      { service: 'cart', node: 'n3', since: T0 + 2, refused: 1, callers: [{ caller: 'a', refused: 1 }] },
    ]);
  });

  it('are written once, and again when they have changed, also while they were being written', () => {
    const counts = new RefusalCounts();
    counts.take('catalog', 'n1', calls({ a: 2 }), T0);
    counts.take('catalog', 'n2', calls({ a: 2 }), T0);
    const writing = counts.unwritten();
    counts.take('catalog', 'n1', calls({ a: 1 }), T0);
    counts.written(writing);
    expect(counts.unwritten()).toMatchObject([{ node: 'n1', refused: 3 }]);
    counts.written(counts.unwritten());
    expect(counts.unwritten()).toEqual([]);
    counts.tellAgain();
    expect(counts.unwritten()).toHaveLength(2);
  });

  it('of a service that leaves shadow are forgotten, and begin anew when it comes back', () => {
    const counts = new RefusalCounts();
    counts.take('catalog', 'n1', calls({ a: 2 }), T0);
    counts.take('cart', 'n2', calls({ a: 2 }), T0);
    const writing = counts.unwritten();
    counts.forgetBut((service) => service === 'cart');
    expect(counts.unwritten()).toMatchObject([{ service: 'cart' }]);
    counts.take('catalog', 'n1', calls({ a: 2 }), T0 + 5);
    counts.written(writing);
    expect(counts.unwritten()).toMatchObject([{ service: 'catalog', since: T0 + 5, refused: 2 }]);
  });
});

describe('callers and nodes without end', () => {
  it('take no more than so many callers a service; the requests of the others are counted', () => {
    const counts = new RefusalCounts();
    for (let index = 0; index < MOST_CALLERS * 3; index += 1) counts.take('catalog', `n${index % 2}`, calls({ [`a${index}`]: 1 }), T0);
    counts.take('catalog', 'n0', { requests: 7, callers: new Map() }, T0);
    const written = counts.unwritten();
    expect(new Set(written.flatMap(({ callers }) => callers.map(({ caller }) => caller))).size).toBe(MOST_CALLERS);
    expect(total(counts)).toBe(MOST_CALLERS * 3 + 7);
  });

  it('take no more than so many nodes a service; the requests at the others are counted together', () => {
    const counts = new RefusalCounts();
    for (let index = 0; index < MOST_NODES + 30; index += 1) counts.take('catalog', `n${index}`, calls({ a: 1 }), T0);
    const written = counts.unwritten();
    expect(written).toHaveLength(MOST_NODES + 1);
    expect(written.at(-1)).toMatchObject({ node: OTHER_NODES, refused: 30 });
  });
});
