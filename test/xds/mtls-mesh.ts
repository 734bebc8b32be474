/**
 * A mesh of real Envoys with identities before one workload, `catalog`, served by the xds server. Leaves are made here and lie in
 * files, as an agent writes them. All of it ends with the test.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { envoyDataPlane } from '../../src/dataplanes/envoy/observe.ts';
import type { EnvoyNode } from '../../src/dataplanes/envoy/resources.ts';
import type { Documents } from '../../src/journal/documents.ts';
import type { PlannedSecurity, ServicePlan, Tokens } from '../../src/plan/plan.ts';
import { planService } from '../../src/plan/plan-service.ts';
import { writeFragment } from '../../src/reconcile/model.ts';
import { startXdsServer } from '../../src/xds/server.ts';
import { type Authority, createAuthority, writeIdentity } from '../dataplanes/envoy/identities.ts';
import { type Answer, call, LOOPBACK, startWorkload } from '../dataplanes/envoy/workload.ts';
import { until } from '../e2e/until.ts';
import { serviceSpec } from '../rollouts/story.ts';
import { envoyForTests, freePort, type RunningEnvoy, startEnvoy, testEncoder } from './real-envoy.ts';

const place = { mesh: 'shop', dataPlane: 'vms' };
const TOKEN = 'nodes';
export const TRUST_DOMAIN = 'mesh.example';
export const spiffe = (account: string): string => `spiffe://${TRUST_DOMAIN}/ns/shop/sa/${account}`;

export interface MeshOptions {
  /** Where the model is, and what is seen is written. */
  readonly documents?: Documents;
  /** The clock of the xds server. */
  readonly now?: () => number;
  readonly protocol?: ServicePlan['protocol'];
  /** Between the Envoys: one for each request, or one for many, which outlives the certificate that it was opened with. */
  readonly connections?: 'fresh' | 'kept';
}

