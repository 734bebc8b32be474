/** Endpoints under leases: who is served, who says that it is not ready, and which versions are known. */
import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../src/dataplanes/envoy/resources.ts';
import { emptyRegistry, type RegistryCommand, restoreRegistry, servedEndpoints } from '../../src/xds/registry.ts';
import { endpoint, expire, played, readinessOf, register } from './leases.ts';

describe('registering', () => {
  it('serves an endpoint from then on, and knows its version as ready', () => {
    const { registry, served, changed } = played([[0, register(endpoint(1))]]);
    expect(served).toEqual([1]);
    expect(changed).toBe(true);
    expect(readinessOf(registry, 'catalog', 0)).toEqual(new Map([['v1', 'ready']]));
  });

  it('again is a renewal, which changes nothing but the time', () => {
    const renewed = played([
      [0, register(endpoint(1))],
      [20_000, register(endpoint(1))],
    ]);
    expect(renewed.changed).toBe(false);
    expect(played([[45_000, expire]], renewed.registry).notices).toEqual([]);
    expect(readinessOf(renewed.registry, 'catalog', 45_000).get('v1')).toBe('ready');
  });

  it('from another region, or with mTLS now, is a change, which is served and survives a restart', () => {
    const said: Endpoint = { ...endpoint(1), region: 'near', mtls: true };
    for (const [before, after] of [
      [endpoint(1), said],
      [said, { ...said, region: 'far' }],
      [said, { ...said, mtls: false }],
    ] as const) {
      const { registry, changed } = played([
        [0, register(before)],
        [20_000, register(after)],
      ]);
      expect(changed).toBe(true);
      expect(servedEndpoints(restoreRegistry(JSON.parse(JSON.stringify(registry)), 0))).toEqual([after]);
    }
  });

  it('under another version takes the address from the old one', () => {
    const { registry } = played([
      [0, register(endpoint(1, 'v1'))],
      [1, register(endpoint(1, 'v2'))],
    ]);
    expect(servedEndpoints(registry)).toEqual([endpoint(1, 'v2')]);
    expect(readinessOf(registry, 'catalog', 1)).toEqual(
      new Map([
        ['v1', 'none'],
        ['v2', 'ready'],
      ]),
    );
  });
});

describe('an endpoint that says it is not ready', () => {
  it('gets nothing while another of its version is ready', () => {
    const { served, changed } = played([
      [0, register(endpoint(1)), register(endpoint(2))],
      [1, register(endpoint(1), false)],
    ]);
    expect(served).toEqual([2]);
    expect(changed).toBe(true);
  });

  it('stays in service when it is all its version has, which is known to be dead', () => {
    const { registry, served } = played([
      [0, register(endpoint(1)), register(endpoint(2, 'v2'))],
      [1, register(endpoint(1), false)],
    ]);
    expect(served).toEqual([1, 2]);
    expect(readinessOf(registry, 'catalog', 1).get('v1')).toBe('none');
  });

  it('is ready again when it says so', () => {
    const { registry } = played([
      [0, register(endpoint(1), false)],
      [1, register(endpoint(1), true)],
    ]);
    expect(readinessOf(registry, 'catalog', 1).get('v1')).toBe('ready');
  });
});

describe('deregistering', () => {
  it('takes even the last endpoint out, and its version is known to be dead', () => {
    const { registry, served } = played([
      [0, register(endpoint(1))],
      [1, { kind: 'deregister', address: endpoint(1) }],
    ]);
    expect(served).toEqual([]);
    expect(readinessOf(registry, 'catalog', 1)).toEqual(new Map([['v1', 'none']]));
  });

  it('twice, or of a stranger, changes nothing', () => {
    expect(
      played([
        [0, register(endpoint(1))],
        [1, { kind: 'deregister', address: endpoint(2) }],
      ]),
    ).toMatchObject({ changed: false, served: [1] });
  });
});

describe('a version nobody ever registered', () => {
  it('is not known at all', () => {
    expect(readinessOf(emptyRegistry(), 'catalog', 0)).toEqual(new Map());
  });
});

describe('a version without endpoints', () => {
  const gone: RegistryCommand = { kind: 'deregister', address: endpoint(1) };
  const expireBeside = (...versions: readonly string[]): RegistryCommand => ({
    kind: 'expire',
    planned: versions.map((version) => ({ service: 'catalog', version })),
  });

  it('is known to have none for as long as a plan names it, and forgotten then', () => {
    const { registry } = played([
      [0, register(endpoint(1)), register(endpoint(2, 'v2')), gone],
      [1, expireBeside('v1', 'v2')],
    ]);
    expect(readinessOf(registry, 'catalog', 1).get('v1')).toBe('none');
    const later = played([[2, expireBeside('v2')]], registry);
    expect(readinessOf(later.registry, 'catalog', 2)).toEqual(new Map([['v2', 'ready']]));
    expect(later.changed, 'nothing that is served').toBe(false);
  });

  it('is remembered while it has some, whatever plans name', () => {
    const { registry } = played([[0, register(endpoint(1)), expireBeside()]]);
    expect(readinessOf(registry, 'catalog', 0)).toEqual(new Map([['v1', 'ready']]));
  });

  it('is not kept of every release there ever was', () => {
    const releases = Array.from({ length: 500 }, (_, n) => [n, register(endpoint(1, `v${n}`)), expireBeside(`v${n}`)] as const);
    expect(played(releases).registry.seen).toEqual([{ service: 'catalog', version: 'v499' }]);
  });
});
