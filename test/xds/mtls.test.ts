/**
 * mTLS between real Envoys, served by the xds server: stage by stage without a failed request, callers known by their identity,
 * and nothing in plaintext where a service takes mTLS only. Leaves are made here and lie in files, as an agent writes them.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { envoyDataPlane } from '../../src/dataplanes/envoy/observe.ts';
import type { EnvoyNode } from '../../src/dataplanes/envoy/resources.ts';
import type { AllowRule, PlannedSecurity } from '../../src/plan/plan.ts';
import { planService } from '../../src/plan/plan-service.ts';
import { writeFragment } from '../../src/reconcile/model.ts';
import { startXdsServer } from '../../src/xds/server.ts';
import { type Authority, createAuthority, writeIdentity } from '../dataplanes/envoy/identities.ts';
import { type Answer, call, LOOPBACK, startWorkload } from '../dataplanes/envoy/workload.ts';
import { until } from '../e2e/until.ts';
import { serviceSpec } from '../rollouts/story.ts';
import { envoyForTests, freePort, type RunningEnvoy, startEnvoy, testEncoder } from './real-envoy.ts';
import { storeThatFails } from './store-that-fails.ts';

const envoy = await envoyForTests();
const encode = await testEncoder();
const place = { mesh: 'shop', dataPlane: 'vms' };
const TOKEN = 'nodes';
const TRUST_DOMAIN = 'mesh.example';

const cleanUp: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo();
});

const web: AllowRule = { callers: [{ namespace: 'shop', serviceAccount: 'web' }] };
const admin: AllowRule = { callers: [{ namespace: 'shop', serviceAccount: 'admin' }] };
const spiffe = (account: string) => `spiffe://${TRUST_DOMAIN}/ns/shop/sa/${account}`;

async function startMesh() {
  const folder = await mkdtemp(join(tmpdir(), 'meshwright-mtls-'));
  cleanUp.push(() => rm(folder, { recursive: true, force: true }));
  const authority = await createAuthority('first');
  const workload = await startWorkload('catalog');
  cleanUp.push(workload.stop);
  const store = storeThatFails();
  const server = await startXdsServer({
    documents: store.documents,
    encode,
    via: 'x1',
    now: () => Date.now(),
    ads: { host: LOOPBACK, port: 0 },
    door: { host: LOOPBACK, port: 0 },
    nodeToken: TOKEN,
    report: () => undefined,
  });
  cleanUp.push(() => server.stop());
  const door = `http://${LOOPBACK}:${server.doorPort}`;
  let revision = 0;

  const directoryOf = (id: string) => join(folder, id);
  const identify = async (id: string, account: string, leafFrom: Authority = authority, bundle: readonly Authority[] = [authority]) =>
    writeIdentity(directoryOf(id), await leafFrom.issue(spiffe(account)), bundle);

  const admins = new Map<string, number>();
  async function start(node: EnvoyNode): Promise<RunningEnvoy> {
    const admin = await freePort();
    const running = await startEnvoy(envoy ?? '', node, server.adsPort, { token: TOKEN, admin });
    admins.set(node.id, admin);
    cleanUp.push(running.stop);
    return running;
  }

  const mesh = {
    authority,
    identify,
    workload,
    /** What the data plane says of the service's newest plan. */
    observe: async (sequence: number) => {
      const fragment = { ...place, service: 'catalog', revision, sequence, plan: planOf(undefined) };
      return envoyDataPlane(store.stored, place.dataPlane, () => undefined).observe(fragment, Date.now());
    },
    async plan(security?: Pick<PlannedSecurity, 'stage' | 'allow'>): Promise<number> {
      revision += 1;
      const { sequence } = await writeFragment(store.stored, { mesh: 'shop', service: 'catalog', revision, plan: planOf(security) });
      await fetch(`${door}/poke/shop`, { method: 'POST' });
      return sequence;
    },
    served: (sequence: number) => until(`all serve ${sequence}`, async () => (await mesh.observe(sequence)).kind === 'served'),
    /** An Envoy before the workload; its port. `account`: what its identity says. */
    async receive(account: string | undefined): Promise<{ port: number; running: RunningEnvoy }> {
      const port = await freePort();
      if (account !== undefined) await identify('receiver', account);
      const running = await start({
        id: 'receiver',
        ...place,
        inbound: { service: 'catalog', version: 'v1', address: LOOPBACK, port, workloadPort: workload.port },
        ...(account === undefined ? {} : { identity: { directory: directoryOf('receiver') } }),
      });
      const endpoint = { service: 'catalog', version: 'v1', address: LOOPBACK, port, mtls: account !== undefined };
      const response = await fetch(`${door}/endpoints`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify({ ...place, leaseMs: 60_000, endpoints: [endpoint] }),
      });
      expect(response.status).toBe(200);
      return { port, running };
    },
    /** An Envoy to call through; how one calls the service by it. */
    async caller(id: string, account?: string): Promise<() => Promise<Answer>> {
      const port = await freePort();
      if (account !== undefined) await identify(id, account);
      await start({
        id,
        ...place,
        outbound: { address: LOOPBACK, port },
        ...(account === undefined ? {} : { identity: { directory: directoryOf(id) } }),
      });
      const ask = () => call({ port, host: 'catalog', path: `/${id}` });
      await until(`${id} is answered`, async () => (await ask().catch(() => undefined)) !== undefined);
      return ask;
    },
    /** Waits until an Envoy has read one of its files so many times. */
    loaded: (id: string, secret: 'default' | 'bundle', times: number) =>
      until(`${id} has read its ${secret} ${times} times`, async () => {
        const answer = await fetch(`http://${LOOPBACK}:${admins.get(id)}/stats?filter=^sds.${secret}.update_success$`);
        return Number((await answer.text()).split(': ')[1]) >= times;
      }),
    /** Who called last by this Envoy, as the workload is told. */
    callerBy(id: string): string | undefined {
      const header = workload.received.findLast(({ path }) => path === `/${id}`)?.headers['x-forwarded-client-cert'];
      return /URI=([^;,]+)/.exec(String(header))?.[1];
    },
  };
  return mesh;
}

