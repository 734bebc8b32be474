/** What a real sidecar of a real istiod counts in `shadow`, read as in production: through the API server's port-forward to its pod. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { istioDataPlane } from '../../src/dataplanes/istio/data-plane.ts';
import type { ServicePlan } from '../../src/plan/plan.ts';
import { ask, sendRequests } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import type { IstioCaller, IstioWorkload } from './istio-envoys.ts';
import { type PlannedMesh, planOf, startPlannedMesh } from './istio-plans.ts';
import { TRUST_DOMAIN } from './istiod.ts';
import { type Kubelet, startKubelet } from './kubelet.ts';
import { connector } from './kubernetes-connector.ts';
import { Started } from './process.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery')) && (await realEnvoy()) !== undefined;
const catalog = { name: 'catalog', namespace: 'shop', port: 8080 };

describe.skipIf(!have)('a dry run on Istio', () => {
  const started = new Started();
  const security = { stage: 'shadow', trustDomain: TRUST_DOMAIN, serviceAccount: 'catalog' } as const;
  const plan: ServicePlan = planOf(catalog, [{ version: 'v1', weight: 100 }], {
    security: { ...security, allow: [{ callers: [{ namespace: 'shop', serviceAccount: 'web' }] }] },
  });
  let mesh: PlannedMesh;
  let workload: IstioWorkload;
  let named: IstioCaller;
  let stranger: IstioCaller;
  let kubelet: Kubelet;

  beforeAll(async () => {
    mesh = started.add(await startPlannedMesh());
    const { envoys, api } = mesh;
    await envoys.service(catalog);
    await mesh.bring(plan);
    [workload, named, stranger] = await Promise.all([
      envoys.workload(catalog, 'v1'),
      envoys.caller('web', 'shop', catalog.port),
      envoys.caller('stranger', 'shop', catalog.port),
    ]);
    for (const caller of [named, stranger]) await until('catalog answers', async () => 'version' in (await ask(caller.to(catalog))));
    const admin = workload.envoy?.adminPort ?? 0;
    kubelet = started.add(
      await startKubelet(api, (pod, port) => (pod === 'catalog-0' && port === 15_000 ? admin : `nobody listens on ${port}`)),
    );
    await pod('catalog-0', ['app', 'istio-proxy']);
  });
  afterAll(() => started.stop());

  const pod = (name: string, containers: readonly string[]) =>
    mesh.api.admin.mustApply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'shop', labels: { app: 'catalog', version: 'v1' } },
      spec: { nodeName: kubelet.node, containers: containers.map((container) => ({ name: container, image: container })) },
    });
  const dataPlane = (token?: string) => {
    const options = { documents: new MemoryDocuments(), controlPlaneNamespace: 'istio-system', takeOver: false, observe: true };
    return istioDataPlane({ cluster: connector(mesh.api, token), ...options });
  };
  const counts = async (token?: string) => (await dataPlane(token).dryRun?.(plan, { sequence: 1, now: 0 }))?.proxies ?? [];
  const wouldRefuse = async (): Promise<number> => (await counts())[0]?.wouldRefuse ?? 0;

  it('is read at the sidecar: callers that `allow` does not name, each request once, and all are answered', async () => {
    await until('a stranger is counted', async () => {
      await ask(stranger.to(catalog));
      return (await wouldRefuse()) > 0;
    });
    const before = await wouldRefuse();
    for (const caller of [named, stranger]) expect((await sendRequests(caller.to(catalog), 20)).answers).toEqual(new Map([['v1', 20]]));
    expect(await counts()).toEqual([{ proxy: 'catalog-0.shop', wouldRefuse: before + 20 }]);
  });

  it('leaves out pods without a sidecar, and is unknown while one with a sidecar does not answer', async () => {
    await pod('job-0', ['app']);
    expect((await counts()).map(({ proxy }) => proxy)).toEqual(['catalog-0.shop']);
    await pod('catalog-1', ['app', 'istio-proxy']);
    await expect(counts()).rejects.toThrow(/shop\/catalog-1, port 15000/);
    await mesh.api.admin.ask('DELETE', '/api/v1/namespaces/shop/pods/catalog-1?gracePeriodSeconds=0');
    expect(await counts()).toHaveLength(1);
  });

  it('is unknown where meshwright may not forward ports, and says which permission is missing', async () => {
    const token = await mesh.api.user('dry-run-reader', [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }]);
    await expect(counts(token)).rejects.toThrow(/does not let meshwright .*pods\/portforward in shop; grant it there/);
  });
});