export async function startMesh({
  documents = new MemoryDocuments(),
  now = Date.now,
  protocol = 'http',
  connections = 'fresh',
}: MeshOptions = {}) {
  const envoy = (await envoyForTests()) ?? '';
  const cleanUp: (() => void | Promise<void>)[] = [];
  onTestFinished(async () => {
    for (const undo of cleanUp.splice(0).reverse()) await undo();
  });
  const folder = await mkdtemp(join(tmpdir(), 'meshwright-mtls-'));
  cleanUp.push(() => rm(folder, { recursive: true, force: true }));
  const authority = await createAuthority('first');
  const workload = await startWorkload('catalog', { http2: protocol !== 'http' });
  cleanUp.push(workload.stop);
  const server = await startXdsServer({
    documents,
    encode: await testEncoder(),
    via: 'x1',
    now,
    ads: { host: LOOPBACK, port: 0 },
    door: { host: LOOPBACK, port: 0 },
    nodeToken: TOKEN,
    report: () => undefined,
  });
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= server.stop());
  cleanUp.push(stop);
  const door = `http://${LOOPBACK}:${server.doorPort}`;
  let revision = 0;

  const directoryOf = (id: string) => join(folder, id);
  const identify = async (id: string, account: string, leafFrom: Authority = authority, bundle: readonly Authority[] = [authority]) =>
    writeIdentity(directoryOf(id), await leafFrom.issue(spiffe(account)), bundle);

  const admins = new Map<string, number>();
  const ports = new Map<string, number>();
  const envoys = new Map<string, RunningEnvoy>();
  async function start(node: EnvoyNode): Promise<RunningEnvoy> {
    const admin = await freePort();
    const running = await startEnvoy(envoy, node, server.adsPort, { token: TOKEN, admin });
    admins.set(node.id, admin);
    envoys.set(node.id, running);
    cleanUp.push(running.stop);
    return running;
  }

  async function statOf(id: string, counter: string): Promise<number> {
    const answer = await fetch(`http://${LOOPBACK}:${admins.get(id)}/stats?filter=^${counter}$`);
    return Number((await answer.text()).split(': ')[1]);
  }

  const mesh = {
    documents,
    door,
    nodeToken: TOKEN,
    authority,
    identify,
    workload,
    /** The xds server is gone. */
    stopServing: stop,
    /** What the data plane says of the service's newest plan. */
    observe: async (sequence: number) => {
      const fragment = { ...place, service: 'catalog', revision, sequence, plan: planOf({ protocol, connections }) };
      return envoyDataPlane(documents, place.dataPlane, () => undefined).observe(fragment, now());
    },
    async plan(security?: Pick<PlannedSecurity, 'stage' | 'allow'>, tokens?: Tokens): Promise<number> {
      revision += 1;
      const plan = { ...planOf({ protocol, connections }, security), ...(tokens ? { tokens } : {}) };
      const { sequence } = await writeFragment(documents, { mesh: 'shop', service: 'catalog', revision, plan });
      await fetch(`${door}/poke/shop`, { method: 'POST' });
      return sequence;
    },
    served: (sequence: number) => until(`all serve ${sequence}`, async () => (await mesh.observe(sequence)).kind === 'served'),
    /** An Envoy before the workload; its port. `account`: what its identity says. `authorities`: a file. */
    async receive(account: string | undefined, authorities?: string): Promise<{ port: number; running: RunningEnvoy }> {
      const port = await freePort();
      if (account !== undefined) await identify('receiver', account);
      const running = await start({
        id: 'receiver',
        ...place,
        inbound: { service: 'catalog', version: 'v1', address: LOOPBACK, port, workloadPort: workload.port },
        ...(account === undefined ? {} : { identity: { directory: directoryOf('receiver') } }),
        ...(authorities === undefined ? {} : { authorities }),
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
    /** Asked of the Envoy's admin interface. */
    admin: async (id: string, path: string): Promise<string> => (await fetch(`http://${LOOPBACK}:${admins.get(id)}${path}`)).text(),
    /** It ends, and its files stay. */
    stopEnvoy: async (id: string): Promise<void> => envoys.get(id)?.stop(),
    /** An Envoy to call through; how one calls the service by it. `files`: as an Envoy of that name has left them. */
    async caller(id: string, account?: string, files: 'new' | 'left' = 'new'): Promise<() => Promise<Answer>> {
      const port = await freePort();
      if (account !== undefined && files === 'new') await identify(id, account);
      ports.set(id, port);
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
    /** Where a caller's Envoy takes its calls. */
    portOf: (id: string): number => ports.get(id) ?? 0,
    /** One of the Envoy's own counters. */
    stat: statOf,
    /** Waits until an Envoy has read one of its files so many times. */
    loaded: (id: string, secret: 'default' | 'bundle', times: number) =>
      until(`${id} has read its ${secret} ${times} times`, async () => (await statOf(id, `sds.${secret}.update_success`)) >= times),
    /** Who called last by this Envoy, as the workload is told. */
    callerBy(id: string): string | undefined {
      const header = workload.received.findLast(({ path }) => path === `/${id}`)?.headers['x-forwarded-client-cert'];
      return /URI=([^;,]+)/.exec(String(header))?.[1];
    },
  };
  return mesh;
}

function planOf(
  { protocol, connections }: Required<Pick<MeshOptions, 'protocol' | 'connections'>>,
  security?: Pick<PlannedSecurity, 'stage' | 'allow'>,
): ServicePlan {
  const spec = serviceSpec({ dataPlanes: ['vms'], protocol });
  const plan = planService('shop', spec, { split: [{ version: 'v1', weight: 100 }] });
  const fresh = connections === 'fresh' ? { circuitBreaker: { maxRequestsPerConnection: 1 } } : {};
  return { ...plan, ...fresh, ...(security ? { security: { ...security, trustDomain: TRUST_DOMAIN, serviceAccount: 'catalog' } } : {}) };
}
