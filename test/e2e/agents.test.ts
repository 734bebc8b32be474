/**
 * Agents beside real Envoys: strict mTLS between two services with nothing but what agents write, while leafs are renewed under load; and reports
 * of what Envoy has loaded, read from Envoy itself.
 */
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readLeaf } from '../../src/agent/identity-files.ts';
import type { EnvoyNode } from '../../src/dataplanes/envoy/resources.ts';
import type { PlannedSecurity } from '../../src/plan/plan.ts';
import { planService } from '../../src/plan/plan-service.ts';
import { writeFragment } from '../../src/reconcile/model.ts';
import { startXdsServer } from '../../src/xds/server.ts';
import { type AgentProcess, type AgentWorld, agentWorld } from '../agent/mesh.ts';
import { call, LOOPBACK, startWorkload } from '../dataplanes/envoy/workload.ts';
import { serviceSpec } from '../rollouts/story.ts';
import { TRUST_DOMAIN } from '../trust/issuing-mesh.ts';
import { envoyForTests, freePort, startEnvoy, testEncoder } from '../xds/real-envoy.ts';
import { until } from './until.ts';

const envoy = await envoyForTests();
const encode = await testEncoder();
const place = { mesh: 'shop', dataPlane: 'vms' };
const TOKEN = 'nodes';

const cleanUp: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo();
});

interface Beside {
  readonly agent: AgentProcess;
  readonly admin: number;
  /** The agent that is started in its place. */
  again(): Promise<AgentProcess>;
}

/** Two Envoys with an agent each: a caller `web`, and a receiver before the workload of `catalog`, which only `web` may call, by mTLS. */
async function strictPair(leafLifeMs: number) {
  const world = await agentWorld(leafLifeMs);
  cleanUp.push(() => world.stop());
  const workload = await startWorkload('catalog');
  cleanUp.push(workload.stop);
  const { documents } = world.mesh;
  const server = await startXdsServer({
    documents,
    encode,
    via: 'x1',
    now: Date.now,
    ads: { host: LOOPBACK, port: 0 },
    door: { host: LOOPBACK, port: 0 },
    nodeToken: TOKEN,
    report: () => undefined,
  });
  cleanUp.push(() => server.stop());

  async function start(node: EnvoyNode, serviceAccount: string): Promise<Beside> {
    const admin = await freePort();
    const settings = { MESHWRIGHT_ENVOY_ADMIN: `http://${LOOPBACK}:${admin}` };
    const agent = await world.agent(node.id, serviceAccount, settings);
    const directory = world.directoryOf(node.id);
    await until(`${node.id} has a leaf`, () => readLeaf(directory));
    const identified = { ...node, identity: { directory } };
    const running = await startEnvoy(envoy ?? '', identified, server.adsPort, { token: TOKEN, admin });
    cleanUp.push(running.stop);
    return { agent, admin, again: () => world.agent(node.id, serviceAccount, settings) };
  }

  const plan = planService('shop', serviceSpec({ dataPlanes: ['vms'] }), { split: [{ version: 'v1', weight: 100 }] });
  const security: PlannedSecurity = {
    stage: 'strict',
    trustDomain: TRUST_DOMAIN,
    serviceAccount: 'catalog',
    allow: [{ callers: [{ namespace: 'shop', serviceAccount: 'web' }] }],
  };
  // A connection for each request: one that is open outlives the certificate that it was opened with.
  const strict = { ...plan, circuitBreaker: { maxRequestsPerConnection: 1 }, security };
  await writeFragment(documents, { mesh: 'shop', service: 'catalog', revision: 1, plan: strict });
  const [inbound, outbound] = [await freePort(), await freePort()];
  const before = { service: 'catalog', version: 'v1', address: LOOPBACK, port: inbound, workloadPort: workload.port };
  const receiver = await start({ id: 'catalog-1', ...place, inbound: before }, 'catalog');
  const caller = await start({ id: 'web-1', ...place, outbound: { address: LOOPBACK, port: outbound } }, 'web');
  const registered = await fetch(`http://${LOOPBACK}:${server.doorPort}/endpoints`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      ...place,
      leaseMs: 60_000,
      endpoints: [{ service: 'catalog', version: 'v1', address: LOOPBACK, port: inbound, mtls: true }],
    }),
  });
  expect(registered.status).toBe(200);
  const ask = () => call({ port: outbound, host: 'catalog' });
  await until('it is let in', async () => (await ask().catch(() => undefined))?.status === 200);
  return { world, receiver, caller, ask };
}

