/** Endpoints under leases, whatever happens: histories of commands and silences at random. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../src/dataplanes/envoy/resources.ts';
import { emptyRegistry, type Registry, type RegistryCommand, servedEndpoints, updateRegistry } from '../../src/xds/registry.ts';
import { LEASE, readinessOf } from './leases.ts';

/** A history: some commands, some time, an expiry, and so on. */
const history = fc.array(
  fc.tuple(
    fc.nat(LEASE),
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant('register' as const),
          endpoint: arbitraryEndpoint(),
          leaseMs: fc.constantFrom(LEASE, LEASE / 3),
          ready: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('deregister' as const), address: arbitraryEndpoint() }) },
      { weight: 8, arbitrary: fc.constant({ kind: 'expire' as const }) },
    ),
  ),
  { maxLength: 60 },
);

function arbitraryEndpoint(): fc.Arbitrary<Endpoint> {
  const service = fc.constantFrom('catalog', 'catalog', 'constructor');
  return fc
    .tuple(fc.integer({ min: 1, max: 8 }), fc.constantFrom('v1', 'v1', 'v2'), service)
    .map(([host, version, service]) => ({ service, version, address: `10.0.0.${host}`, port: 15_006 }));
}

/** Runs `look` after every command of every history. */
function always(
  look: (step: { before: Registry; command: RegistryCommand; after: Registry; now: number }) => void,
  start = emptyRegistry(),
) {
  fc.assert(
    fc.property(history, (steps) => {
      let [registry, now] = [start, 0];
      for (const [pause, command] of steps) {
        now += pause;
        const next = updateRegistry(registry, command, now).registry;
        look({ before: registry, command, after: next, now });
        registry = next;
      }
    }),
    { numRuns: 300 },
  );
}

const versionsOf = (endpoints: readonly Endpoint[]) => new Set(endpoints.map((each) => `${each.service} ${each.version}`));
const registered = (registry: Registry) => registry.leases.filter((lease) => lease.state !== 'expired').map((lease) => lease.endpoint);

describe('whatever happens', () => {
  it('time alone never leaves a version without endpoints', () => {
    always(({ before, command, after }) => {
      if (command.kind === 'expire') expect(versionsOf(servedEndpoints(after))).toEqual(versionsOf(servedEndpoints(before)));
    });
  });

  it('nobody is served who was deregistered, or under a version it has left', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const registered = new Map<string, Endpoint>();
        let [registry, now] = [emptyRegistry(), 0];
        for (const [pause, command] of steps) {
          now += pause;
          registry = updateRegistry(registry, command, now).registry;
          if (command.kind === 'register') registered.set(command.endpoint.address, command.endpoint);
          if (command.kind === 'deregister') registered.delete(command.address.address);
          for (const each of servedEndpoints(registry)) expect(registered.get(each.address)).toEqual(each);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('one expiry never takes more than half of a service', () => {
    always(({ before, command, after }) => {
      if (command.kind !== 'expire') return;
      for (const [service, had] of Map.groupBy(registered(before), (each) => each.service)) {
        const has = registered(after).filter((each) => each.service === service);
        expect(2 * has.length).toBeGreaterThanOrEqual(had.length);
      }
    });
  });

  it('nothing is removed while expiry is suspended, and nothing is known to be dead', () => {
    always(({ before, command, after, now }) => {
      if (command.kind === 'expire') expect(after).toBe(before);
      expect([...readinessOf(after, 'catalog', now).values()]).not.toContain('none');
    }, emptyRegistry(Number.MAX_SAFE_INTEGER));
  });

  it('a version is ready only if one of its endpoints is: heard of within its lease, and ready', () => {
    always(({ after, now }) => {
      for (const [version, readiness] of readinessOf(after, 'catalog', now)) {
        const alive = after.leases.filter(
          ({ endpoint, ready, expiresAt, state }) =>
            endpoint.service === 'catalog' && endpoint.version === version && ready && expiresAt > now && state === 'live',
        );
        expect(readiness === 'ready').toBe(alive.length > 0);
      }
    });
  });

  it('silence alone is known to be death only once somebody else was heard of', () => {
    fc.assert(
      fc.property(history, fc.integer({ min: 2 * LEASE, max: 4 * LEASE }), (steps, silence) => {
        let [registry, now] = [emptyRegistry(), 0];
        for (const [pause, command] of steps) {
          now += pause;
          registry = updateRegistry(registry, command, now).registry;
        }
        const end = now + silence;
        const silent = updateRegistry(registry, { kind: 'expire' }, end).registry;
        for (const [version, before] of readinessOf(registry, 'catalog', now))
          expect(readinessOf(silent, 'catalog', end).get(version)).toBe(before === 'ready' ? 'unknown' : before);

        const stranger: Endpoint = { service: 'cart', version: 'v1', address: '10.0.0.9', port: 15_006 };
        const heard = updateRegistry(silent, { kind: 'register', endpoint: stranger, leaseMs: LEASE, ready: true }, end).registry;
        expect([...readinessOf(heard, 'catalog', end).values()].filter((word) => word !== 'none')).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('a repeated registration changes nothing the second time', () => {
    always(({ command, after, now }) => {
      if (command.kind !== 'register') return;
      const again = updateRegistry(after, command, now);
      expect([again.changed, again.registry]).toEqual([false, after]);
    });
  });

  it('what is told as unchanged is unchanged', () => {
    fc.assert(
      fc.property(history, (steps) => {
        let [registry, now] = [emptyRegistry(), 0];
        for (const [pause, command] of steps) {
          now += pause;
          const next = updateRegistry(registry, command, now);
          if (!next.changed) expect(servedEndpoints(next.registry)).toEqual(servedEndpoints(registry));
          registry = next.registry;
        }
      }),
    );
  });
});
