/** What is told of a node, event by event: once for each thing that is new. */
import { describe, expect, it } from 'vitest';
import type { NodeEvent } from '../../src/xds/ads-server.ts';
import { SeenNodes } from '../../src/xds/seen-nodes.ts';

const served = (sequence: number, ...without: string[]): NodeEvent => ({ fact: 'served', sequence, without });
const rejected: NodeEvent = { fact: 'rejected', type: 'route', sequence: 2, message: 'bad route', resources: ['outbound'] };
const told = (...events: NodeEvent[]) => {
  const nodes = new SeenNodes();
  return events.map((event, index) => nodes.take('n1', event, index));
};

describe('a node', () => {
  it('is told when it connects, serves something newer and goes away', () => {
    expect(told({ fact: 'connected' }, served(1), served(2), { fact: 'disconnected' })).toEqual([
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
