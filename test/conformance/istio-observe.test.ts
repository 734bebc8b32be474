/** What is seen of proxies through a real istiod: who serves it, who does not yet, who refuses it, and when nobody can be asked. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { type IstioOptions, istioDataPlane } from '../../src/dataplanes/istio/data-plane.ts';
import type { Cluster } from '../../src/dataplanes/kubernetes/cluster.ts';
import type { ServicePlan } from '../../src/plan/plan.ts';
import type { Observation } from '../../src/reconcile/data-plane.ts';
import { writeFragment } from '../../src/reconcile/model.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { endpointSlice } from './endpoint-slices.ts';
import { type Relay, startRelay } from './held-relay.ts';
import { type IstioEnvoys, istioEnvoys } from './istio-envoys.ts';
import { ISTIO_NAMESPACE, type Istiod, startIstiod } from './istiod.ts';
import type { Kubelet } from './kubelet.ts';
import { connector, istiodPod } from './kubernetes-connector.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery')) && (await realEnvoy()) !== undefined;

const catalog = { name: 'catalog', namespace: 'shop', port: 8080 };
const plan = (v1: number): ServicePlan => ({
  mesh: 'shop',
  service: 'catalog',
  namespace: 'shop',
  port: 8080,
  protocol: 'http',
  selector: { app: 'catalog' },
  versions: ['v1', 'v2'].map((name) => ({ name, labels: { version: name } })),
  routes: [
    { name: 'beta', match: { headers: [{ name: 'x-beta', exact: 'yes' }] }, split: [{ version: 'v2', weight: 100 }] },
    {
      name: 'default',
      match: {},
      split: [
        { version: 'v1', weight: v1 },
        { version: 'v2', weight: 100 - v1 },
      ],
    },
  ],
  dataPlanes: ['west'],
});

describe.skipIf(!have)('what proxies are seen to serve', () => {
  const documents = new MemoryDocuments();
  let revision = 0;
  let api: ApiServer;
  let istiod: Istiod;
  let kubelet: Kubelet;
  let relay: Relay;
  let envoys: IstioEnvoys;
  let slow: IstioEnvoys;

  beforeAll(async () => {
    api = await startApiServer('istio');
    istiod = await startIstiod(api);
    kubelet = await istiodPod(api, istiod);
    relay = await startRelay(istiod.xdsPort);
    envoys = istioEnvoys(api, istiod);
    slow = istioEnvoys(api, { ...istiod, xdsPort: relay.port });
    await envoys.service(catalog);
    await Promise.all([envoys.workload(catalog, 'v1'), envoys.workload(catalog, 'v2')]);
    await Promise.all([envoys.caller('web', 'shop', catalog.port), slow.caller('far', 'shop', catalog.port)]);
  });
  afterAll(async () => {
    for (const each of [relay, kubelet, envoys, slow, istiod, api]) await each?.stop();
  });

  const west = (more: Partial<IstioOptions> = {}) =>
    istioDataPlane({ cluster: connector(api), documents, controlPlaneNamespace: ISTIO_NAMESPACE, takeOver: false, observe: true, ...more });
  const next = (planned: ServicePlan | null) => {
    revision += 1;
    return { mesh: 'shop', service: 'catalog', revision, sequence: revision, plan: planned };
  };
  /** Applies it, and looks until it is seen as `kind` says. */
  async function seenAs<Kind extends Observation['kind']>(kind: Kind, planned: ServicePlan | null): Promise<Observation & { kind: Kind }> {
    const fragment = next(planned);
    expect(await west().apply(fragment)).toEqual({ kind: 'applied' });
    return until(`it is ${kind}`, async () => {
      const seen = await west().observe(fragment, Date.now());
      if (!isOf(seen, kind)) throw new Error(JSON.stringify(seen));
      return seen;
    });
  }
  const isOf = <Kind extends Observation['kind']>(seen: Observation, kind: Kind): seen is Observation & { kind: Kind } =>
    seen.kind === kind;

  it('is served when every proxy that has a route for it has acknowledged exactly these weights', async () => {
    await seenAs('served', plan(90));
    expect(await west().observe(next(plan(89)), Date.now())).toMatchObject({ kind: 'waiting' });
    expect(await west().observe(next(plan(90)), Date.now())).toEqual({ kind: 'served' });
  });

  it('waits for a proxy that was sent it and has not said that it took it, by name', async () => {
    relay.hold();
    const { for: proxies, because } = await seenAs('waiting', plan(80));
    await until('all others serve it', async () => {
      const seen = await west().observe(next(plan(80)), Date.now());
      return seen.kind === 'waiting' && seen.for.length === 1;
    });
    expect(proxies).toContain('far.shop');
    expect(because).toContain('far.shop');
    relay.release();
    await seenAs('served', plan(80));
  });

  it('is served where a route matches every path, though istiod then sends none of those behind it', async () => {
    const everything = { name: 'everything', match: { path: { prefix: '/' } }, split: [{ version: 'v1', weight: 100 }] };
    await seenAs('served', { ...plan(80), routes: [everything, ...plan(80).routes] });
    await seenAs('served', plan(80));
  });

  it('does not wait for proxies of a namespace that routes it another way for itself alone', async () => {
    await api.namespace('elsewhere');
    const host = 'catalog.shop.svc.cluster.local';
    const spec = { hosts: [host], exportTo: ['.'], http: [{ route: [{ destination: { host } }] }] };
    const metadata = { name: 'catalog', namespace: 'elsewhere' };
    await api.admin.mustApply({ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata, spec });
    const stranger = await envoys.caller('stranger', 'elsewhere', catalog.port);
    await seenAs('served', plan(75));
    const isKept = async () => JSON.stringify(await west().observe(next(plan(74)), Date.now())).includes('stranger');
    expect(await isKept()).toBe(false);
    await api.admin.ask('DELETE', '/apis/networking.istio.io/v1/namespaces/elsewhere/virtualservices/catalog');
    await until('it counts as any other', isKept);
    await stranger.envoy.stop();
    await seenAs('served', plan(75));
  });

  it('waits for whom there was no time to ask, and ends', async () => {
    const cluster = connector(api);
    const over = new AbortController();
    const door: Cluster['door'] = (to) => {
      const real = cluster.door(to);
      const get: typeof real.get = (path) => {
        if (!path.includes('far.shop')) return real.get(path);
        over.abort();
        return new Promise(() => {});
      };
      return { ...real, get };
    };
    const seen = await west({ cluster: { ...cluster, door } }).observe(next(plan(80)), Date.now(), over.signal);
    expect(seen).toMatchObject({ kind: 'waiting', because: expect.stringContaining('could not be asked in the time') });
    expect(seen.kind === 'waiting' && seen.for).toContain('far.shop');
    expect(await west().observe(next(plan(80)), Date.now(), AbortSignal.abort())).toMatchObject({ kind: 'waiting', for: [] });
  });

  it('says what a proxy refuses, in its words', async () => {
    const filter = { apiVersion: 'networking.istio.io/v1alpha3', kind: 'EnvoyFilter', metadata: { name: 'broken', namespace: 'shop' } };
    const patch = {
      operation: 'MERGE',
      value: { route: { prefix_rewrite: '/a', regex_rewrite: { pattern: { regex: '.*' }, substitution: '' } } },
    };
    await api.admin.mustApply({
      ...filter,
      spec: {
        workloadSelector: { labels: { app: 'web' } },
        configPatches: [{ applyTo: 'HTTP_ROUTE', match: { context: 'SIDECAR_OUTBOUND' }, patch }],
      },
    });
    const { node, message } = await seenAs('rejected', plan(70));
    expect(node).toBe('web.shop');
    expect(message).toContain('rewrite');
    await api.admin.ask('DELETE', await api.admin.pathOf(filter));
    await seenAs('served', plan(70));
  });

  it('does not wait for a proxy whose Sidecar keeps the service from it', async () => {
    const sidecar = { apiVersion: 'networking.istio.io/v1', kind: 'Sidecar', metadata: { name: 'apart', namespace: 'shop' } };
    const egress = [{ hosts: ['istio-system/*'] }];
    await api.admin.mustApply({ ...sidecar, spec: { workloadSelector: { labels: { app: 'web' } }, egress } });
    await api.admin.ask('DELETE', '/apis/networking.istio.io/v1/namespaces/shop/sidecars/web');
    await seenAs('served', plan(60));
  });

  it('cannot be said without the permission to forward a port, and what then to do', async () => {
    const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }];
    const cluster = connector(api, await api.user('observes-nothing', rules));
    const fragment = next(plan(60));
    expect(await west({ cluster }).observe(fragment, Date.now())).toEqual({
      kind: 'waiting',
      for: [],
      because:
        'It cannot be seen what is served: The API server does not let meshwright get and create pods/portforward in istio-system; grant it there. Or say `observe: false` of this data plane, and what was applied counts.',
    });
    expect(await west({ cluster, observe: false }).observe(fragment, Date.now())).toMatchObject({ kind: 'unobserved' });
    expect(await west({ controlPlaneNamespace: 'default' }).observe(fragment, Date.now())).toMatchObject({
      kind: 'waiting',
      because: expect.stringMatching(
        /^There is no ready pod labelled app=istiod in default to ask\. Namespace shop has no label that asks for injection/,
      ),
    });
  });

  it('of a service that is gone is nothing', async () => {
    await seenAs('served', null);
    expect(await west().prune?.(next(null))).toEqual({ kind: 'applied' });
    const { status } = await api.admin.ask('GET', '/apis/networking.istio.io/v1/namespaces/shop/destinationrules/catalog');
    expect(status).toBe(404);
  });

  it('has versions that are ready by what stands behind the Service', async () => {
    const ready = () => west().readiness('shop', 'catalog', Date.now());
    expect(await ready()).toEqual({});
    await writeFragment(documents, { mesh: 'shop', service: 'catalog', revision: 1, plan: plan(90) });
    expect(await ready()).toEqual({ v1: 'ready', v2: 'ready' });
    await api.admin.ask('DELETE', '/apis/networking.istio.io/v1/namespaces/shop/workloadentries/catalog-2');
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'catalog-v3-0', namespace: 'shop', labels: { app: 'catalog', version: 'v3' } },
    };
    await api.admin.mustApply({ ...pod, spec: { containers: [{ name: 'catalog', image: 'catalog' }] } });
    await api.admin.mustApply(endpointSlice('catalog', { 'catalog-v3-0': true }));
    expect(await ready()).toEqual({ v1: 'ready', v2: 'none', v3: 'ready' });
    await api.admin.mustApply(endpointSlice('catalog', { 'catalog-v3-0': false }));
    expect(await ready()).toEqual({ v1: 'ready', v2: 'none' });
    const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }];
    const blind = connector(api, await api.user('sees-pods-only', rules));
    expect(await west({ cluster: blind }).readiness('shop', 'catalog', Date.now())).toEqual({});
  });
});
