/**
 * What an ingress does to quiet streams, done over and over: every connection of a real Envoy to the xds server is cut. Nothing changes at
 * the proxy, no request is lost, and what is written afterwards arrives. With a proxy of TCP in between, as Container Apps' is.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { planService } from '../../src/plan/plan-service.ts';
import { writeFragment } from '../../src/reconcile/model.ts';
import { LONGEST_LEASE_MS } from '../../src/xds/mesh-watch.ts';
import { startXdsServer } from '../../src/xds/server.ts';
import { until } from '../e2e/until.ts';
import { serviceSpec } from '../rollouts/story.ts';
import { constantly } from './constantly.ts';
import { envoyForTests, freePort, get, startBackend, startEnvoy, testEncoder } from './real-envoy.ts';

const envoy = await envoyForTests();
const place = { mesh: 'shop', dataPlane: 'vms' };
const HOST = 'catalog.shop';
const CUTS = 4;

/** A way to `port` whose connections can be cut, all at once; counts those that were made. */
async function cuttable(port: number) {
  const open = new Set<Socket>();
  let made = 0;
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    made += 1;
    for (const end of [near, far]) {
      open.add(end);
      end.on('error', () => undefined).on('close', () => open.delete(end));
    }
    near.pipe(far).pipe(near);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const cut = (): void => {
    for (const end of open) end.destroy();
  };
  onTestFinished(() => {
    cut();
    server.close();
  });
  return { port: typeof address === 'object' ? (address?.port ?? 0) : 0, made: () => made, cut };
}

async function running() {
  const documents = new MemoryDocuments();
  const server = await startXdsServer({
    documents,
    encode: await testEncoder(),
    via: 'x1',
    now: Date.now,
    ads: { host: '127.0.0.1', port: 0 },
    door: { host: '127.0.0.1', port: 0 },
    nodeToken: 'nodes',
    report: () => undefined,
  });
  onTestFinished(() => server.stop());
  const door = `http://127.0.0.1:${server.doorPort}`;
  const headers = { authorization: 'Bearer nodes', 'content-type': 'application/json' };
  for (const version of ['v1', 'v2']) {
    const backend = await startBackend(version);
    onTestFinished(() => backend.stop());
    const endpoints = [{ service: 'catalog', version, address: '127.0.0.1', port: backend.port, ready: true }];
    const registered = await fetch(`${door}/endpoints`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ ...place, leaseMs: LONGEST_LEASE_MS, endpoints }),
    });
    expect(registered.ok).toBe(true);
  }
  const way = await cuttable(server.adsPort);
  const [port, admin] = [await freePort(), await freePort()];
  const node = { id: 'caller', ...place, outbound: { address: '127.0.0.1', port } };
  const proxy = await startEnvoy(envoy ?? '', node, way.port, { token: 'nodes', admin });
  onTestFinished(() => proxy.stop());
  return {
    way,
    port,
    async write(revision: number, version: string): Promise<void> {
      const plan = planService('shop', serviceSpec({ name: 'catalog', dataPlanes: ['vms'] }), { split: [{ version, weight: 100 }] });
      await writeFragment(documents, { mesh: 'shop', service: 'catalog', revision, plan });
      await fetch(`${door}/poke/shop`, { method: 'POST' });
    },
    async stats(): Promise<Readonly<Record<string, number>>> {
      const text = await (await fetch(`http://127.0.0.1:${admin}/stats?filter=manager|rds|control_plane`)).text();
      return Object.fromEntries([...text.matchAll(/^(\S+): (\d+)$/gm)].map(([, name = '', value]) => [name, Number(value)]));
    },
  };
}

/** What would be counted up if anything were another than before. */
const CHANGES =
  /(cluster_(added|modified|removed)|listener_(added|modified|removed|in_place_updated|stopped)|update_rejected|config_reload)$/;

describe.skipIf(!envoy)('streams that are cut, again and again', () => {
  it('change nothing at a proxy and lose no request; what is written afterwards arrives', { timeout: 120_000 }, async () => {
    const { way, port, write, stats } = await running();
    await write(1, 'v1');
    await until('the service is served', async () => (await get(port, HOST)).body === 'v1');
    const changes = async () => Object.fromEntries(Object.entries(await stats()).filter(([name]) => CHANGES.test(name)));
    const before = await changes();
    expect(Object.keys(before).length).toBeGreaterThan(5);

    const load = constantly([() => get(port, HOST), () => get(port, HOST)]);
    for (let cut = 1; cut <= CUTS; cut += 1) {
      const connections = way.made();
      way.cut();
      await until(
        'Envoy is connected again',
        async () => way.made() > connections && (await stats())['control_plane.connected_state'] === 1,
      );
      await load.more(100);
    }
    expect(await changes()).toEqual(before);
    await write(2, 'v2');
    await until('what was written is served', async () => (await get(port, HOST)).body === 'v2');
    expect(await load.stop()).toEqual([]);
  });
});
