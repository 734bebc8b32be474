/**
 * A whole canary over a real Consul with Envoys attached: started, observed, advanced and taken back through the app, by the
 * connector that production has. Weights are read from what Consul pushed to the caller's Envoy, and counted at the backends.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consulOf } from '../../src/adapters/consul-data-plane.ts';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { remoteDataPlanes } from '../../src/adapters/remote-data-plane.ts';
import { decidedRevision } from '../../src/reconcile/model.ts';
import { binomialInterval, isWithin } from '../e2e/binomial.ts';
import { ask, sendRequests, startTraffic } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { freePorts, realEnvoy } from '../real-envoy.ts';
import { deployment, World } from '../world.ts';
import { type CanarySteps, canarySteps } from './canary-steps.ts';
import { type Consul, startConsul } from './consul.ts';
import { type ConsulCaller, type ConsulEnvoys, type ConsulWorkload, consulEnvoys } from './consul-envoys.ts';
import { rejections } from './envoy.ts';
import { heldBy } from './fields/held.ts';
import { routed, virtualHosts } from './fields/outbound.ts';
import { LOOPBACK, type Running } from './process.ts';
import { relay } from './relay.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('consul')) && (await realEnvoy()) !== undefined;

const REQUESTS = 2_000;
const HEADER = 'apiVersion: meshwright.dev/v1\n';
const service = {
  path: 'catalog.yaml',
  text: `${HEADER}kind: Service
name: catalog
port: 8080
stable: v1
rollout: { steps: [10, 50, 100] }
routes:
  - { name: testers, match: { headers: { x-tester: 'yes' } }, version: v2 }
mtls: strict
allow: [web]
`,
};
const caller = { path: 'web.yaml', text: `${HEADER}kind: Service\nname: web\nport: 8080\nrollout: canary\n` };

describe.skipIf(!have)('a canary over a real Consul', () => {
  let consul: Consul;
  let envoys: ConsulEnvoys;
  let v1: ConsulWorkload;
  let v2: ConsulWorkload;
  let web: ConsulCaller;
  let world: World;
  let canary: CanarySteps;
  /** Between the connector and Consul. */
  let wire: Running;
  let port: number;

  const connectWire = async (): Promise<void> => {
    wire = await relay({ host: LOOPBACK, port }, { host: LOOPBACK, port: Number(new URL(consul.url).port) });
  };

  beforeAll(async () => {
    consul = await startConsul('deny');
    envoys = consulEnvoys(consul);
    [v1, v2] = await Promise.all([envoys.workload('catalog', 'v1'), envoys.workload('catalog', 'v2')]);
    [port = 0] = await freePorts(1);
    await connectWire();
    const remote = remoteDataPlanes(Date.now);
    const documents = new MemoryDocuments();
    const decided = (of: string, service: string) => decidedRevision(documents, of, service);
    world = new World({
      documents,
      connect: ({ name: mesh }, dataPlane) => {
        const reached = dataPlane.kind === 'consul' ? consulOf(dataPlane, () => consul.managementToken, decided) : undefined;
        return reached && remote(`${mesh}/${dataPlane.name}`, reached);
      },
    });
    const address = `address: "http://${LOOPBACK}:${port}", tokenSetting: CONSUL_TOKEN, defaultPolicy: deny`;
    const mesh = {
      path: 'mesh.yaml',
      text: `${HEADER}kind: Mesh\nname: shop\ntrustDomain: mesh.example\ndataPlanes:\n  - { name: vms, kind: consul, ${address} }\n`,
    };
    canary = canarySteps(world);
    await world.apply(mesh, service, caller);
    await canary.settled();
    web = await envoys.caller('web', ['catalog']);
    await until('catalog answers', async () => 'version' in (await ask(web.to('catalog'))));
  });
  afterAll(async () => {
    await wire?.stop();
    await envoys?.stop();
    await consul?.stop();
  });

  const deploy = (id: string, version: string) => world.app.receiveEvent(deployment(id, 'catalog', version), { actor: 'kim', again: true });
  /** The weights by version that the caller's Envoy has, of a request without and one with the testers' header. */
  const pushed = async (headers: Record<string, string> = {}): Promise<Record<string, number>> => {
    const held = heldBy(await web.envoy.configDump());
    const host = virtualHosts(held).find(({ name }) => name === 'catalog');
    const call = host && routed(host, { method: 'GET', path: '/items', headers });
    return Object.fromEntries(Object.entries(call?.split ?? {}).map(([cluster, weight]) => [cluster.split('.')[0] ?? '', weight]));
  };
  const isPushed = (weights: Record<string, number>) =>
    until(`the caller's Envoy has ${JSON.stringify(weights)}`, async () => JSON.stringify(await pushed()) === JSON.stringify(weights));
  const subsets = async (): Promise<readonly string[]> => {
    const { body } = await consul.ask('GET', '/v1/config/service-resolver/catalog');
    return Object.keys(Object(body).Subsets).sort();
  };

  it('moves 10, 50, 100 as each step is compiled; the weights are those that Consul pushes, and no request is lost', async () => {
    const traffic = startTraffic(web.to('catalog'), 200);
    await deploy('1', 'v2');
    const steps = await canary.toTheEnd(async (weights) => {
      // What was seen is what Consul has compiled; its proxies have it some 200 ms later.
      await isPushed(weights);
      expect(await pushed({ 'x-tester': 'yes' })).toEqual({ v2: 100 });
      if (weights.v2 !== 10) return;
      for (const { backend } of [v1, v2]) backend.received.length = 0;
      const { answers } = await sendRequests(web.to('catalog'), REQUESTS);
      expect(isWithin(answers.get('v2') ?? 0, binomialInterval(REQUESTS, 0.1))).toBe(true);
    });
    expect(steps).toEqual([10, 50, 100]);
    await canary.settled();
    await isPushed({ v2: 100 });
    expect(await subsets()).toEqual(['v2']);
    const { failures, requests } = await traffic.stop();
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(100);
  });

  it('goes back when it is told to, and the proxies follow', async () => {
    await deploy('2', 'v1');
    await canary.held();
    await isPushed({ v1: 10, v2: 90 });
    await world.app.byHand('shop', 'catalog', { id: 'a1', actor: 'kim' }, { type: 'Abort' });
    await canary.settled();
    await isPushed({ v2: 100 });
    const { failures, answers } = await sendRequests(web.to('catalog'), 100);
    expect(failures).toEqual([]);
    expect([...answers.keys()]).toEqual(['v2']);
  });

  it('waits while Consul is away, leaving the proxies as they were, and goes on when it is back', async () => {
    await deploy('3', 'v1');
    await canary.held();
    await wire.stop();
    await world.app.byHand('shop', 'catalog', { id: 'a2', actor: 'kim' }, { type: 'Abort' });
    await until('it is said that Consul is away', async () => {
      await world.after(1_000);
      return JSON.stringify((await canary.status())?.pending).includes('gave no answer');
    });
    expect(await pushed()).toEqual({ v1: 10, v2: 90 });
    await connectWire();
    await canary.settled();
    await isPushed({ v2: 100 });
  });

  it('says whose entry is in the way, and goes on when it is not any more', async () => {
    const { body } = await consul.ask('GET', '/v1/config/service-splitter/catalog');
    const { Splits } = Object(body);
    await consul.mustWrite({ Kind: 'service-splitter', Name: 'catalog', Splits });
    await deploy('4', 'v1');
    await until('it is said', async () => {
      await world.after(1_000);
      return JSON.stringify(await canary.status()).includes('vms refused it: service-splitter catalog was written by somebody else');
    });
    await consul.ask('DELETE', '/v1/config/service-router/catalog');
    await consul.ask('DELETE', '/v1/config/service-splitter/catalog');
    await canary.settled();
    await isPushed({ v1: 10, v2: 90 });
  });

  it('has pushed nothing that a stock Envoy rejects', async () => {
    for (const { envoy } of [web, v1, v2]) expect(await rejections(envoy)).toBe(0);
  });
});
