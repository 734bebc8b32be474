/** A whole canary and authorization over a real osm-controller: seen at the admin doors of stock Envoys, counted at the backends. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import type { Cluster } from '../../src/dataplanes/kubernetes/cluster.ts';
import { osmDataPlane } from '../../src/dataplanes/osm/data-plane.ts';
import { outboundWeights } from '../../src/dataplanes/osm/observe.ts';
import type { AllowRule } from '../../src/plan/plan.ts';
import type { DataPlane } from '../../src/reconcile/data-plane.ts';
import { writeFragment } from '../../src/reconcile/model.ts';
import { planOf } from '../dataplanes/kubernetes/requests.ts';
import { binomialInterval, isWithin } from '../e2e/binomial.ts';
import { ask, sendRequests, type Target } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { tokenOfTheDocs } from './documented-roles.ts';
import { endpointSlice } from './endpoint-slices.ts';
import type { Envoy } from './envoy.ts';
import { type Kubelet, startKubelet } from './kubelet.ts';
import { connector } from './kubernetes-connector.ts';
import { missingNetworks } from './network.ts';
import { OSM_NAMESPACE, type Osm, startOsm } from './osm.ts';
import { OSM_SERVICE_PORT, type OsmCaller, type OsmEnvoys, type OsmWorkload, osmEnvoys } from './osm-envoys.ts';
import { haveServers } from './servers/build.ts';

const missing = await missingNetworks();
if (missing !== undefined) console.warn(`Skipped: OSM. ${missing}`);
const have = missing === undefined && (await haveServers('etcd', 'kube-apiserver', 'osm-controller')) && (await realEnvoy()) !== undefined;

const REQUESTS = 2_000;
const catalog = { name: 'catalog', namespace: 'shop' };
const version = (name: string) => ({ name: `catalog-${name}`, namespace: 'shop', selector: { app: 'catalog', version: name } });
const host = 'catalog.shop.svc.cluster.local';
const web: AllowRule = { callers: [{ namespace: 'shop', serviceAccount: 'web' }] };

describe.skipIf(!have)('Open Service Mesh by a plan', () => {
  let api: ApiServer;
  let osm: Osm;
  let envoys: OsmEnvoys;
  let kubelet: Kubelet;
  let cluster: Cluster;
  let dataPlane: DataPlane;
  let v1: OsmWorkload;
  let v2: OsmWorkload;
  let caller: OsmCaller;
  let target: Target;
  let revision = 0;
  const documents = new MemoryDocuments();

  const admins = new Map<string, Envoy>();
  /** Puts every pod on the node, so that its admin door can be reached as in a cluster. */
  async function bindPods(): Promise<void> {
    for (const pod of admins.keys()) {
      const binding = {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name: pod },
        target: { apiVersion: 'v1', kind: 'Node', name: kubelet.node },
      };
      const { status, body } = await api.admin.ask('POST', `/api/v1/namespaces/shop/pods/${pod}/binding`, binding);
      if (status !== 201) throw new Error(`Pod ${pod} was not bound (${status}): ${JSON.stringify(body)}`);
    }
  }

  beforeAll(async () => {
    api = await startApiServer('osm');
    osm = await startOsm(api);
    envoys = osmEnvoys(api, osm);
    // As their owner has them: OSM learns target ports from Endpoints, which a controller would keep.
    for (const service of [catalog, version('v1'), version('v2')]) await envoys.service(service);
    v1 = await envoys.workload('shop', 'catalog', 'v1');
    v2 = await envoys.workload('shop', 'catalog', 'v2');
    caller = await envoys.caller('shop', 'web');
    admins.set('catalog-v1-1', v1.envoy).set('catalog-v2-2', v2.envoy).set('web', caller.envoy);
    kubelet = await startKubelet(api, (pod, port) =>
      port === 15_000 ? (admins.get(pod)?.adminPort ?? 'no such pod') : `nobody listens on ${port}`,
    );
    await bindPods();
    cluster = connector(api, await tokenOfTheDocs(api, 'osm.md'));
    dataPlane = osmDataPlane({
      cluster,
      documents,
      controlPlaneNamespace: OSM_NAMESPACE,
      takeOver: true,
      observe: true,
    });
    target = await caller.to(catalog);
  });
  afterAll(async () => {
    await kubelet?.stop();
    await envoys?.stop();
    await osm?.stop();
    await api?.stop();
  });

  const planned = (weights: Readonly<Record<string, number>>, allow: readonly AllowRule[] = [web]) => ({
    ...planOf([{ name: 'default', match: {} }], {
      mesh: 'shop',
      port: OSM_SERVICE_PORT,
      versions: ['v1', 'v2'].map((name) => ({ name, labels: { version: name } })),
      security: { stage: 'strict', trustDomain: 'cluster.local', serviceAccount: 'catalog', allow },
    }),
    routes: [{ name: 'default', match: {}, split: Object.entries(weights).map(([name, weight]) => ({ version: name, weight })) }],
  });
  const fragmentOf = (plan: ReturnType<typeof planned>) => {
    revision += 1;
    return { mesh: 'shop', service: 'catalog', revision, sequence: revision, plan };
  };
  /** Applies it and waits until every sidecar is seen to serve it. */
  const serve = async (plan: ReturnType<typeof planned>): Promise<void> => {
    const fragment = fragmentOf(plan);
    expect(await dataPlane.apply(fragment)).toEqual({ kind: 'applied' });
    await until('it is seen to be served', async () => {
      const seen = await dataPlane.observe(fragment, 0);
      if (seen.kind !== 'served') throw new Error(JSON.stringify(seen));
      return true;
    });
    expect(await dataPlane.prune?.(fragment)).toEqual({ kind: 'applied' });
  };
  const held = async () => outboundWeights(await caller.envoy.admin('/config_dump?resource=dynamic_route_configs'), host);

  it('moves its weights, each seen in the config of a real Envoy before it counts, and requests follow', async () => {
    await serve(planned({ v1: 100, v2: 0 }));
    await until('catalog answers', async () => 'version' in (await ask(target)));
    for (const [one, two] of [
      [90, 10],
      [50, 50],
      [90, 10],
    ] as const) {
      await serve(planned({ v1: one, v2: two }));
      expect(await held()).toEqual({ 'catalog-v1': one, 'catalog-v2': two });
    }
    v1.backend.received.length = 0;
    v2.backend.received.length = 0;
    expect((await sendRequests(target, REQUESTS)).failures).toEqual([]);
    expect(isWithin(v2.backend.received.length, binomialInterval(REQUESTS, 0.1))).toBe(true);
  });

  it('does not call served what was only applied', async () => {
    await serve(planned({ v1: 100, v2: 0 }));
    const fragment = fragmentOf(planned({ v1: 0, v2: 100 }));
    expect(await dataPlane.apply(fragment)).toEqual({ kind: 'applied' });
    // OSM takes two seconds to push.
    expect(await dataPlane.observe(fragment, 0)).toMatchObject({ kind: 'waiting', for: ['shop/web'] });
    await until('it is served', async () => (await dataPlane.observe(fragment, 0)).kind === 'served');
    expect([...(await sendRequests(target, 50)).answers.keys()]).toEqual(['v2']);
  });

  it('lets a caller make the requests that a rule allows, and no others', async () => {
    await serve(planned({ v1: 100, v2: 0 }, [{ ...web, methods: ['GET'], paths: [{ exact: '/health.txt' }, { exact: '/carts/1' }] }]));
    const to = async (path: string, method = 'GET') => ask(await caller.to(catalog, { path, method }));
    await until('the rule has arrived', async () => 'version' in (await to('/carts/1')) && !('version' in (await to('/other'))));
    expect(await to('/health.txt')).toHaveProperty('version');
    expect(await to('/healthxtxt')).not.toHaveProperty('version');
    expect(await to('/health.txt/more')).not.toHaveProperty('version');
    expect(await to('/carts/12')).not.toHaveProperty('version');
    expect(await to('/carts/../carts/1')).not.toHaveProperty('version');
    expect(await to('/carts/1', 'DELETE')).not.toHaveProperty('version');
  });

  it('has versions that are ready by the pods behind the Service', async () => {
    await writeFragment(documents, { mesh: 'pods', service: 'catalog', revision: 1, plan: planned({ v1: 100, v2: 0 }) });
    await api.admin.mustApply(endpointSlice('catalog', { 'catalog-v1-1': true, 'catalog-v2-2': false }));
    expect(await dataPlane.readiness('pods', 'catalog', 0)).toEqual({ v1: 'ready', v2: 'none' });
  });

  it('is not applied while the mesh lets everybody call everybody', async () => {
    const path = `/apis/config.openservicemesh.io/v1alpha2/namespaces/${OSM_NAMESPACE}/meshconfigs/osm-mesh-config`;
    const permissive = (on: boolean) =>
      api.admin.ask('PATCH', path, { spec: { traffic: { enablePermissiveTrafficPolicyMode: on } } }, 'application/merge-patch+json');
    expect((await permissive(true)).status).toBe(200);
    expect(await dataPlane.apply(fragmentOf(planned({ v1: 100, v2: 0 })))).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('`enablePermissiveTrafficPolicyMode` on'),
    });
    expect((await permissive(false)).status).toBe(200);
  });
});
