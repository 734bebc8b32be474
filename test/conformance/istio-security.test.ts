/**
 * Who is let in, who is refused, what is logged of it, and what leaves the mesh: plans of each stage rendered for Istio, with real
 * requests in plaintext, as an identity that is named and as one that is not.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AllowRule, PlannedSecurity } from '../../src/plan/plan.ts';
import { ask, type Outcome, sendRequests, type Target } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import { type Backend, startBackend } from './backend.ts';
import { rejections } from './envoy.ts';
import type { IstioCaller, IstioWorkload } from './istio-envoys.ts';
import { type PlannedMesh, planOf, startPlannedMesh } from './istio-plans.ts';
import { TRUST_DOMAIN } from './istiod.ts';
import { Started } from './process.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery')) && (await realEnvoy()) !== undefined;

const catalog = { name: 'catalog', namespace: 'shop', port: 8080 };
const v1 = [{ version: 'v1', weight: 100 }];
const web: AllowRule = { callers: [{ namespace: 'shop', serviceAccount: 'web' }] };
const denied = { failure: '403 RBAC: access denied' };
const answered = { version: 'v1', status: 200 };

/** Sends a request and goes away without waiting for its answer, once it has `arrived`. */
async function hangUp({ address, port, host, path }: Target, arrived: () => boolean): Promise<void> {
  const call = request({ host: address, port, path, headers: { host }, agent: false });
  call.on('error', () => undefined).end();
  await until('the request has arrived', arrived);
  call.destroy();
}

