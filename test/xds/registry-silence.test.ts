/** Endpoints that nothing is heard of: when they go, when they stay all the same, and what a silence says of a version. */
import { describe, expect, it } from 'vitest';
import { restoreRegistry } from '../../src/xds/registry.ts';
import { endpoint, expire, LEASE, played, readinessOf, register } from './leases.ts';

describe('a silent endpoint', () => {
  const three = [1, 2, 3].map((host) => register(endpoint(host)));

  it('goes after its lease, while most of its service is heard of', () => {
    const { served, notices, changed } = played([
      [0, ...three],
      [20_000, ...three.slice(1)],
      [30_000, expire],
    ]);
    expect(served).toEqual([2, 3]);
    expect(changed).toBe(true);
    expect(notices).toEqual([]);
  });

  it('comes back by registering, which is a change', () => {
    const { served, changed } = played([
      [0, ...three],
      [20_000, ...three.slice(1)],
      [30_000, expire],
      [31_000, ...three.slice(0, 1)],
    ]);
    expect(served).toEqual([1, 2, 3]);
    expect(changed).toBe(true);
  });

  it('that was held and is heard of again is a change as well: it was known to be dead', () => {
    expect(
      played([
        [0, register(endpoint(1))],
        [30_000, register(endpoint(1))],
      ]).changed,
    ).toBe(true);
  });

  it('is forgotten a lease after it went, so that a service may shrink for good', () => {
    const four = [1, 2, 3, 4].map((host) => register(endpoint(host)));
    const { served, registry } = played([
      [0, ...four],
      [20_000, ...four.slice(2)],
      [30_000, expire],
      [49_000, ...four.slice(3)],
      [60_000, expire],
    ]);
    expect(served).toEqual([4]);
    expect(registry.leases.map(({ endpoint, state }) => [endpoint.address, state])).toEqual([
      ['10.0.0.3', 'expired'],
      ['10.0.0.4', 'live'],
    ]);
  });

  it('stays when it is the last of its version, known dead once others are heard of, and that is said once', () => {
    const others = [register(endpoint(2, 'v2')), register(endpoint(3, 'v2'))];
    const { registry, served, notices } = played([
      [0, register(endpoint(1)), ...others],
      [20_000, ...others],
      [30_000, expire],
      [31_000, ...others, expire],
    ]);
    expect(served).toEqual([1, 2, 3]);
    expect(readinessOf(registry, 'catalog', 31_000)).toEqual(
      new Map([
        ['v1', 'none'],
        ['v2', 'ready'],
      ]),
    );
    expect(notices).toEqual([
      {
        reason: 'LastEndpointLapsed',
        service: 'catalog',
        version: 'v1',
        message:
          'Nothing has been heard of the last endpoint of catalog v1 (10.0.0.1:15006) for a whole lease; it stays in service until it is deregistered.',
      },
    ]);
  });

  it('stays with the others when over half of a service is silent at once, and that is said once', () => {
    const { registry, served, notices } = played([
      [0, ...three],
      [20_000, ...three.slice(2)],
      [30_000, expire],
      [31_000, expire],
    ]);
    expect(served).toEqual([1, 2, 3]);
    expect(readinessOf(registry, 'catalog', 31_000).get('v1')).toBe('ready');
    expect(notices.map(({ reason }) => reason)).toEqual(['MostEndpointsLapsed']);
    expect(notices[0]?.message).toBe(
      '2 of 3 endpoints of catalog fell silent within a lease, too many to believe; they stay in service until they are heard of or deregistered.',
    );
  });

  it('stays too when the half went one by one within a lease', () => {
    const steps = [1, 2, 3, 4].map((host) => [host * 1000, register(endpoint(host))] as const);
    const { served } = played([...steps, [31_000, expire], [32_000, expire], [33_000, expire], [34_000, expire], [35_000, expire]]);
    expect(served).toEqual([3, 4]);
  });

  it('is not known to be dead while everyone is silent: whoever registers them all may be away', () => {
    const { registry, served } = played([
      [0, register(endpoint(1)), register(endpoint(2, 'v2')), register(endpoint(3, 'v1', 'cart'))],
      [20_000, register(endpoint(3, 'v1', 'cart'))],
      [60_000, expire],
    ]);
    expect(served).toHaveLength(3);
    const unknown = new Map([
      ['v1', 'unknown'],
      ['v2', 'unknown'],
    ]);
    expect(readinessOf(registry, 'catalog', 60_000)).toEqual(unknown);

    const { registry: heardOfAgain } = played([[61_000, register(endpoint(3, 'v1', 'cart'))]], registry);
    expect(readinessOf(heardOfAgain, 'catalog', 61_000)).toEqual(new Map([...unknown.keys()].map((version) => [version, 'none'])));
  });

  it('is dead all the same when it said that it was not ready, or has gone', () => {
    const { registry } = played([
      [0, register(endpoint(1), false), register(endpoint(2, 'v2'))],
      [1, { kind: 'deregister', address: endpoint(2) }],
      [60_000, expire],
    ]);
    expect(readinessOf(registry, 'catalog', 60_000)).toEqual(
      new Map([
        ['v1', 'none'],
        ['v2', 'none'],
      ]),
    );
  });

  it('is spoken of again when it happens again', () => {
    const { notices } = played([
      [0, register(endpoint(1))],
      [30_000, expire],
      [31_000, register(endpoint(1)), expire],
      [61_000, expire],
    ]);
    expect(notices.map(({ reason }) => reason)).toEqual(['LastEndpointLapsed', 'LastEndpointLapsed']);
  });

  it('does not count the only endpoints of old versions when others go', () => {
    const old = ['v1', 'v2', 'v3'].map((version, index) => register(endpoint(10 + index, version)));
    const current = [1, 2].map((host) => register(endpoint(host, 'v4')));
    const { served } = played([
      [0, ...old, ...current],
      [20_000, ...current.slice(1)],
      [30_000, expire],
    ]);
    expect(served).toEqual([2, 10, 11, 12]);
  });
});

describe('after our own restart', () => {
  const before = played([[0, register(endpoint(1)), register(endpoint(2))]]).registry;
  const restored = restoreRegistry(JSON.parse(JSON.stringify(before)), 100_000 + LEASE);

  it('everything is as it was stored', () => {
    expect({ ...restored, suspendedUntil: 0 }).toEqual(before);
  });

  it('nothing expires for a lease, and readiness is unknown until somebody is heard of', () => {
    const { registry, served, notices } = played(
      [
        [100_000, expire],
        [129_999, expire],
      ],
      restored,
    );
    expect([served, notices]).toEqual([[1, 2], []]);
    expect(readinessOf(registry, 'catalog', 129_999).get('v1')).toBe('unknown');
    expect(readinessOf(played([[110_000, register(endpoint(1))]], registry).registry, 'catalog', 110_000).get('v1')).toBe('ready');
  });

  it('then silence counts again', () => {
    const { registry, served } = played(
      [
        [110_000, register(endpoint(1))],
        [130_000, expire],
      ],
      restored,
    );
    expect(served).toEqual([1]);
    expect(readinessOf(registry, 'catalog', 130_000).get('v1')).toBe('ready');
  });

  it('what is no registry is not taken for one', () => {
    expect(() => restoreRegistry({ leases: [{}] }, 0)).toThrow();
  });
});
