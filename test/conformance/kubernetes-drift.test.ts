/** Drift on a real API server: what others change, delete or put beside ours is found, with who did it, and what the server defaults is not. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { gatewayApiDataPlane } from '../../src/dataplanes/gateway-api/data-plane.ts';
import { istioDataPlane } from '../../src/dataplanes/istio/data-plane.ts';
import { RENDERED_KINDS } from '../../src/dataplanes/istio/kinds.ts';
import { type Bringing, bring } from '../../src/dataplanes/kubernetes/apply.ts';
import type { Cluster } from '../../src/dataplanes/kubernetes/cluster.ts';
import { storedDrift } from '../../src/dataplanes/kubernetes/drift.ts';
import { SERVICES } from '../../src/dataplanes/kubernetes/kinds.ts';
import { versionService } from '../../src/dataplanes/kubernetes/objects.ts';
import { osmDataPlane } from '../../src/dataplanes/osm/data-plane.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import type { Difference } from '../../src/reconcile/data-plane.ts';
import { differenceText } from '../../src/rollouts/difference.ts';
import { until } from '../e2e/until.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { planOf } from './istio-plans.ts';
import { connectedFor, connector } from './kubernetes-connector.ts';
import { haveServers } from './servers/build.ts';

const have = await haveServers('etcd', 'kube-apiserver');
const SPLIT = [
  { version: 'v1', weight: 90 },
  { version: 'v2', weight: 10 },
];

describe.skipIf(!have)('drift on a real API server', () => {
  let api: ApiServer;
  let cluster: Cluster;
  beforeAll(async () => {
    api = await startApiServer('istio', 'gateway-api', 'osm');
    await api.namespace('shop');
    cluster = await connectedFor(api, RENDERED_KINDS);
  });
  afterAll(() => api?.stop());

  /** A service at rest, and its drift. */
  async function atRest(service: string, takeOver = false) {
    const options = { documents: new MemoryDocuments(), controlPlaneNamespace: 'istio-system', observe: false };
    const dataPlane = istioDataPlane({ cluster, takeOver, ...options });
    const plan = planOf({ name: service, namespace: 'shop', port: 8080 }, SPLIT);
    const fragment = { mesh: 'conformance', service, revision: 3, sequence: 3, plan };
    expect(await dataPlane.apply(fragment)).toEqual({ kind: 'applied' });
    const drift = async (): Promise<readonly Difference[]> => (await dataPlane.drift?.(fragment)) ?? [];
    expect(await drift()).toEqual([]);
    return { dataPlane, fragment, drift, restore: () => dataPlane.apply(fragment) };
  }
  const pathOf = (plural: string, name: string, manager?: string) =>
    `/apis/networking.istio.io/v1/namespaces/shop/${plural}/${name}${manager === undefined ? '' : `?fieldManager=${manager}`}`;
  const ask = async (method: string, path: string, body?: JsonObject | readonly JsonObject[], contentType?: string) => {
    const answer = await api.admin.ask(method, path, body, contentType);
    if (answer.status >= 300) throw new Error(JSON.stringify(answer.body));
  };
  /** As `kubectl patch --type=json` and `kubectl edit` do it. */
  const patch = (name: string, manager: string, ...operations: readonly JsonObject[]) =>
    ask('PATCH', pathOf('virtualservices', name, manager), operations, 'application/json-patch+json');
  const merge = (plural: string, name: string, manager: string, body: JsonObject) =>
    ask('PATCH', pathOf(plural, name, manager), body, 'application/merge-patch+json');

  it('is what another manager changed: where, what it is and should be, who and when; and theirs to keep', async () => {
    const { drift, restore } = await atRest('edited');
    const before = Date.now();
    await patch('edited', 'kubectl-edit', { op: 'replace', path: '/spec/http/0/route/0/weight', value: 20 });
    const [difference, ...others] = await drift();
    expect(others).toEqual([]);
    expect(difference).toEqual({
      kind: 'changed',
      resource: 'VirtualService shop/edited',
      path: 'spec.http[0].route[0].weight',
      wanted: '90',
      found: '20',
      by: { manager: 'kubectl-edit', operation: 'Update', at: expect.any(Number) },
      restorable: false,
    });
    // The server keeps whole seconds.
    expect(difference?.kind === 'changed' ? difference.by?.at : 0).toBeGreaterThanOrEqual(Math.floor(before / 1000) * 1000);
    expect(difference && differenceText(difference)).toContain('kubectl-edit owns it');
    expect(await restore()).toMatchObject({ kind: 'refused', message: expect.stringContaining('kubectl-edit owns .spec.http') });
    expect(await drift()).toHaveLength(1);
  });

  it('is put back from another manager where that was asked for', async () => {
    const { drift, restore } = await atRest('taken-over', true);
    await patch('taken-over', 'kubectl-edit', { op: 'replace', path: '/spec/http/0/route/0/weight', value: 20 });
    expect(await drift()).toMatchObject([{ by: { manager: 'kubectl-edit' }, restorable: true }]);
    expect(await restore()).toEqual({ kind: 'applied' });
    expect(await drift()).toEqual([]);
  });

  it('is what is put into a spec or a list of ours, and not what is put into its metadata', async () => {
    const { drift } = await atRest('added-to');
    await merge('virtualservices', 'added-to', 'helm', { metadata: { labels: { team: 'a' } } });
    expect(await drift()).toEqual([]);
    await merge('virtualservices', 'added-to', 'helm', { spec: { exportTo: ['.'] } });
    expect(await drift()).toMatchObject([{ path: 'spec.exportTo', found: '["."]', by: { manager: 'helm' }, restorable: false }]);
    await merge('virtualservices', 'added-to', 'helm', { spec: { exportTo: null } });
    await patch('added-to', 'chaos', {
      op: 'add',
      path: '/spec/http/0/fault',
      value: { abort: { httpStatus: 503, percentage: { value: 1 } } },
    });
    expect(await drift()).toMatchObject([
      {
        path: 'spec.http[0].fault',
        found: '{"abort":{"httpStatus":503,"percentage":{"value":1}}}',
        by: { manager: 'chaos' },
        restorable: false,
      },
    ]);
  });

  it('is what was deleted or emptied: nobody keeps who did it, and it is put back', async () => {
    const { drift, restore } = await atRest('deleted');
    await ask('DELETE', pathOf('virtualservices', 'deleted'));
    await merge('destinationrules', 'deleted', 'kubectl-patch', { spec: { subsets: null } });
    await merge('destinationrules', 'deleted', 'kubectl-label', { metadata: { labels: { 'app.kubernetes.io/managed-by': null } } });
    expect(await drift()).toMatchObject([
      {
        kind: 'changed',
        resource: 'DestinationRule shop/deleted',
        path: 'metadata.labels["app.kubernetes.io/managed-by"]',
        restorable: true,
      },
      { kind: 'changed', resource: 'DestinationRule shop/deleted', path: 'spec.subsets', restorable: true },
      { kind: 'missing', resource: 'VirtualService shop/deleted' },
    ]);
    expect(await restore()).toEqual({ kind: 'applied' });
    expect(await drift()).toEqual([]);
  });

  it('names who really holds a field: GitOps that applies over ours', async () => {
    const { drift } = await atRest('gitops');
    const metadata = { name: 'gitops', namespace: 'shop' };
    const rule = { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata, spec: { host: 'elsewhere', subsets: [] } };
    const applied = await api.admin.apply(rule, { manager: 'argocd-controller', force: true });
    expect(applied.status).toBe(200);
    expect(await drift()).toMatchObject([
      { path: 'spec.host', found: '"elsewhere"', by: { manager: 'argocd-controller', operation: 'Apply' } },
      { path: 'spec.subsets', found: '[]', by: { manager: 'argocd-controller', operation: 'Apply' } },
    ]);
  });

  it('is an older VirtualService of the host, and not a younger one, which Istio takes no notice of', async () => {
    const second = (name: string, host: string) => ({
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name, namespace: 'shop' },
      spec: { hosts: [host], http: [{ route: [{ destination: { host } }] }] },
    });
    const { drift } = await atRest('twice');
    await api.admin.mustApply(second('younger', 'twice'));
    expect(await drift()).toEqual([]);
    await ask('DELETE', pathOf('virtualservices', 'twice'));
    expect(await drift()).toMatchObject([
      { kind: 'missing' },
      {
        kind: 'foreign',
        resource: 'VirtualService shop/younger',
        message: expect.stringContaining('routes twice.shop already'),
        by: { manager: 'conformance', operation: 'Apply' },
      },
    ]);
  });

  it('is one of ours that is rendered no more, and a revision that was never decided', async () => {
    const { dataPlane, fragment, drift } = await atRest('later');
    await dataPlane.apply({ ...fragment, revision: 9 });
    expect(await drift()).toMatchObject([{ kind: 'foreign', message: expect.stringContaining('a later revision') }]);
    const labels = { 'app.kubernetes.io/managed-by': 'meshwright', 'meshwright.dev/mesh': 'conformance', 'meshwright.dev/service': 'left' };
    const left = await atRest('left');
    const policy = {
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'old', namespace: 'shop', labels },
    };
    await api.admin.mustApply({ ...policy, spec: {} });
    expect(await left.drift()).toMatchObject([
      { kind: 'left-over', resource: 'AuthorizationPolicy shop/old', by: { manager: 'conformance' } },
    ]);
  });

  it('is none of what the API server defaults, in lists with keys too', async () => {
    const plan = planOf({ name: 'defaulted', namespace: 'shop', port: 8080 }, SPLIT);
    const objects = plan.versions.map((version) => versionService(plan, version));
    const of = { mesh: 'conformance', service: 'defaulted', revision: 1, kinds: [SERVICES], naming: [], splits: [], selecting: [] };
    const whole: Bringing = { ...of, objects, decided: async () => 1, force: false, widened: (desired) => desired };
    await bring(cluster, whole);
    expect(await storedDrift(cluster, whole)).toEqual([]);
    const path = '/api/v1/namespaces/shop/services/defaulted-v1?fieldManager=kubectl-edit';
    await ask('PATCH', path, [{ op: 'replace', path: '/spec/ports/0/targetPort', value: 9 }], 'application/json-patch+json');
    expect(await storedDrift(cluster, whole)).toMatchObject([
      {
        resource: 'Service shop/defaulted-v1',
        path: 'spec.ports[0].targetPort',
        wanted: '8080',
        found: '9',
        by: { manager: 'kubectl-edit' },
      },
    ]);
  });

  /** For a mesh that divides requests over Services of versions; its Service is there already. */
  async function inService(service: string, make: typeof gatewayApiDataPlane | typeof osmDataPlane) {
    const metadata = { name: service, namespace: 'shop' };
    await api.admin.mustApply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { selector: { app: service }, ports: [{ port: 8080 }] },
    });
    const common = { cluster, documents: new MemoryDocuments(), takeOver: false, observe: false };
    const dataPlane = make({ ...common, controlPlaneNamespace: 'mesh-system', experimental: false });
    const fragment = {
      mesh: 'conformance',
      service,
      revision: 3,
      sequence: 3,
      plan: planOf({ name: service, namespace: 'shop', port: 8080 }, SPLIT),
    };
    await until(`${service} is applied`, async () => (await dataPlane.apply(fragment)).kind === 'applied');
    return async (): Promise<readonly Difference[]> => (await dataPlane.drift?.(fragment)) ?? [];
  }

  it('is none of what a CRD defaults in the items of a list, as those of HTTPRoutes do', async () => {
    const drift = await inService('routed', gatewayApiDataPlane);
    expect(await drift()).toEqual([]);
    const path = '/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/routed';
    const { body } = await api.admin.ask('GET', path);
    expect(JSON.stringify(body)).toContain('"matches":[{"path":{"type":"PathPrefix","value":"/"}}]');
    const change = [{ op: 'replace', path: '/spec/rules/0/backendRefs/0/weight', value: 7 }];
    await ask('PATCH', `${path}?fieldManager=kubectl-edit`, change, 'application/json-patch+json');
    expect(await drift()).toMatchObject([
      {
        resource: 'HTTPRoute shop/routed',
        path: 'spec.rules[0].backendRefs[0].weight',
        wanted: '90',
        found: '7',
        by: { manager: 'kubectl-edit' },
      },
    ]);
  });

  it('is a second TrafficSplit of a service, since osm-controller goes by one of them', async () => {
    const drift = await inService('split', osmDataPlane);
    expect(await drift()).toEqual([]);
    const twin = (name: string, service: string) => ({
      apiVersion: 'split.smi-spec.io/v1alpha2',
      kind: 'TrafficSplit',
      metadata: { name, namespace: 'shop' },
      spec: { service, backends: [{ service: 'split-v1', weight: 100 }] },
    });
    await api.admin.mustApply(twin('other', 'splitter'), twin('twin', 'split.shop.svc.cluster.local'));
    expect(await drift()).toMatchObject([{ kind: 'foreign', resource: 'TrafficSplit shop/twin', by: { manager: 'conformance' } }]);
  });

  it('of what may not be read is unknown, and says which permission is missing', async () => {
    const { fragment } = await atRest('closed');
    const reader = connector(api, await api.user('drift-reader', []));
    const options = { documents: new MemoryDocuments(), controlPlaneNamespace: 'istio-system', takeOver: false, observe: false };
    await expect(istioDataPlane({ cluster: reader, ...options }).drift?.(fragment)).rejects.toThrow(/cannot list resource .* Grant that/);
  });
});
