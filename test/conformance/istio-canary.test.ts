/** A whole canary over a real istiod with proxies connected: started, observed, advanced and taken back through the app. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { istioDataPlane } from '../../src/dataplanes/istio/data-plane.ts';
import { sendRequests, startTraffic } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import { deployment, World } from '../world.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { tokenOfTheDocs } from './documented-roles.ts';
import { type IstioCaller, type IstioEnvoys, istioEnvoys } from './istio-envoys.ts';
import { ISTIO_NAMESPACE, type Istiod, startIstiod } from './istiod.ts';
import type { Kubelet } from './kubelet.ts';
import { connector, istiodPod } from './kubernetes-connector.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery')) && (await realEnvoy()) !== undefined;

const catalog = { name: 'catalog', namespace: 'shop', port: 8080 };
const mesh = {
  path: 'mesh.yaml',
  text: 'apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\ndataPlanes:\n  - { name: west, kind: istio }\n',
};
const service = {
  path: 'catalog.yaml',
  text: 'apiVersion: meshwright.dev/v1\nkind: Service\nname: catalog\nnamespace: shop\nport: 8080\nstable: v1\nrollout: canary\n',
};

describe.skipIf(!have)('a canary over a real istiod', () => {
  let api: ApiServer;
  let istiod: Istiod;
  let envoys: IstioEnvoys;
  let web: IstioCaller;
  let kubelet: Kubelet;
  let world: World;

  beforeAll(async () => {
    api = await startApiServer('istio');
    istiod = await startIstiod(api);
    envoys = istioEnvoys(api, istiod);
    await envoys.service(catalog);
    await Promise.all([envoys.workload(catalog, 'v1'), envoys.workload(catalog, 'v2')]);
    web = await envoys.caller('web', 'shop', catalog.port);
    kubelet = await istiodPod(api, istiod);
    const cluster = connector(api, await tokenOfTheDocs(api, 'istio.md'));
    const documents = new MemoryDocuments();
    const options = { cluster, documents, controlPlaneNamespace: ISTIO_NAMESPACE, takeOver: false, observe: true };
    world = new World({ documents, connect: () => istioDataPlane(options) });
    await world.apply(mesh, service);
    await settled();
  });
  afterAll(async () => {
    await kubelet?.stop();
    await envoys?.stop();
    await istiod?.stop();
    await api?.stop();
  });

  const phase = async () => (await world.app.service('shop', 'catalog'))?.rollout?.phase;
  /** The sweep goes round, each time a second later by the app's clock, until nothing is owed. */
  const settled = () =>
    until('nothing is owed', async () => {
      await world.after(1_000);
      const owed = (await world.app.service('shop', 'catalog'))?.pending ?? [];
      if (owed.length > 0) throw new Error(JSON.stringify([owed, world.problems]));
      return true;
    });
  /** What istiod pushes to the caller, read without the connector. */
  const pushed = async (): Promise<Record<string, number>> => {
    const clusters = z.object({ clusters: z.array(z.object({ name: z.string(), weight: z.number() })) });
    const route = z.object({
      name: z.string(),
      route: z.object({ weightedClusters: clusters.optional(), cluster: z.string().optional() }),
    });
    const dump = z.object({ configs: z.array(z.object({ virtualHosts: z.array(z.object({ routes: z.array(route) })) })) });
    const { configs } = dump.parse(await istiod.debug('/debug/config_dump?types=RDS&proxyID=web.shop'));
    const ours = configs.flatMap(({ virtualHosts }) => virtualHosts.flatMap(({ routes }) => routes)).find(({ name }) => name === 'default');
    const weights = ours?.route.weightedClusters?.clusters ?? [{ name: ours?.route.cluster ?? '', weight: 100 }];
    return Object.fromEntries(weights.map(({ name, weight }) => [name.split('|')[2] ?? '', weight]));
  };
  const subsets = async (): Promise<readonly string[]> => {
    const rule = z.object({ spec: z.object({ subsets: z.array(z.object({ name: z.string() })) }) });
    const { body } = await api.admin.ask('GET', '/apis/networking.istio.io/v1/namespaces/shop/destinationrules/catalog');
    return rule.parse(body).spec.subsets.map(({ name }) => name);
  };

  it('moves as proxies are seen to serve each step, and the weights are those that istiod pushes', async () => {
    const traffic = startTraffic(web.to(catalog), 200);
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    const weights: number[] = [];
    await until('v2 is stable', async () => {
      await world.after(1_000);
      if ((await phase()) === 'holding') {
        const [split, seen] = [await world.split('catalog'), await pushed()];
        expect(seen).toEqual(Object.fromEntries(Object.entries(split).filter(([, weight]) => weight > 0)));
        weights.push(seen.v2 ?? 0);
        await world.after(10 * 60_000);
      }
      return (await world.app.service('shop', 'catalog'))?.stable === 'v2';
    });
    expect(weights).toEqual([5, 25, 50, 100]);
    await settled();
    expect(await pushed()).toEqual({ v2: 100 });
    expect(await subsets()).toEqual(['v2']);
    // Neither a weight nor a subset that went lost a request.
    const { failures, requests } = await traffic.stop();
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(100);
  });

  it('goes back when it is told to, and proxies are seen to follow', async () => {
    await world.app.receiveEvent(deployment('2', 'catalog', 'v1', { again: true }));
    await until('the first step is served', async () => {
      await world.after(1_000);
      return (await phase()) === 'holding';
    });
    expect(await pushed()).toEqual({ v1: 5, v2: 95 });
    await world.app.byHand('shop', 'catalog', { id: 'a1', actor: 'kim' }, { type: 'Abort' });
    await settled();
    expect(await pushed()).toEqual({ v2: 100 });
    expect((await world.app.service('shop', 'catalog'))?.rollout).toBeNull();
    const { failures, answers } = await sendRequests(web.to(catalog), 100);
    expect(failures).toEqual([]);
    expect([...answers.keys()]).toEqual(['v2']);
  });
});
