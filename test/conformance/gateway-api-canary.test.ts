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
import { type CanarySteps, canarySteps } from './canary-steps.ts';
import { tokenOfTheDocs } from './documented-roles.ts';
import { CATALOG, canaryFiles, type IstioCanaryMesh, startIstioCanaryMesh } from './istio-canary-mesh.ts';
import { ISTIO_NAMESPACE } from './istiod.ts';
import { connector } from './kubernetes-connector.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery')) && (await realEnvoy()) !== undefined;

const REQUESTS = 2_000;

describe.skipIf(!have)('a canary by Gateway API over a real istiod', () => {
  let mesh: IstioCanaryMesh;
  let canary: CanarySteps;
  let cluster: Cluster;
  let world: World;
  let dataPlane: DataPlane;
  const documents = new MemoryDocuments();
  const planeOf = (controlPlaneNamespace: string): DataPlane =>
    gatewayApiDataPlane({ cluster, documents, controlPlaneNamespace, experimental: false, takeOver: false, observe: true });

  beforeAll(async () => {
    mesh = await startIstioCanaryMesh('istio', 'gateway-api');
    cluster = connector(mesh.api, await tokenOfTheDocs(mesh.api, 'gateway-api.md'));
    dataPlane = planeOf(ISTIO_NAMESPACE);
    world = new World({ documents, connect: () => dataPlane });
    canary = canarySteps(world);
    await world.apply(...canaryFiles('gateway-api'));
    await canary.settled();
  });
  afterAll(() => mesh?.stop());

  /** What istiod pushes to the caller for the service, read without the connector: by version. */
  const pushed = async (): Promise<Record<string, number>> => {
    const clusters = z.object({ clusters: z.array(z.object({ name: z.string(), weight: z.number() })) });
    const route = z.object({
      name: z.string().default(''),
      route: z.object({ weightedClusters: clusters.optional(), cluster: z.string().optional() }).default({}),
    });
    const dump = z.object({ configs: z.array(z.object({ virtualHosts: z.array(z.object({ routes: z.array(route).default([]) })) })) });
    const { configs } = dump.parse(await mesh.istiod.debug('/debug/config_dump?types=RDS&proxyID=web.shop'));
    const ours = configs
      .flatMap(({ virtualHosts }) => virtualHosts.flatMap(({ routes }) => routes))
      .find(({ name }) => name === 'shop.catalog.0');
    const weights = ours?.route.weightedClusters?.clusters ?? [{ name: ours?.route.cluster ?? '', weight: 100 }];
    return Object.fromEntries(weights.map(({ name, weight }) => [/catalog-([^.]+)/.exec(name)?.[1] ?? name, weight]));
  };

  it('moves as proxies are seen to serve each step, and the weights are those that istiod pushes', async () => {
    const traffic = startTraffic(mesh.web.to(CATALOG), 200);
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    const steps = await canary.toTheEnd(async (weights) => expect(await pushed()).toEqual(weights));
    expect(steps).toEqual([5, 25, 50, 100]);
    await canary.settled();
    expect(await pushed()).toEqual({ v2: 100 });
    const { failures, requests } = await traffic.stop();
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(100);
  });

  it('takes the Service of a version away once it serves nobody, and leaves the own Service alone', async () => {
    const names = z.object({ items: z.array(z.object({ metadata: z.object({ name: z.string() }) })) });
    const { body } = await mesh.api.admin.ask('GET', '/api/v1/namespaces/shop/services');
    expect(names.parse(body).items.map(({ metadata }) => metadata.name)).toEqual(['catalog', 'catalog-v2']);
  });

  it('knows versions by WorkloadEntries where an istiod puts them behind the Service, and of another implementation by pods alone', async () => {
    expect(await dataPlane.readiness('shop', 'catalog', 0)).toMatchObject({ v1: 'ready', v2: 'ready' });
    expect(await planeOf('default').readiness('shop', 'catalog', 0)).toMatchObject({ v2: 'none' });
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
    mesh.v2.backend.received.length = 0;
    expect((await sendRequests(mesh.web.to(CATALOG), REQUESTS)).failures).toEqual([]);
    expect(isWithin(mesh.v2.backend.received.length, binomialInterval(REQUESTS, 0.25))).toBe(true);
    expect([...(await sendRequests(mesh.web.to(CATALOG, { headers: { 'x-beta': 'yes' } }), 50)).answers.keys()]).toEqual(['v2']);
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