const lastOf = ({ reports }: AgentWorld, node: string) => reports.findLast((each) => each.node === node);
const renewals = ({ said }: AgentProcess): number => said.filter(({ event }) => event === 'LeafRenewed').length;

describe.skipIf(!envoy)('two services with agents beside their Envoys', () => {
  it('lose no request while leafs of 20 s are renewed again and again, and an agent is killed and started anew', {
    timeout: 180_000,
  }, async () => {
    const { receiver, caller, ask } = await strictPair(20_000);
    let asked = 0;
    const lost: string[] = [];
    let going = true;
    const calls = (async () => {
      while (going) {
        const answer = await ask().catch((error: unknown) => ({ status: 0, body: String(error) }));
        asked += 1;
        if (answer.status !== 200) lost.push(`${answer.status} ${answer.body}`);
      }
    })();
    await until('the receiver was renewed', () => renewals(receiver.agent) >= 1);
    // Just renewed: there is time until the next.
    await receiver.agent.kill();
    const second = await receiver.again();
    await until('all were renewed twice more', () => renewals(second) >= 2 && renewals(caller.agent) >= 3, 120_000);
    going = false;
    await calls;
    expect(lost).toEqual([]);
    expect(asked).toBeGreaterThan(100);
  });

  it('are reported with what Envoy itself has loaded, and come at once when another issuer signs', { timeout: 120_000 }, async () => {
    const { world, receiver, caller } = await strictPair(3_600_000);
    const { current } = await world.mesh.state();
    for (const node of ['catalog-1', 'web-1']) {
      const held = await readLeaf(world.directoryOf(node));
      const report = await until('it is reported', () => {
        const last = lastOf(world, node);
        return last?.loaded.leaf && last.trouble === undefined ? last : undefined;
      });
      expect(report).toEqual({
        ...place,
        node,
        identity: `spiffe://${TRUST_DOMAIN}/ns/shop/sa/${node === 'web-1' ? 'web' : 'catalog'}`,
        loaded: {
          roots: [current?.fingerprint],
          leaf: { fingerprint: held?.fingerprint, issuer: current?.issuer.fingerprint, notAfter: held?.notAfter },
        },
      });
    }
    world.told = { revision: 2, signer: 'f'.repeat(64), renewWithinMs: 500, reportEveryMs: 300 };
    await until('both have come', () => renewals(receiver.agent) === 1 && renewals(caller.agent) === 1);
    await until('Envoy has loaded it', async () => {
      const held = await readLeaf(world.directoryOf('web-1'));
      return lastOf(world, 'web-1')?.loaded.leaf?.fingerprint === held?.fingerprint;
    });
    // The same issuer signed again: whoever tells of one that does not is not followed in a circle.
    const before = world.reports.length;
    await until('both have been told again and again', () => world.reports.length >= before + 12);
    expect([renewals(receiver.agent), renewals(caller.agent)]).toEqual([1, 1]);
  });

  it('are reported as troubled while Envoy refuses an update, until it takes another', { timeout: 120_000 }, async () => {
    const { world, caller } = await strictPair(3_600_000);
    await until('it is reported', () => lastOf(world, 'web-1')?.loaded.leaf);
    const directory = world.directoryOf('web-1');
    const broken = { certificate_chain: { inline_string: 'no certificate' }, private_key: { inline_string: 'no key' } };
    const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
    const response = { resources: [{ '@type': type, name: 'default', tls_certificate: broken }] };
    await writeFile(join(world.folder, 'broken'), JSON.stringify(response));
    await rename(join(world.folder, 'broken'), join(directory, 'default.yaml'));
    const refused = 'Envoy refused an update of its default; its log says why.';
    await until('it is said', () => lastOf(world, 'web-1')?.trouble === refused);
    const said = world.reports.length;
    await until('it is said as long as it is so', () => world.reports.slice(said).filter(({ trouble }) => trouble === refused).length >= 2);
    // Whatever lies there: the next leaf goes over it.
    world.told = { revision: 2, signer: 'f'.repeat(64), renewWithinMs: 0, reportEveryMs: 300 };
    await until('another has come', () => renewals(caller.agent) === 1);
    await until('it is taken', async () => {
      const last = lastOf(world, 'web-1');
      return last?.trouble === undefined && last?.loaded.leaf?.fingerprint === (await readLeaf(directory))?.fingerprint;
    });
  });
});
