/** Keeping one mesh's data planes at the model: what becomes of words that cannot be written, and of what cannot be read. */
import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../src/dataplanes/envoy/resources.ts';
import { LONGEST_LEASE_MS, MeshWatch } from '../../src/xds/mesh-watch.ts';
import { testEncoder } from './real-envoy.ts';
import { never, storeThatFails, writing } from './store-that-fails.ts';

const encode = await testEncoder();
const LEASE = 30_000;
const T0 = Date.parse('2026-11-22T14:00:00Z');

const endpoint = (host: number, version = 'v1', service = 'catalog'): Endpoint => ({
  service,
  version,
  address: `10.0.0.${host}`,
  port: 15_006,
});
const register = (of: Endpoint, ready = true) => ({ kind: 'register', endpoint: of, leaseMs: LEASE, ready }) as const;

/** A watch of `shop` with the data plane `vms`; `write` is what its words of readiness are written with. */
async function watching(write: (words: string) => Promise<void> = async () => {}) {
  const store = storeThatFails();
  const problems: string[] = [];
  const notices: string[] = [];
  const clock = { now: T0 };
  const watch = new MeshWatch({
    mesh: 'shop',
    documents: store.documents,
    encode,
    now: () => clock.now,
    onChange: () => {},
    onReadiness: (_dataPlane, service, versions) => write(`${service} ${JSON.stringify(versions)}`),
    onNotice: (dataPlane, { reason, service }) => notices.push(`${dataPlane} ${service} ${reason}`),
    report: (problem) => problems.push(problem),
  });
  await watch.adopt('vms');
  clock.now += LONGEST_LEASE_MS;
  return { store, problems, notices, clock, watch };
}

/** All that has been begun by now and needs no outside to end. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('an endpoint that is silent and kept all the same', () => {
  it('is said once for as long as it lasts, and not before it is stored', async () => {
    const { watch, notices, clock, store } = await watching();
    await watch.endpoints('vms', [register(endpoint(1))]);
    clock.now += LEASE;
    store.fails = writing('endpoints');
    await expect(watch.expire()).rejects.toThrow();
    expect(notices).toEqual([]);

    store.fails = never;
    for (let looks = 0; looks < 3; looks += 1) await watch.expire();
    expect(notices).toEqual(['vms catalog LastEndpointLapsed']);
  });
});

describe('readiness', () => {
  it('that could not be written is told again with the next look at the leases, and then no more', async () => {
    const told: string[] = [];
    let away = true;
    const { watch, problems } = await watching(async (words) => {
      told.push(words);
      if (away) throw new Error('the store is away');
    });
    await watch.endpoints('vms', [register(endpoint(1))]);
    await settled();
    expect(told).toEqual(['catalog {"v1":"ready"}']);
    expect(problems).toEqual(['The readiness of catalog could not be written; it is tried again.']);

    away = false;
    for (let looks = 0; looks < 3; looks += 1) {
      await watch.expire();
      await settled();
    }
    expect(told).toEqual(['catalog {"v1":"ready"}', 'catalog {"v1":"ready"}']);
  });

  it('is written in the order in which it changed, however long the first write takes', async () => {
    const first = Promise.withResolvers<void>();
    const written: string[] = [];
    let writes = 0;
    const { watch } = await watching(async (words) => {
      writes += 1;
      if (writes === 1) await first.promise;
      written.push(words);
    });
    await watch.endpoints('vms', [register(endpoint(1))]);
    await watch.endpoints('vms', [register(endpoint(1), false)]);
    await settled();
    expect(written).toEqual([]);
    first.resolve();
    await settled();
    expect(written).toEqual(['catalog {"v1":"ready"}', 'catalog {"v1":"none"}']);
  });

  it('of one service waits for no other', async () => {
    const written: string[] = [];
    const { watch } = await watching(async (words) => {
      if (words.startsWith('catalog')) await new Promise<void>(() => {});
      written.push(words);
    });
    await watch.endpoints('vms', [register(endpoint(1)), register(endpoint(2, 'v1', 'cart'))]);
    await settled();
    expect(written).toEqual(['cart {"v1":"ready"}']);
  });

  it('of a version that is gone and in no plan is taken back, and then not spoken of any more', async () => {
    const told: string[] = [];
    const { watch } = await watching(async (words) => void told.push(words));
    await watch.endpoints('vms', [register(endpoint(1))]);
    await watch.endpoints('vms', [{ kind: 'deregister', address: endpoint(1) }]);
    for (let looks = 0; looks < 3; looks += 1) await watch.expire();
    await settled();
    expect(told).toEqual(['catalog {"v1":"ready"}', 'catalog {"v1":"none"}', 'catalog {}']);
  });
});
