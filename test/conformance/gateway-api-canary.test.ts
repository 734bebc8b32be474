/** A whole canary by Gateway API: HTTPRoutes that a real istiod implements, observed by their status and at the proxies. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { gatewayApiDataPlane } from '../../src/dataplanes/gateway-api/data-plane.ts';
import type { Cluster } from '../../src/dataplanes/kubernetes/cluster.ts';
import type { DataPlane } from '../../src/reconcile/data-plane.ts';
import { planOf } from '../dataplanes/kubernetes/requests.ts';
import { binomialInterval, isWithin } from '../e2e/binomial.ts';
import { sendRequests, startTraffic } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import { deployment, World } from '../world.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { tokenOfTheDocs } from './documented-roles.ts';
import { type IstioCaller, type IstioEnvoys, type IstioWorkload, istioEnvoys } from './istio-envoys.ts';
import { ISTIO_NAMESPACE, type Istiod, startIstiod } from './istiod.ts';
import type { Kubelet } from './kubelet.ts';
import { connector, istiodPod } from './kubernetes-connector.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery')) && (await realEnvoy()) !== undefined;

const REQUESTS = 2_000;
const catalog = { name: 'catalog', namespace: 'shop', port: 8080 };
const mesh = {
  path: 'mesh.yaml',
  text: 'apiVersion: meshwright.dev/v1\nkind: Mesh\nname: shop\ndataPlanes:\n  - { name: west, kind: gateway-api }\n',
};
const service = {
  path: 'catalog.yaml',
  text: 'apiVersion: meshwright.dev/v1\nkind: Service\nname: catalog\nnamespace: shop\nport: 8080\nstable: v1\nrollout: canary\n',
};

describe.skipIf(!have)('a canary by Gateway API over a real istiod', () => {
  let api: ApiServer;
  let istiod: Istiod;
  let envoys: IstioEnvoys;
  let v2: IstioWorkload;
  let web: IstioCaller;
  let kubelet: Kubelet;
  let cluster: Cluster;
  let world: World;
  let dataPlane: DataPlane;

  beforeAll(async () => {
    api = await startApiServer('istio', 'gateway-api');
    istiod = await startIstiod(api);
    envoys = istioEnvoys(api, istiod);
    await envoys.service(catalog);
    await envoys.workload(catalog, 'v1');
    v2 = await envoys.workload(catalog, 'v2');
    web = await envoys.caller('web', 'shop', catalog.port);
    kubelet = await istiodPod(api, istiod);
    cluster = connector(api, await tokenOfTheDocs(api, 'gateway-api.md'));
    const documents = new MemoryDocuments();
    const options = { cluster, documents, controlPlaneNamespace: ISTIO_NAMESPACE, experimental: false, takeOver: false, observe: true };
    dataPlane = gatewayApiDataPlane(options);
    world = new World({ documents, connect: () => dataPlane });
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
  const settled = () =>
    until('nothing is owed', async () => {
      await world.after(1_000);
      const owed = (await world.app.service('shop', 'catalog'))?.pending ?? [];
      if (owed.length > 0) throw new Error(JSON.stringify([owed, world.problems]));
      return true;
    });
  /** What istiod pushes to the caller for the service, read without the connector: by version. */
  const pushed = async (): Promise<Record<string, number>> => {
    const clusters = z.object({ clusters: z.array(z.object({ name: z.string(), weight: z.number() })) });
    const route = z.object({
      name: z.string().default(''),
      route: z.object({ weightedClusters: clusters.optional(), cluster: z.string().optional() }).default({}),
    });
    const dump = z.object({ configs: z.array(z.object({ virtualHosts: z.array(z.object({ routes: z.array(route).default([]) })) })) });
    const { configs } = dump.parse(await istiod.debug('/debug/config_dump?types=RDS&proxyID=web.shop'));
    const ours = configs
      .flatMap(({ virtualHosts }) => virtualHosts.flatMap(({ routes }) => routes))
      .find(({ name }) => name === 'shop.catalog.0');
    const weights = ours?.route.weightedClusters?.clusters ?? [{ name: ours?.route.cluster ?? '', weight: 100 }];
    return Object.fromEntries(weights.map(({ name, weight }) => [/catalog-([^.]+)/.exec(name)?.[1] ?? name, weight]));
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
    const { failures, requests } = await traffic.stop();
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(100);
  });

  it('takes the Service of a version away once it serves nobody, and leaves the own Service alone', async () => {
    const names = z.object({ items: z.array(z.object({ metadata: z.object({ name: z.string() }) })) });
    const { body } = await api.admin.ask('GET', '/api/v1/namespaces/shop/services');
    expect(names.parse(body).items.map(({ metadata }) => metadata.name)).toEqual(['catalog', 'catalog-v2']);
  });

  it('divides real requests by the weights of a rule, and sends those a rule names where it says', async () => {
    const split = [
      { version: 'v1', weight: 75 },
      { version: 'v2', weight: 25 },
    ];
    const plan = {
      ...planOf(
        [
          { name: 'beta', match: { headers: [{ name: 'x-beta', exact: 'yes' }] } },
          { name: 'default', match: {} },
        ],
        { mesh: 'shop' },
      ),
      versions: ['v1', 'v2'].map((name) => ({ name, labels: { version: name } })),
    };
    const routed = {
      ...plan,
      routes: plan.routes.map((route) => ({ ...route, split: route.name === 'beta' ? [{ version: 'v2', weight: 100 }] : split })),
    };
    const fragment = { mesh: 'shop', service: 'catalog', revision: 1_000, sequence: 1_000, plan: routed };
    expect(await dataPlane.apply(fragment)).toEqual({ kind: 'applied' });
    await until('it is served', async () => (await dataPlane.observe(fragment, world.now)).kind === 'served');
    v2.backend.received.length = 0;
    expect((await sendRequests(web.to(catalog), REQUESTS)).failures).toEqual([]);
    expect(isWithin(v2.backend.received.length, binomialInterval(REQUESTS, 0.25))).toBe(true);
    expect([...(await sendRequests(web.to(catalog, { headers: { 'x-beta': 'yes' } }), 50)).answers.keys()]).toEqual(['v2']);
  });

  it('is refused, and nothing written, where the Service has no such port, or is not there', async () => {
    const fragment = (over: object) => ({
      mesh: 'shop',
      service: 'catalog',
      revision: 2_000,
      sequence: 2_000,
      plan: { ...planOf([{ name: 'default', match: {} }]), ...over },
    });
    expect(await dataPlane.apply(fragment({ port: 9 }))).toEqual({
      kind: 'refused',
      message: 'Service shop/catalog has no port 9; it has 8080.',
    });
    expect(await dataPlane.apply(fragment({ service: 'nobody' }))).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('There is no Service shop/nobody'),
    });
  });

  it('waits with a reason, or says who refused, while a gateway it names is not there', async () => {
    const ingress = [{ host: 'catalog.example', gateway: { name: 'missing', namespace: 'shop' } }];
    const plan = { ...planOf([{ name: 'default', match: {} }], { mesh: 'shop' }), ingress };
    const versions = [{ name: 'v1', labels: { version: 'v1' } }];
    const routes = [{ name: 'default', match: {}, split: [{ version: 'v1', weight: 100 }] }];
    const fragment = { mesh: 'shop', service: 'catalog', revision: 3_000, sequence: 3_000, plan: { ...plan, versions, routes } };
    expect(await dataPlane.apply(fragment)).toEqual({ kind: 'applied' });
    const seen = await dataPlane.observe(fragment, world.now);
    expect(seen).toMatchObject({ kind: 'waiting', because: expect.stringContaining('Gateway missing') });
  });
});
