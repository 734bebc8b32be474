/** What is told of a node, event by event: once for each thing that is new. */
import { describe, expect, it } from 'vitest';
import { type SeenEvent, SeenNodes } from '../../src/xds/seen-nodes.ts';

const served = (sequence: number, ...without: string[]): SeenEvent => ({ fact: 'served', sequence, without });
const rejected: SeenEvent = { fact: 'rejected', type: 'route', sequence: 2, message: 'bad route', resources: ['outbound'] };
const told = (...events: SeenEvent[]) => {
  const nodes = new SeenNodes();
  return events.map((event, index) => nodes.take('n1', event, index));
};

describe('a node', () => {
  it('is told when it connects, serves something newer and goes away', () => {
    expect(told({ fact: 'connected', identity: false }, served(1), served(2), { fact: 'disconnected' })).toEqual([
      { node: 'n1', served: 0 },
      { node: 'n1', served: 1 },
      { node: 'n1', served: 2 },
      { node: 'n1', served: 2, goneAt: 3 },
    ]);
  });

  it('is not told again for what is known, as when it comes back on another stream', () => {
    expect(told(served(2, 'cart.store'), served(2, 'cart.store'), served(1, 'cart.store'))).toEqual([
      { node: 'n1', served: 2, without: ['cart.store'] },
      undefined,
      undefined,
    ]);
  });

  it('keeps the words of its refusal for as long as it goes without something', () => {
    const refusal = { sequence: 2, message: 'bad route' };
    expect(told(served(1), rejected, served(2, 'cart.store'), served(3, 'cart.store'), served(4))).toEqual([
      { node: 'n1', served: 1 },
      { node: 'n1', served: 1, rejected: refusal },
      { node: 'n1', served: 2, without: ['cart.store'], rejected: refusal },
      { node: 'n1', served: 3, without: ['cart.store'], rejected: refusal },
      { node: 'n1', served: 4 },
    ]);
  });

  it('is told when it goes without something else at the same sequence', () => {
    expect(told(served(2, 'cart.store'), served(2, 'catalog.store'), served(2))).toEqual([
      { node: 'n1', served: 2, without: ['cart.store'] },
      { node: 'n1', served: 2, without: ['catalog.store'] },
      { node: 'n1', served: 2 },
    ]);
  });
});

describe('a node with an identity', () => {
  const [a, b] = ['a'.repeat(64), 'b'.repeat(64)];
  const connected: SeenEvent = { fact: 'connected', identity: true };
  const offered = (...roots: string[]): SeenEvent => ({ fact: 'offered', roots });
  const trusts = (...roots: string[]): SeenEvent => ({ fact: 'trusts', roots });
  const distrusts = (...roots: string[]): SeenEvent => ({ fact: 'distrusts', roots, message: 'bad root' });
  const bundles = (...events: SeenEvent[]) => told(...events).map((seen) => seen?.bundle);

  it('is told with the roots that it was sent, those that it has and those that it did not take', () => {
    expect(bundles(connected, offered(a), trusts(a), offered(a, b), distrusts(a, b), offered(a), trusts(a))).toEqual([
      { offered: [], accepted: [] },
      { offered: [a], accepted: [] },
      { offered: [a], accepted: [a] },
      { offered: [a, b], accepted: [a] },
      { offered: [a, b], accepted: [a], refused: { roots: [a, b], message: 'bad root' } },
      { offered: [a], accepted: [a], refused: { roots: [a, b], message: 'bad root' } },
      { offered: [a], accepted: [a], refused: { roots: [a, b], message: 'bad root' } },
    ]);
  });

  it('has what it had when it comes back, and refuses no more what it has taken after all', () => {
    expect(bundles(connected, offered(b), distrusts(b), { fact: 'disconnected' }, connected, offered(b), trusts(b)).at(-1)).toEqual({
      offered: [b],
      accepted: [b],
    });
  });

  it('refuses no service with its bundle', () => {
    const refusal: SeenEvent = { fact: 'rejected', type: 'secret', sequence: 2, message: 'bad root', resources: ['bundle'] };
    expect(told(served(1), refusal)).toEqual([{ node: 'n1', served: 1 }, undefined]);
  });
});