/** A connection for each request: one that is open outlives the certificate that it was opened with. */
function planOf(security: Pick<PlannedSecurity, 'stage' | 'allow'> | undefined) {
  const spec = serviceSpec({ dataPlanes: ['vms'] });
  const plan = planService('shop', spec, { split: [{ version: 'v1', weight: 100 }] });
  const fresh = { circuitBreaker: { maxRequestsPerConnection: 1 } };
  return { ...plan, ...fresh, ...(security ? { security: { ...security, trustDomain: TRUST_DOMAIN, serviceAccount: 'catalog' } } : {}) };
}

/** Asks without a pause until it is stopped; resolves with everything that was no 200. */
function constantly(ask: () => Promise<Answer>): { stop(): Promise<readonly string[]> } {
  let going = true;
  const failures: string[] = [];
  const asked = (async () => {
    while (going) {
      const { status, body } = await ask();
      if (status !== 200) failures.push(`${status} ${body}`);
    }
  })();
  return {
    async stop() {
      going = false;
      await asked;
      return failures;
    },
  };
}

describe.skipIf(!envoy)('a service that comes to mTLS stage by stage', () => {
  it('fails no request of a caller that may call, whether that has an identity or not, until only mTLS is taken', {
    timeout: 60_000,
  }, async () => {
    const mesh = await startMesh();
    await mesh.served(
      await mesh.plan().then(async (sequence) => {
        await mesh.receive('catalog');
        return sequence;
      }),
    );
    const ask = await mesh.caller('web', 'web');
    const askPlainly = await mesh.caller('old');
    await until('the endpoint is known', async () => (await ask()).status === 200 && (await askPlainly()).status === 200);
    const calls = constantly(ask);
    const plainCalls = constantly(askPlainly);

    await mesh.served(await mesh.plan({ stage: 'permissive', allow: [] }));
    await until('it calls by mTLS', async () => (await ask()).status === 200 && mesh.callerBy('web') === spiffe('web'));
    await mesh.served(await mesh.plan({ stage: 'shadow', allow: [web] }));
    expect(await plainCalls.stop()).toEqual([]);

    await mesh.served(await mesh.plan({ stage: 'strict', allow: [web] }));
    await ask();
    expect(mesh.callerBy('web')).toBe(spiffe('web'));
    // And back.
    await mesh.served(await mesh.plan({ stage: 'permissive', allow: [] }));
    expect((await askPlainly()).status).toBe(200);
    await mesh.served(await mesh.plan());
    await until('it calls in plaintext again', async () => (await ask()).status === 200 && mesh.callerBy('web') === undefined);
    expect(await calls.stop()).toEqual([]);
  });

  it('tells in shadow, by name, whom it would refuse, and lets them in', async () => {
    const mesh = await startMesh();
    const { running, port } = await mesh.receive('catalog');
    await mesh.served(await mesh.plan({ stage: 'shadow', allow: [admin] }));
    const ask = await mesh.caller('web', 'web');
    await until('it is let in by mTLS', async () => (await ask()).status === 200 && mesh.callerBy('web') !== undefined);
    expect((await call({ port, host: 'catalog', path: '/secret?token=1' })).status).toBe(200);
    const said = () =>
      running
        .log()
        .split('\n')
        .filter((line) => line.includes('would-be-refused'));
    await until(
      'both are told of',
      () => said().some((line) => line.includes(spiffe('web'))) && said().some((line) => line.includes('/secret')),
    );
    expect(JSON.parse(said().find((line) => line.includes('/secret')) ?? '')).toMatchObject({ caller: null, path: '/secret', status: 200 });
  });
});

