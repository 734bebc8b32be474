/**
 * Which endpoint of a service gets a request, and when none does: ejection, limits, hashing, regions and hosts outside, of plans
 * that are rendered for Istio, with real requests. Endpoints are bare backends where only the caller's side is looked at.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, sendRequests } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import { type Backend, startBackend } from './backend.ts';
import { loopbackAddress } from './envoy.ts';
import type { IstioCaller, IstioService } from './istio-envoys.ts';
import { type PlannedMesh, planOf, startPlannedMesh } from './istio-plans.ts';
import { Started } from './process.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery')) && (await realEnvoy()) !== undefined;

const PORT = 8080;
const serviceNamed = (name: string): IstioService => ({ name, namespace: 'shop', port: PORT });
const v1 = [{ version: 'v1', weight: 100 }];

describe.skipIf(!have)('endpoints of a plan on Istio', () => {
  const started = new Started();
  let mesh: PlannedMesh;
  let web: IstioCaller;

  beforeAll(async () => {
    mesh = started.add(await startPlannedMesh());
    web = await mesh.envoys.caller('web', 'shop', PORT);
  });
  afterAll(() => started.stop());

  async function endpointsOf(service: IstioService, count: number): Promise<Backend[]> {
    await mesh.envoys.service(service);
    const workloads = Array.from({ length: count }, () => mesh.envoys.workload(service, 'v1', { sidecar: false }));
    return (await Promise.all(workloads)).map(({ backend }) => backend);
  }

  /** The first answers may come before all endpoints are known. */
  const reachesAll = (service: IstioService, backends: readonly Backend[]): Promise<unknown> =>
    until(`${service.name} is reached at all its endpoints`, async () => {
      forget(backends);
      await sendRequests(web.to(service), 60);
      return backends.every(({ received }) => received.length > 0);
    });

  const forget = (backends: readonly Backend[]): void => {
    for (const { received } of backends) received.length = 0;
  };
  const counts = (backends: readonly Backend[]): number[] => backends.map(({ received }) => received.length);

  /** Endpoints that the caller has ejected. */
  async function ejected(service: IstioService): Promise<number> {
    const clusters = (await web.envoy.admin('/clusters')).split('\n');
    return clusters.filter((line) => line.includes(`|v1|${service.name}.`) && line.includes('/failed_outlier_check')).length;
  }

  it('ejects an endpoint that fails so often in a row, and no other', async () => {
    const stock = serviceNamed('stock');
    const outlierDetection = { consecutiveErrors: 3, intervalMs: 500, ejectionMs: 60_000, maxEjectionPercent: 100 };
    await mesh.bring(planOf(stock, v1, { outlierDetection }));
    const backends = await endpointsOf(stock, 3);
    await reachesAll(stock, backends);
    const [failing] = backends;
    if (failing) failing.behave = () => ({ status: 500 });
    await until('the failing endpoint is out', async () => {
      await sendRequests(web.to(stock), 30);
      return (await ejected(stock)) === 1;
    });
    forget(backends);
    await sendRequests(web.to(stock), 300);
    const [none, ...rest] = counts(backends);
    expect(none).toBe(0);
    expect(rest.reduce((sum, count) => sum + count, 0)).toBe(300);
  });

  it('ejects no more endpoints at a time than the share says', async () => {
    const prices = serviceNamed('prices');
    const outlierDetection = { consecutiveErrors: 2, intervalMs: 200, ejectionMs: 60_000, maxEjectionPercent: 50 };
    await mesh.bring(planOf(prices, v1, { outlierDetection }));
    const backends = await endpointsOf(prices, 3);
    await reachesAll(prices, backends);
    for (const backend of backends) backend.behave = () => ({ status: 500 });
    await until('an endpoint is out', async () => {
      await sendRequests(web.to(prices), 30);
      return (await ejected(prices)) > 0;
    });
    await sendRequests(web.to(prices), 300);
    expect(await ejected(prices)).toBe(1);
  });

  it('limits each caller by itself, not all of them together at the service', async () => {
    const catalog = serviceNamed('catalog');
    await mesh.envoys.service(catalog);
    const { backend } = await mesh.envoys.workload(catalog, 'v1');
    const mobile = await mesh.envoys.caller('mobile', 'shop', PORT);
    await mesh.bring(planOf(catalog, v1, { circuitBreaker: { maxRequests: 2 } }));
    for (const caller of [web, mobile]) await until('catalog answers', async () => 'version' in (await ask(caller.to(catalog))));
    backend.behave = () => ({ delayMs: 4_000 });
    const refusedOf = async (caller: IstioCaller) => (await sendRequests(caller.to(catalog), 20)).failures;
    await until('a third request of one caller is refused', async () => (await refusedOf(web)).length > 0);
    forget([backend]);
    const refused = await Promise.all([refusedOf(web), refusedOf(mobile)]);
    expect(new Set(refused.flat())).toEqual(
      new Set(['503 upstream connect error or disconnect/reset before headers. reset reason: overflow']),
    );
    expect(refused.map((each) => each.length)).toEqual([18, 18]);
    expect(counts([backend])).toEqual([4]);
  });

  it('reaches one endpoint with equal values of a header, and more than one in all', async () => {
    const carts = serviceNamed('carts');
    await mesh.bring(planOf(carts, v1, { loadBalancing: { policy: 'hash', header: 'x-user' } }));
    const backends = await endpointsOf(carts, 3);
    await reachesAll(carts, backends);
    forget(backends);
    const users = Array.from({ length: 30 }, (_, index) => `user-${index}`);
    for (const user of users) await sendRequests(web.to(carts, { headers: { 'x-user': user } }), 5);
    const homes = users.map((user) => backends.filter(({ received }) => received.some(({ headers }) => headers['x-user'] === user)));
    expect(homes.map(({ length }) => length)).toEqual(users.map(() => 1));
    expect(new Set(homes.flat()).size).toBeGreaterThan(1);
  });

  describe('of a service in several regions', () => {
    const files = serviceNamed('files');
    let backends: Backend[];

    beforeAll(async () => {
      const order = ['west', 'north', 'east'];
      await mesh.envoys.service(files);
      backends = await Promise.all(order.map(() => startBackend('v1', loopbackAddress(), PORT)));
      for (const [index, backend] of backends.entries()) {
        started.add(backend);
        await mesh.api.admin.mustApply({
          apiVersion: 'networking.istio.io/v1',
          kind: 'WorkloadEntry',
          metadata: { name: `files-${order[index]}`, namespace: files.namespace },
          spec: {
            address: backend.address,
            labels: { app: 'files', version: 'v1' },
            locality: order[index] ?? '',
          },
        });
      }
    });

    it('calls the first of them, wherever the caller is, and the others when that one has no healthy endpoint', async () => {
      await mesh.bring(
        planOf(files, v1, {
          failover: ['north', 'west'],
          outlierDetection: { consecutiveErrors: 3, intervalMs: 500, ejectionMs: 60_000, maxEjectionPercent: 100 },
        }),
      );
      const [west, north, east] = backends;
      await until('only the first region is called', async () => {
        forget(backends);
        await sendRequests(web.to(files), 60);
        return north?.received.length === 60;
      });
      if (north) north.behave = () => ({ status: 500 });
      await until('the first region is called no more', async () => {
        forget(backends);
        await sendRequests(web.to(files), 60);
        return north?.received.length === 0;
      });
      for (const each of [west, east]) expect(each?.received.length).toBeGreaterThan(0);
    });

    it('does so without an outlier detection too, and ejects nobody then', async () => {
      for (const backend of backends) backend.behave = () => ({ status: 500 });
      await mesh.bring(planOf(files, v1, { failover: ['east'] }));
      await until('only the first region is called', async () => {
        forget(backends);
        await sendRequests(web.to(files), 60);
        return backends[2]?.received.length === 60;
      });
      await sendRequests(web.to(files), 200);
      expect(counts(backends)).toEqual([0, 0, 260]);
      expect(await ejected(files)).toBe(0);
    });
  });
});
