/**
 * Linkerd's resources on a real API server with its CRDs. Its controllers are not to be had here: what they would write on routes is
 * written by the test, in their words (policy-controller/k8s/status), so that it shows what the connector makes of each.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { type Cluster, ClusterUnavailable } from '../../src/dataplanes/kubernetes/cluster.ts';
import { linkerdDataPlane } from '../../src/dataplanes/linkerd/data-plane.ts';
import { RENDERED_KINDS } from '../../src/dataplanes/linkerd/kinds.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import type { PlannedSecurity, ServicePlan } from '../../src/plan/plan.ts';
import type { DataPlane } from '../../src/reconcile/data-plane.ts';
import { writeFragment } from '../../src/reconcile/model.ts';
import { planOf } from '../dataplanes/kubernetes/requests.ts';
import { until } from '../e2e/until.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { tokenOfTheDocs } from './documented-roles.ts';
import { endpointSlice } from './endpoint-slices.ts';
import { connector } from './kubernetes-connector.ts';
import { haveServers } from './servers/build.ts';

const have = await haveServers('etcd', 'kube-apiserver');

const last = { name: 'default', match: {} };
const detection = { consecutiveErrors: 4, intervalMs: 1000, ejectionMs: 30_000, maxEjectionPercent: 100 };
const security: PlannedSecurity = {
  stage: 'strict',
  trustDomain: 'cluster.local',
  serviceAccount: 'catalog',
  allow: [
    {
      callers: [{ namespace: 'shop', serviceAccount: 'web' }],
      methods: ['GET', 'POST'],
      paths: [{ prefix: '/carts/' }, { exact: '/health.txt' }],
    },
    { callers: [{ namespace: 'ops', serviceAccount: 'janitor' }], methods: ['DELETE'] },
  ],
};

describe.skipIf(!have)("Linkerd's resources on a real API server", () => {
  let api: ApiServer;
  let cluster: Cluster;
  let dataPlane: DataPlane;
  let revision = 0;
  const documents = new MemoryDocuments();

  beforeAll(async () => {
    api = await startApiServer('gateway-api', 'linkerd');
    await api.namespace('shop');
    cluster = connector(api, await tokenOfTheDocs(api, 'linkerd.md'));
    await until('every kind can be listed', async () => Promise.all(RENDERED_KINDS.map((kind) => cluster.list(kind, {}))));
    dataPlane = linkerdDataPlane({ cluster, documents, takeOver: false, observe: true });
  });
  beforeEach(async () => {
    await api.admin.ask('DELETE', '/api/v1/namespaces/shop/services/catalog');
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'catalog', namespace: 'shop', labels: { 'app.kubernetes.io/managed-by': 'Helm' } },
    };
    await api.admin.mustApply({
      ...service,
      spec: { selector: { app: 'catalog' }, ports: [{ name: 'http', port: 8080, targetPort: 'web' }] },
    });
  });
  afterAll(() => api?.stop());

  const fragmentOf = (plan: ServicePlan | null) => {
    revision += 1;
    return { mesh: 'sample', service: 'catalog', revision, sequence: revision, plan };
  };
  const routeSchema = z.object({
    metadata: z.object({ generation: z.number(), resourceVersion: z.string() }),
    spec: z.object({ parentRefs: z.array(z.looseObject({})) }),
  });
  const routePath = '/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/catalog';
  const route = async () => routeSchema.parse((await api.admin.ask('GET', routePath)).body);
  /** As the policy controller does it: `Accepted` and `ResolvedRefs`, and of which generation only where `generation` is given. */
  async function controllerSays(accepted: JsonObject, resolved: JsonObject, generation?: number): Promise<void> {
    const dated = {
      lastTransitionTime: '2026-11-22T14:00:00Z',
      message: '',
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    };
    const conditions = [
      { ...dated, type: 'Accepted', status: 'True', reason: 'Accepted', ...accepted },
      { ...dated, type: 'ResolvedRefs', status: 'True', reason: 'ResolvedRefs', ...resolved },
    ];
    const [parentRef = {}] = (await route()).spec.parentRefs;
    const parents = [{ parentRef: { ...parentRef, namespace: 'shop' }, controllerName: 'linkerd.io/policy-controller', conditions }];
    const { status, body } = await api.admin.ask('PATCH', `${routePath}/status`, { status: { parents } }, 'application/merge-patch+json');
    if (status !== 200) throw new Error(JSON.stringify(body));
  }
  const annotations = async (): Promise<Record<string, string>> => {
    const schema = z.object({ metadata: z.object({ annotations: z.record(z.string(), z.string()).default({}) }) });
    const all = schema.parse((await api.admin.ask('GET', '/api/v1/namespaces/shop/services/catalog')).body).metadata.annotations;
    return Object.fromEntries(Object.entries(all).filter(([name]) => name.includes('linkerd')));
  };

  it('are taken as they are, and left alone when nothing changes', async () => {
    const plan = planOf([{ ...last, timeoutMs: 2_000, retries: { attempts: 2, on: ['5xx'] } }], { security });
    expect(await dataPlane.apply(fragmentOf(plan))).toEqual({ kind: 'applied' });
    const before = await route();
    const again = { ...fragmentOf(plan), revision };
    expect(await dataPlane.apply(again)).toEqual({ kind: 'applied' });
    expect((await route()).metadata.generation).toBe(before.metadata.generation);
  });

  it('are for the port that the workloads have, by the own Service', async () => {
    await dataPlane.apply(fragmentOf(planOf([last], { security })));
    const { body } = await api.admin.ask('GET', '/apis/policy.linkerd.io/v1beta3/namespaces/shop/servers/catalog');
    expect(body).toMatchObject({ spec: { port: 'web', accessPolicy: 'deny' } });
    expect((await api.admin.ask('GET', '/api/v1/namespaces/shop/services/catalog-default')).body).toMatchObject({
      spec: { ports: [{ port: 8080, targetPort: 'web' }] },
    });
  });

  it('annotate the own Service and take no more of it, and let go of it when they are no longer asked for', async () => {
    expect(await dataPlane.apply(fragmentOf(planOf([last], { outlierDetection: detection })))).toEqual({ kind: 'applied' });
    expect(await annotations()).toMatchObject({ 'balancer.linkerd.io/failure-accrual-consecutive-max-failures': '4' });
    expect((await api.admin.ask('GET', '/api/v1/namespaces/shop/services/catalog')).body).toMatchObject({
      metadata: { labels: { 'app.kubernetes.io/managed-by': 'Helm' } },
      spec: { ports: [{ port: 8080 }], selector: { app: 'catalog' } },
    });
    expect(await dataPlane.apply(fragmentOf(planOf([last])))).toEqual({ kind: 'applied' });
    expect(await annotations()).toEqual({});
  });

  it('wait while no controller says anything of them, and say so', async () => {
    const plan = planOf([{ ...last, timeoutMs: 77 }]);
    const fragment = fragmentOf(plan);
    await api.admin.ask('DELETE', routePath);
    await dataPlane.apply(fragment);
    expect(await dataPlane.observe(fragment, 0)).toEqual({
      kind: 'waiting',
      for: [],
      because: 'No controller has said anything of HTTPRoute catalog at Service catalog: is one running that reads such routes?',
    });
  });

  it('count as applied once they are taken, with the reason why no more is known', async () => {
    const fragment = fragmentOf(planOf([last]));
    await dataPlane.apply(fragment);
    await controllerSays({}, {});
    expect(await dataPlane.observe(fragment, 0)).toEqual({
      kind: 'unobserved',
      reason: "Linkerd's policy controller has taken the routes, and does not say which state of them",
    });
  });

  it('are served once a controller says so of the newest state, and not by what it said of the one before', async () => {
    const fragment = fragmentOf(planOf([{ ...last, match: {} }]));
    await dataPlane.apply(fragment);
    const { generation } = (await route()).metadata;
    await controllerSays({}, {}, generation);
    expect(await dataPlane.observe(fragment, 0)).toEqual({ kind: 'served' });
    // No time at all is no answer, and no failure.
    expect(await dataPlane.observe(fragment, 0, AbortSignal.abort())).toMatchObject({
      kind: 'waiting',
      because: expect.stringContaining('in the time that there is for a look'),
    });
    await expect(dataPlane.apply(fragment, AbortSignal.abort())).rejects.toThrow(ClusterUnavailable);
    await controllerSays({}, {}, generation - 1);
    expect(await dataPlane.observe(fragment, 0)).toMatchObject({ kind: 'waiting', because: expect.stringContaining('newest state') });
  });

  it('are rejected in the words of the controller', async () => {
    const fragment = fragmentOf(planOf([last]));
    await dataPlane.apply(fragment);
    await controllerSays({ status: 'False', reason: 'NoMatchingParent', message: 'parent service must have a ClusterIP' }, {});
    expect(await dataPlane.observe(fragment, 0)).toEqual({
      kind: 'rejected',
      node: 'linkerd.io/policy-controller',
      message: 'HTTPRoute catalog, Service catalog: NoMatchingParent. parent service must have a ClusterIP',
    });
    await controllerSays({}, { status: 'False', reason: 'BackendNotFound' });
    expect(await dataPlane.observe(fragment, 0)).toMatchObject({ kind: 'rejected', message: expect.stringContaining('BackendNotFound') });
  });

  it('have versions that are ready by the pods behind the Service, and none that are not', async () => {
    const versions = ['v1', 'v2'].map((name) => ({ name, labels: { version: name } }));
    const plan = planOf([last], { mesh: 'pods', versions });
    await writeFragment(documents, { mesh: 'pods', service: 'catalog', revision: 1, plan });
    for (const name of ['v1', 'v2']) {
      const metadata = { name: `catalog-${name}`, namespace: 'shop', labels: { ...plan.selector, version: name } };
      await api.admin.mustApply({ apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [{ name: 'catalog', image: 'catalog' }] } });
    }
    await api.admin.mustApply(endpointSlice('catalog', { 'catalog-v1': true, 'catalog-v2': false }));
    expect(await dataPlane.readiness('pods', 'catalog', 0)).toEqual({ v1: 'ready', v2: 'none' });
  });

  it('go when the service does, policies before what they name, and the own Service stays', async () => {
    await dataPlane.apply(fragmentOf(planOf([last], { security })));
    const gone = fragmentOf(null);
    expect(await dataPlane.apply(gone)).toEqual({ kind: 'applied' });
    expect(await dataPlane.prune?.(gone)).toEqual({ kind: 'applied' });
    const left = await Promise.all(RENDERED_KINDS.map((kind) => cluster.list(kind, { namespace: 'shop' })));
    const names = left.flatMap((list) => (list.kind === 'listed' ? list.objects.map(({ metadata }) => metadata.name) : ['refused']));
    expect(names).toEqual(['catalog']);
  });
});
