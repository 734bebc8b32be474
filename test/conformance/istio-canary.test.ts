/** A whole canary over a real istiod with proxies connected: started, observed, advanced and taken back through the app. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { istioDataPlane } from '../../src/dataplanes/istio/data-plane.ts';
import { sendRequests, startTraffic } from '../e2e/traffic.ts';
import { realEnvoy } from '../real-envoy.ts';
import { deployment, World } from '../world.ts';
import { type CanarySteps, canarySteps } from './canary-steps.ts';
import { tokenOfTheDocs } from './documented-roles.ts';
import { CATALOG, canaryFiles, type IstioCanaryMesh, startIstioCanaryMesh } from './istio-canary-mesh.ts';
import { ISTIO_NAMESPACE } from './istiod.ts';
import { connector } from './kubernetes-connector.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery')) && (await realEnvoy()) !== undefined;

describe.skipIf(!have)('a canary over a real istiod', () => {
  let mesh: IstioCanaryMesh;
  let canary: CanarySteps;
  let world: World;

  beforeAll(async () => {
    mesh = await startIstioCanaryMesh('istio');
    const cluster = connector(mesh.api, await tokenOfTheDocs(mesh.api, 'istio.md'));
    const documents = new MemoryDocuments();
    const options = { cluster, documents, controlPlaneNamespace: ISTIO_NAMESPACE, takeOver: false, observe: true };
    world = new World({ documents, connect: () => istioDataPlane(options) });
    canary = canarySteps(world);
    await world.apply(...canaryFiles('istio'));
    await canary.settled();
  });
  afterAll(() => mesh?.stop());

  /** What istiod pushes to the caller, read without the connector. */
  const pushed = async (): Promise<Record<string, number>> => {
    const clusters = z.object({ clusters: z.array(z.object({ name: z.string(), weight: z.number() })) });
    const route = z.object({
      name: z.string(),
      route: z.object({ weightedClusters: clusters.optional(), cluster: z.string().optional() }),
    });
    const dump = z.object({ configs: z.array(z.object({ virtualHosts: z.array(z.object({ routes: z.array(route) })) })) });
    const { configs } = dump.parse(await mesh.istiod.debug('/debug/config_dump?types=RDS&proxyID=web.shop'));
    const ours = configs.flatMap(({ virtualHosts }) => virtualHosts.flatMap(({ routes }) => routes)).find(({ name }) => name === 'default');
    const weights = ours?.route.weightedClusters?.clusters ?? [{ name: ours?.route.cluster ?? '', weight: 100 }];
    return Object.fromEntries(weights.map(({ name, weight }) => [name.split('|')[2] ?? '', weight]));
  };
  const subsets = async (): Promise<readonly string[]> => {
    const rule = z.object({ spec: z.object({ subsets: z.array(z.object({ name: z.string() })) }) });
    const { body } = await mesh.api.admin.ask('GET', '/apis/networking.istio.io/v1/namespaces/shop/destinationrules/catalog');
    return rule.parse(body).spec.subsets.map(({ name }) => name);
  };

  it('moves as proxies are seen to serve each step, and the weights are those that istiod pushes', async () => {
    const traffic = startTraffic(mesh.web.to(CATALOG), 200);
    await world.app.receiveEvent(deployment('1', 'catalog', 'v2'));
    const steps = await canary.toTheEnd(async (weights) => expect(await pushed()).toEqual(weights));
    expect(steps).toEqual([5, 25, 50, 100]);
    await canary.settled();
    expect(await pushed()).toEqual({ v2: 100 });
    expect(await subsets()).toEqual(['v2']);
    // Neither a weight nor a subset that went lost a request.
    const { failures, requests } = await traffic.stop();
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(100);
  });

  it('goes back when it is told to, and proxies are seen to follow', async () => {
    await world.app.receiveEvent(deployment('2', 'catalog', 'v1', { again: true }));
    await canary.held();
    expect(await pushed()).toEqual({ v1: 5, v2: 95 });
    await world.app.byHand('shop', 'catalog', { id: 'a1', actor: 'kim' }, { type: 'Abort' });
    await canary.settled();
    expect(await pushed()).toEqual({ v2: 100 });
    expect((await canary.status())?.rollout).toBeNull();
    const { failures, answers } = await sendRequests(mesh.web.to(CATALOG), 100);
    expect(failures).toEqual([]);
    expect([...answers.keys()]).toEqual(['v2']);
  });
});