describe.skipIf(!envoy)('a service that takes mTLS only', () => {
  it('is called by whom `allow` names; plaintext has no answer, and an Envoy without an identity sends none', async () => {
    const mesh = await startMesh();
    const { port } = await mesh.receive('catalog');
    await mesh.served(await mesh.plan({ stage: 'strict', allow: [web] }));
    const ask = await mesh.caller('web', 'web');
    const askAsAdmin = await mesh.caller('admin', 'admin');
    const askPlainly = await mesh.caller('old');
    await until('it is let in', async () => (await ask()).status === 200);
    const before = mesh.workload.received.length;
    expect(await askAsAdmin()).toMatchObject({ status: 403 });
    expect(await askPlainly()).toMatchObject({
      status: 503,
      body: expect.stringContaining('catalog.shop takes mTLS only, and this Envoy has no identity'),
    });
    await expect(call({ port, host: 'catalog' })).rejects.toThrow();
    expect(mesh.workload.received.length).toBe(before);
  });

  it('is not spoken to under another identity', async () => {
    const mesh = await startMesh();
    await mesh.receive('impostor');
    await mesh.served(await mesh.plan({ stage: 'strict', allow: [web] }));
    const ask = await mesh.caller('web', 'web');
    await until('it knows the endpoint', async () => (await ask()).body.includes('remote connection failure'));
    expect(mesh.workload.received).toEqual([]);
    await mesh.identify('receiver', 'catalog');
    await until('it is the one that was meant', async () => (await ask()).status === 200);
  });

  it('is not served by an Envoy without an identity, which is said', async () => {
    const mesh = await startMesh();
    const { port } = await mesh.receive(undefined);
    await mesh.served(await mesh.plan({ stage: 'permissive', allow: [] }));
    await until('it takes plaintext', async () => (await call({ port, host: 'catalog' }).catch(() => undefined))?.status === 200);
    const sequence = await mesh.plan({ stage: 'strict', allow: [web] });
    await until('it is told of', async () => (await mesh.observe(sequence)).kind === 'rejected');
    expect(await mesh.observe(sequence)).toEqual({
      kind: 'rejected',
      node: 'receiver',
      message:
        'catalog.shop takes mTLS only, and this Envoy has no identity, so it takes no calls: start it with one (meshwright envoy bootstrap --identity).',
    });
    await until('nobody is let in', async () =>
      call({ port, host: 'catalog' }).then(
        () => false,
        () => true,
      ),
    );
    await mesh.served(await mesh.plan({ stage: 'permissive', allow: [] }));
    expect((await call({ port, host: 'catalog' })).status).toBe(200);
  });

  it('follows its files: another authority takes over without a failed request, and is not trusted once it is out of the bundle', {
    timeout: 60_000,
  }, async () => {
    const mesh = await startMesh();
    await mesh.receive('catalog');
    await mesh.served(await mesh.plan({ stage: 'strict', allow: [web] }));
    const ask = await mesh.caller('web', 'web');
    await until('it is let in', async () => (await ask()).status === 200);
    const calls = constantly(ask);
    const second = await createAuthority('second');
    const both = [mesh.authority, second];
    const all = [
      ['web', 'web'],
      ['receiver', 'catalog'],
    ] as const;
    for (const [id, account] of all) await mesh.identify(id, account, mesh.authority, both);
    for (const [id] of all) await mesh.loaded(id, 'bundle', 2);
    for (const [id, account] of all) await mesh.identify(id, account, second, both);
    for (const [id] of all) await mesh.loaded(id, 'default', 3);
    await ask();
    expect(await calls.stop()).toEqual([]);

    await mesh.identify('web', 'web', second, [mesh.authority]);
    await until('the receiver is not trusted any more', async () => (await ask()).status === 503);
  });
});
