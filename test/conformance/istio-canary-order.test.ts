/**
 * In which order a canary comes to proxies through a real istiod: one that is not heard holds up what it could not follow. It hears
 * everything, so that whatever was pushed too early would answer its callers with 503.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { istioDataPlane } from '../../src/dataplanes/istio/data-plane.ts';
import { type Cluster, ClusterUnavailable } from '../../src/dataplanes/kubernetes/cluster.ts';
import type { ServicePlan } from '../../src/plan/plan.ts';
import { sendRequests } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import { startApiServer } from './api-server.ts';
import { type Relay, startRelay } from './held-relay.ts';
import { CATALOG } from './istio-canary-mesh.ts';
import { type IstioCaller, istioEnvoys } from './istio-envoys.ts';
import { ISTIO_NAMESPACE, startIstiod } from './istiod.ts';
import { connector, istiodPod } from './kubernetes-connector.ts';
import { Started } from './process.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery')) && (await realEnvoy()) !== undefined;

const plan = (weights: Readonly<Record<string, number>>): ServicePlan => ({
  mesh: 'shop',
  service: CATALOG.name,
  namespace: CATALOG.namespace,
  port: CATALOG.port,
  protocol: 'http',
  selector: { app: CATALOG.name },
  versions: Object.keys(weights).map((name) => ({ name, labels: { version: name } })),
  routes: [{ name: 'default', match: {}, split: Object.entries(weights).map(([version, weight]) => ({ version, weight })) }],
  dataPlanes: ['west'],
});

describe.skipIf(!have)('the order in which a canary comes to proxies', () => {
  const started = new Started();
  const documents = new MemoryDocuments();
  const asked: string[] = [];
  let revision = 0;
  let cluster: Cluster;
  let relay: Relay;
  let far: IstioCaller;

  beforeAll(async () => {
    const api = started.add(await startApiServer('istio'));
    const istiod = started.add(await startIstiod(api));
    relay = started.add(await startRelay(istiod.xdsPort));
    const [envoys, slow] = [started.add(istioEnvoys(api, istiod)), started.add(istioEnvoys(api, { ...istiod, xdsPort: relay.port }))];
    await envoys.service(CATALOG);
    await Promise.all([envoys.workload(CATALOG, 'v1'), envoys.workload(CATALOG, 'v2')]);
    far = await slow.caller('far', CATALOG.namespace, CATALOG.port);
    started.add(await istiodPod(api, istiod));
    const real = connector(api);
    const door: Cluster['door'] = (to) => {
      const { get, close } = real.door(to);
      return {
        get(path) {
          asked.push(path);
          return get(path);
        },
        close,
      };
    };
    cluster = { ...real, door };
  });
  afterAll(() => started.stop());

  const west = () => istioDataPlane({ cluster, documents, controlPlaneNamespace: ISTIO_NAMESPACE, takeOver: false, observe: true });
  const next = (planned: ServicePlan) => {
    revision += 1;
    return { mesh: 'shop', service: CATALOG.name, revision, sequence: revision, plan: planned };
  };
  async function served(planned: ServicePlan): Promise<void> {
    const fragment = next(planned);
    expect(await west().apply(fragment)).toEqual({ kind: 'applied' });
    await until('it is served', async () => (await west().observe(fragment, Date.now())).kind === 'served');
    expect(await west().prune?.(fragment)).toEqual({ kind: 'applied' });
  }
  const answered = async () => {
    const { failures, answers } = await sendRequests(far.to(CATALOG), 50);
    return { failures, versions: [...answers.keys()].sort() };
  };

  it('leads to a new version only when every caller has its cluster', async () => {
    await served(plan({ v1: 100 }));
    relay.hold();
    const fragment = next(plan({ v1: 0, v2: 100 }));
    const error: unknown = await west()
      .apply(fragment)
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ClusterUnavailable);
    expect(String(error)).toContain('far.shop');
    await until('the cluster has come to it', async () => (await far.envoy.admin('/config_dump')).includes('|v2|catalog.shop'));
    expect(await west().observe(fragment, Date.now())).toMatchObject({ kind: 'waiting' });
    expect(await answered()).toEqual({ failures: [], versions: ['v1'] });
    relay.release();
    await until('it goes on', async () => (await west().apply(fragment)).kind === 'applied');
    await until('it is served', async () => (await west().observe(fragment, Date.now())).kind === 'served');
    expect(await answered()).toEqual({ failures: [], versions: ['v2'] });
  });

  it('waits for a caller that has not said that it took the routes, and asks istiod for no dump of it', async () => {
    await served(plan({ v1: 50, v2: 50 }));
    relay.hold();
    const fragment = next(plan({ v1: 40, v2: 60 }));
    expect(await west().apply(fragment)).toEqual({ kind: 'applied' });
    asked.length = 0;
    expect(await west().observe(fragment, Date.now())).toMatchObject({ kind: 'waiting', for: expect.arrayContaining(['far.shop']) });
    expect(asked).toContain('/debug/syncz');
    expect(asked.filter((path) => path.includes('config_dump'))).toEqual([]);
    relay.release();
    await until('it is served', async () => (await west().observe(fragment, Date.now())).kind === 'served');
  });

  it('takes a version away, and brings it back at once, without a request that is lost', async () => {
    const subsets = z.object({ spec: z.object({ subsets: z.array(z.object({ name: z.string() })) }) });
    for (let round = 0; round < 5; round += 1) {
      await served(plan({ v1: 100 }));
      const found = await cluster.get(
        { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', plural: 'destinationrules' },
        { namespace: CATALOG.namespace, name: CATALOG.name },
      );
      expect(found.kind === 'found' && subsets.parse(found.object).spec.subsets.map(({ name }) => name)).toEqual(['v1']);
      const sending = sendRequests(far.to(CATALOG), 400);
      await served(plan({ v1: 50, v2: 50 }));
      expect((await sending).failures).toEqual([]);
    }
  });
});
