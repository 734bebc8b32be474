/**
 * The xds server dead for three leases: Envoys serve what they have, and the server that comes back serves the endpoints it
 * finds in the store before anybody registers again. Only then leases count, and never take the last endpoint.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { realEnvoy } from '../real-envoy.ts';
import { type Installation, installation } from './installation.ts';
import { sendRequests, startTraffic, type Traffic } from './traffic.ts';
import { until } from './until.ts';
import { type Backend, startWorkloads, type Workloads } from './workloads.ts';

const envoy = await realEnvoy();
/** The shortest that the door gives. */
const LEASE_MS = 1_000;
/** Leases count again when the longest one there is has passed since the server's start. */
const UNTIL_LEASES_COUNT_MS = 90_000;

describe.skipIf(!envoy)('the xds server dead for three leases', () => {
  let mesh: Installation;
  let workloads: Workloads;
  let caller: number;
  let traffic: Traffic;
  let first: Backend;
  let second: Backend;
  let v2: Backend;

  beforeAll(async () => {
    mesh = await installation();
    await mesh.start('functions');
    await mesh.start('xds');
    await mesh.apply('rollout:\n  steps:\n    - { weight: 40, hold: 10m }');
    workloads = startWorkloads(mesh, envoy ?? '', LEASE_MS);
    [first, second, v2] = [await workloads.backend('v1'), await workloads.backend('v1'), await workloads.backend('v2')];
    await workloads.register([first, second, v2]);
    caller = await workloads.caller('caller');
    await mesh.deploy('v2');
    await until('the step is served', async () => (await mesh.status()).rollout?.phase === 'holding');
    traffic = startTraffic(caller);
  });
  afterAll(async () => {
    await traffic?.stop();
    await workloads?.stop();
    await mesh?.stop();
  });

  /** Requests that each of the three backends has got out of 400 through this caller. */
  async function reached(port: number): Promise<readonly number[]> {
    const backends = [first, second, v2];
    expect((await traffic.stop()).failures).toEqual([]);
    const before = backends.map(({ served }) => served);
    const tally = await sendRequests(port, 400);
    const counts = backends.map(({ served }, index) => served - (before[index] ?? 0));
    traffic = startTraffic(caller);
    expect(tally.failures).toEqual([]);
    return counts;
  }

  it('loses no request and no endpoint, also for an Envoy that comes before anybody registers', { timeout: 60_000 }, async () => {
    await mesh.kill('xds');
    const meanwhile = await traffic.lasting(3 * LEASE_MS);
    expect(meanwhile).toBeGreaterThan(100);
    console.log(`xds away for three leases: ${meanwhile} requests answered meanwhile, ${traffic.tally.failures.length} failed`);
    await workloads.register([]);
    await mesh.start('xds');

    const newcomer = await workloads.caller('newcomer');
    for (const count of await reached(newcomer)) expect(count).toBeGreaterThan(0);
    for (const count of await reached(caller)) expect(count).toBeGreaterThan(0);
    await traffic.lasting(3 * LEASE_MS);
    for (const count of await reached(newcomer)) expect(count).toBeGreaterThan(0);

    await workloads.register([first, second, v2]);
    for (const count of await reached(newcomer)) expect(count).toBeGreaterThan(0);
    expect(traffic.tally.failures).toEqual([]);
    expect(await mesh.status()).toMatchObject({ rollout: { phase: 'holding', step: 1 } });
  });

  it('then lets one endpoint go whose lease has run out, and keeps the last of a version', { timeout: 180_000 }, async () => {
    await workloads.register([first, v2]);
    await until(
      'the silent endpoint gets nothing more',
      async () => {
        const before = [first.served, second.served];
        await traffic.lasting(1_000);
        return second.served === before[1] && first.served > (before[0] ?? 0);
      },
      UNTIL_LEASES_COUNT_MS,
    );
    const [toFirst = 0, toSecond, toV2 = 0] = await reached(caller);
    expect(toSecond).toBe(0);
    expect(Math.min(toFirst, toV2)).toBeGreaterThan(0);

    await workloads.register([]);
    await until('the last endpoints are said to be silent', async () => (await mesh.log('xds')).match(/the last endpoint of catalog v1/));
    await until('and those of v2', async () => (await mesh.log('xds')).match(/the last endpoint of catalog v2/));
    await traffic.lasting(3 * LEASE_MS);
    const tally = await traffic.stop();
    expect(tally.failures).toEqual([]);
    expect((await sendRequests(caller, 100)).failures).toEqual([]);
  });
});
