/**
 * What becomes of requests when a plan asks for a split, a route, a mirror, a fault, a time-out or retries: plans in, objects of Istio
 * applied, requests counted at the backends behind real sidecars.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { binomialInterval, isWithin } from '../e2e/binomial.ts';
import { ask, sendRequests } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import type { IstioCaller, IstioWorkload } from './istio-envoys.ts';
import { type PlannedMesh, planOf, startPlannedMesh } from './istio-plans.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery')) && (await realEnvoy()) !== undefined;

const catalog = { name: 'catalog', namespace: 'shop', port: 8080 };
const only = (version: string) => [{ version, weight: 100 }];
const timedOut = { failure: '504 upstream request timeout' };

describe.skipIf(!have)('routes of a plan on Istio', () => {
  let mesh: PlannedMesh;
  let v1: IstioWorkload;
  let v2: IstioWorkload;
  let web: IstioCaller;

  beforeAll(async () => {
    mesh = await startPlannedMesh();
    const { envoys } = mesh;
    await envoys.service(catalog);
    await mesh.bring(planOf(catalog, only('v1')));
    [v1, v2] = await Promise.all([envoys.workload(catalog, 'v1'), envoys.workload(catalog, 'v2')]);
    web = await envoys.caller('web', 'shop', catalog.port);
    await until('catalog answers', async () => 'version' in (await ask(web.to(catalog))));
  });
  afterAll(() => mesh?.stop());
  afterEach(() => {
    for (const each of [v1, v2]) if (each) each.backend.behave = () => ({});
  });

  const forget = (): void => {
    for (const { backend } of [v1, v2]) backend.received.length = 0;
  };

  it('divides requests as the weights say', async () => {
    await mesh.bring(
      planOf(catalog, [
        { version: 'v1', weight: 90 },
        { version: 'v2', weight: 10 },
      ]),
    );
    await until('v2 answers', async () => (await sendRequests(web.to(catalog), 20)).answers.has('v2'));
    forget();
    const { failures } = await sendRequests(web.to(catalog), 2_000);
    expect(failures).toEqual([]);
    expect(v1.backend.received.length + v2.backend.received.length).toBe(2_000);
    expect(isWithin(v2.backend.received.length, binomialInterval(2_000, 0.1))).toBe(true);
  });

  it('sends who has the header to one version, and nobody else', async () => {
    const testers = { name: 'testers', match: { headers: [{ name: 'x-tester', exact: 'yes' }] }, split: only('v2') };
    await mesh.bring(planOf(catalog, only('v1'), { routes: [testers] }));
    const tester = web.to(catalog, { headers: { 'x-tester': 'yes' } });
    await until('testers reach v2', async () => (await sendRequests(tester, 20)).answers.get('v2') === 20);
    expect((await sendRequests(tester, 100)).answers).toEqual(new Map([['v2', 100]]));
    for (const headers of [{}, { 'x-tester': 'no' }, { 'x-tester': 'yes!' }])
      expect((await sendRequests(web.to(catalog, { headers }), 50)).answers).toEqual(new Map([['v1', 50]]));
  });

  it('copies the share that a mirror has to the other version, whose answers nobody sees', async () => {
    v2.backend.behave = () => ({ status: 500 });
    await mesh.bring(planOf(catalog, only('v1'), { route: { mirror: { version: 'v2', percent: 40 } } }));
    await until('v1 answers all, and v2 is sent copies', async () => {
      forget();
      const { answers } = await sendRequests(web.to(catalog), 40);
      return answers.get('v1') === 40 && v2.backend.received.length > 0;
    });
    forget();
    expect((await sendRequests(web.to(catalog), 1_000)).answers).toEqual(new Map([['v1', 1_000]]));
    expect(v1.backend.received).toHaveLength(1_000);
    await until('the copies are as many as they should be', () => isWithin(v2.backend.received.length, binomialInterval(1_000, 0.4)));
  });

  it('copies everything where a mirror says so', async () => {
    await mesh.bring(planOf(catalog, only('v1'), { route: { mirror: { version: 'v2', percent: 100 } } }));
    await until('every request of twenty is copied', async () => {
      forget();
      await sendRequests(web.to(catalog), 20);
      return until('copies arrive', () => v2.backend.received.length === 20, 1_000).catch(() => false);
    });
    forget();
    await sendRequests(web.to(catalog), 500);
    await until('all are copied', () => v2.backend.received.length === 500);
  });

  it('answers the share that an abort has in the place of the service', async () => {
    await mesh.bring(planOf(catalog, only('v1'), { route: { fault: { abort: { status: 429, percent: 30 } } } }));
    await until('some are aborted', async () => (await sendRequests(web.to(catalog), 20)).failures.length > 0);
    forget();
    const { failures } = await sendRequests(web.to(catalog), 1_000);
    expect(new Set(failures)).toEqual(new Set(['429 fault filter abort']));
    expect(isWithin(failures.length, binomialInterval(1_000, 0.3))).toBe(true);
    expect(v1.backend.received).toHaveLength(1_000 - failures.length);
  });

  it('lets requests wait that a delay is for', async () => {
    await mesh.bring(planOf(catalog, only('v1'), { route: { fault: { delay: { ms: 400, percent: 100 } } } }));
    const waited = async (): Promise<number> => {
      const begun = performance.now();
      await ask(web.to(catalog));
      return performance.now() - begun;
    };
    // A proxy counts from the time its event loop last looked at the clock, which is some milliseconds ago.
    const isDelayed = (ms: number): boolean => ms >= 350;
    await until('requests wait', async () => isDelayed(await waited()));
    for (let count = 0; count < 5; count += 1) expect(await waited()).toSatisfy(isDelayed);
  });

  it('ends a request at its time-out', async () => {
    v1.backend.behave = () => ({ delayMs: 2_000 });
    await mesh.bring(planOf(catalog, only('v1'), { route: { timeoutMs: 300 } }));
    await until('a request is ended', async () => 'failure' in (await ask(web.to(catalog))));
    expect(await ask(web.to(catalog))).toEqual(timedOut);
  });

  it('tries again as often as it is told, on what it is told', async () => {
    v1.backend.behave = ({ path }) => ({ status: path === '/missing' ? 404 : 503 });
    await mesh.bring(planOf(catalog, only('v1'), { route: { retries: { attempts: 2, on: ['gateway-error'] } } }));
    await until('one request is tried three times', async () => {
      forget();
      await ask(web.to(catalog));
      return v1.backend.received.length === 3;
    });
    forget();
    await sendRequests(web.to(catalog), 50);
    expect(v1.backend.received).toHaveLength(150);
    forget();
    await sendRequests(web.to(catalog, { path: '/missing' }), 50);
    expect(v1.backend.received).toHaveLength(50);
  });

  it('ends each try at its own time-out and tries again', async () => {
    v1.backend.behave = () => ({ delayMs: 2_000 });
    await mesh.bring(planOf(catalog, only('v1'), { route: { retries: { attempts: 1, perTryTimeoutMs: 250, on: ['5xx'] } } }));
    await until('one request is tried twice', async () => {
      forget();
      await ask(web.to(catalog));
      return v1.backend.received.length === 2;
    });
    forget();
    expect((await sendRequests(web.to(catalog), 10)).failures).toEqual(Array(10).fill(timedOut.failure));
    expect(v1.backend.received).toHaveLength(20);
  });

  it('tries nothing again that is not told to, though Istio would by itself', async () => {
    v1.backend.behave = () => ({ status: 503 });
    await mesh.bring(planOf(catalog, only('v1')));
    await until('one request is tried once', async () => {
      forget();
      await ask(web.to(catalog));
      return v1.backend.received.length === 1;
    });
    forget();
    await sendRequests(web.to(catalog), 50);
    expect(v1.backend.received).toHaveLength(50);
  });
});