describe.skipIf(!have)('security of a plan on Istio', () => {
  const started = new Started();
  let logFile: string;
  let mesh: PlannedMesh;
  let workload: IstioWorkload;
  let named: IstioCaller;
  let stranger: IstioCaller;

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'meshwright-access-'));
    started.add({ stop: () => rm(folder, { recursive: true }), [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) });
    logFile = join(folder, 'access.log');
    mesh = started.add(await startPlannedMesh({ extensionProviders: [{ name: 'envoy', envoyFileAccessLog: { path: logFile } }] }));
    const { envoys } = mesh;
    await envoys.service(catalog);
    await mesh.bring(planOf(catalog, v1));
    [workload, named, stranger] = await Promise.all([
      envoys.workload(catalog, 'v1'),
      envoys.caller('web', 'shop', catalog.port),
      envoys.caller('stranger', 'shop', catalog.port),
    ]);
    for (const caller of [named, stranger]) await until('catalog answers', async () => 'version' in (await ask(caller.to(catalog))));
  });
  afterAll(() => started.stop());

  const bring = (stage: PlannedSecurity['stage'], ...allow: readonly AllowRule[]): Promise<void> =>
    mesh.bring(planOf(catalog, v1, { security: { stage, trustDomain: TRUST_DOMAIN, serviceAccount: 'catalog', allow } }));
  /** Past every sidecar of a caller. */
  const plaintext = (): Target => ({ address: workload.address, port: catalog.port, host: 'catalog.shop' });
  const becomes = (what: string, target: Target, isSo: (outcome: Outcome) => boolean): Promise<unknown> =>
    until(what, async () => isSo(await ask(target)));
  const isAnswered = (outcome: Outcome): boolean => 'version' in outcome;
  /** Connections from before a policy are drained, and a caller may have several. */
  const refusedThroughout = (target: Target): Promise<unknown> =>
    until('no connection is left that lets it in', async () => (await sendRequests(target, 40)).failures.length === 40);

  it('refuses nobody in shadow, and counts whom it would refuse', async () => {
    const counted = async (): Promise<number> => {
      const stats = await workload.envoy?.stats(/istio_dry_run_allow_\.?shadow_denied$/);
      return [...(stats?.values() ?? [])].reduce((sum, count) => sum + count, 0);
    };
    await bring('shadow', web);
    await until('a stranger is counted', async () => {
      await ask(stranger.to(catalog));
      return (await counted()) > 0;
    });
    const before = await counted();
    for (const target of [named.to(catalog), stranger.to(catalog), plaintext()])
      expect((await sendRequests(target, 20)).answers).toEqual(new Map([['v1', 20]]));
    expect((await counted()) - before).toBe(40);
  });

  it('lets in by identity alone when it is strict, and nothing in plaintext', async () => {
    await bring('strict', web);
    await refusedThroughout(stranger.to(catalog));
    await refusedThroughout(plaintext());
    expect((await sendRequests(stranger.to(catalog), 100)).failures).toEqual(Array(100).fill(denied.failure));
    expect((await sendRequests(named.to(catalog), 100)).answers).toEqual(new Map([['v1', 100]]));
    workload.backend.received.length = 0;
    const { answers, failures } = await sendRequests(plaintext(), 20);
    expect([answers.size, failures.length, workload.backend.received.length]).toEqual([0, 20, 0]);
    expect(failures.filter((failure) => failure.startsWith('403'))).toEqual([]);
  });

  it('lets an identity do what its own rule names, and nothing that a rule of others does', async () => {
    const prober: AllowRule = { callers: [{ namespace: 'shop', serviceAccount: 'stranger' }], paths: [{ exact: '/healthz' }] };
    await bring('strict', { ...web, methods: ['GET'], paths: [{ prefix: '/items' }, { exact: '/about' }] }, prober);
    await becomes('the stranger may look after its health', stranger.to(catalog, { path: '/healthz' }), isAnswered);
    await refusedThroughout(named.to(catalog, { path: '/healthz' }));
    const outcomes = async (caller: IstioCaller, ...requests: readonly Pick<Target, 'path' | 'method'>[]) =>
      Promise.all(requests.map((request) => ask(caller.to(catalog, request))));
    expect(await outcomes(named, { path: '/items' }, { path: '/items/1?a=b' }, { path: '/about' })).toEqual(Array(3).fill(answered));
    const not = [{ path: '/items', method: 'POST' }, { path: '/about/us' }, { path: '/healthz' }, { path: '/a/items' }];
    expect(await outcomes(named, ...not)).toEqual(Array(4).fill(denied));
    expect(await outcomes(stranger, { path: '/items' }, { path: '/healthz/x' })).toEqual(Array(2).fill(denied));
  });

  it('lets nobody in where no rule names anybody', async () => {
    await bring('strict');
    await refusedThroughout(named.to(catalog));
    await refusedThroughout(stranger.to(catalog, { path: '/healthz' }));
    for (const caller of [named, stranger])
      expect((await sendRequests(caller.to(catalog, { path: '/healthz' }), 20)).failures).toEqual(Array(20).fill(denied.failure));
  });

  it('lets everybody in again when it is permissive, whatever `allow` says', async () => {
    await bring('permissive', web);
    const everybody = [named.to(catalog), stranger.to(catalog), plaintext()];
    for (const target of everybody)
      await until('everybody is let in', async () => (await sendRequests(target, 40)).answers.get('v1') === 40);
    for (const target of everybody) expect((await sendRequests(target, 20)).answers).toEqual(new Map([['v1', 20]]));
  });

  it('logs the requests that failed, once each, and no others', async () => {
    workload.backend.behave = ({ path }) => (path === '/slow' ? { delayMs: 2_000 } : { status: path.startsWith('/broken') ? 500 : 200 });
    await mesh.bring(planOf(catalog, v1, { telemetry: { accessLog: 'errors' } }));
    await becomes('catalog answers again', named.to(catalog), isAnswered);
    const lines = async (path: string): Promise<number> =>
      (await readFile(logFile, 'utf8')).split('\n').filter((line) => line.includes(` ${path} `)).length;
    await until('failed requests are logged', async () => {
      await ask(named.to(catalog, { path: '/broken' }));
      return (await lines('/broken')) > 0;
    });
    await ask(named.to(catalog, { path: '/fine' }));
    await hangUp(named.to(catalog, { path: '/slow' }), () => workload.backend.received.some(({ path }) => path === '/slow'));
    await ask(named.to(catalog, { path: '/broken/once' }));
    await until('both are logged', async () => (await lines('/slow')) > 0 && (await lines('/broken/once')) > 0);
    expect(await Promise.all(['/slow', '/broken/once', '/fine'].map(lines))).toEqual([1, 1, 0]);
  });

  it('leads to a host outside, at the ports of all services that name it', async () => {
    const orders = { ...catalog, name: 'orders' };
    const [first, second] = [started.add(await startBackend('first')), started.add(await startBackend('second'))];
    const rates = ({ port }: Backend) => ({ host: 'rates.localhost', port, protocol: 'http' }) as const;
    await mesh.bring(planOf(catalog, v1, { egress: [rates(first)] }));
    await mesh.bring(planOf(orders, v1, { egress: [rates(first), rates(second)] }));
    const answersOf = async (caller: IstioCaller, { port }: Backend) => ask({ address: caller.address, port, host: 'rates.localhost' });
    for (const outside of [first, second]) {
      const caller = await mesh.envoys.caller(`at-${outside.version}`, 'shop', outside.port);
      await until(`${outside.version} answers`, async () => isAnswered(await answersOf(caller, outside)));
      expect(await answersOf(caller, outside)).toEqual({ version: outside.version, status: 200 });
    }
  });

  it('never gives an Envoy what it rejects', async () => {
    for (const envoy of [named.envoy, stranger.envoy, workload.envoy]) expect(envoy && (await rejections(envoy))).toBe(0);
  });
});
