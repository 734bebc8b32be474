/** Endpoints under leases, and a registry after commands at their times. */
import type { Endpoint } from '../../src/dataplanes/envoy/resources.ts';
import type { Registry, RegistryCommand, RegistryNotice } from '../../src/xds/registry.ts';
import { emptyRegistry, readinessOf as readinessOfAll, servedEndpoints, updateRegistry } from '../../src/xds/registry.ts';

export const LEASE = 30_000;
export const readinessOf = (registry: Registry, service: string, now: number) => readinessOfAll(registry, now).get(service) ?? new Map();

export const endpoint = (host: number, version = 'v1', service = 'catalog'): Endpoint => ({
  service,
  version,
  address: `10.0.0.${host}`,
  port: 15_006,
});
export const register = (of: Endpoint, ready = true): RegistryCommand => ({ kind: 'register', endpoint: of, leaseMs: LEASE, ready });
export const expire: RegistryCommand = { kind: 'expire' };

/** Commands at their times, one after the other; everything that was said on the way. */
export function played(steps: readonly (readonly [now: number, ...commands: RegistryCommand[]])[], start = emptyRegistry()) {
  const notices: RegistryNotice[] = [];
  let [registry, changed] = [start, false];
  for (const [now, ...commands] of steps) {
    changed = false;
    for (const command of commands) {
      const change = updateRegistry(registry, command, now);
      registry = change.registry;
      changed ||= change.changed;
      notices.push(...change.notices);
    }
  }
  return { registry, changed, notices, served: hosts(registry) };
}

function hosts(registry: Registry): number[] {
  return servedEndpoints(registry)
    .map((each) => Number(each.address.split('.')[3]))
    .sort((a, b) => a - b);
}
