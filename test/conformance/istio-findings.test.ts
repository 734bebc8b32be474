/** What keeps workloads out of the mesh, or routes without effect, found on a real API server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keptOutOfMesh, withoutEffect } from '../../src/dataplanes/istio/findings.ts';
import type { Cluster } from '../../src/dataplanes/kubernetes/cluster.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import type { ServicePlan } from '../../src/plan/plan.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { connector } from './kubernetes-connector.ts';
import { haveServers } from './servers/build.ts';

const have = await haveServers('etcd', 'kube-apiserver');
const ROOT = 'istio-system';

const planIn = (namespace: string, service = 'catalog'): ServicePlan => ({
  mesh: 'shop',
  service,
  namespace,
  port: 8080,
  protocol: 'http',
  selector: { app: service },
  versions: [{ name: 'v1', labels: { version: 'v1' } }],
  routes: [{ name: 'default', match: {}, split: [{ version: 'v1', weight: 100 }] }],
  dataPlanes: ['west'],
});

describe.skipIf(!have)('findings', () => {
  let api: ApiServer;
  let cluster: Cluster;
  beforeAll(async () => {
    api = await startApiServer('istio');
    cluster = connector(api);
    await api.namespace('shop', { 'istio-injection': 'enabled' });
  });
  afterAll(() => api?.stop());

  const service = (namespace: string, name: string, port: JsonObject) =>
    api.admin.mustApply({ apiVersion: 'v1', kind: 'Service', metadata: { namespace, name }, spec: { ports: [{ port: 8080, ...port }] } });
  const pod = (namespace: string, name: string, spec: JsonObject, metadata: JsonObject = {}) =>
    api.admin.mustApply({ apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name, labels: { app: 'catalog' }, ...metadata }, spec });
  const containers = (...names: readonly string[]) => names.map((name) => ({ name, image: name }));
  const routes = (namespace: string, name: string, ...hosts: readonly string[]) =>
    api.admin.mustApply({
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { namespace, name },
      spec: { hosts: [...hosts], http: [{ route: [{ destination: { host: hosts[0] ?? '' } }] }] },
    });

  it.each<[string, JsonObject, string | undefined]>([
    ['named', { name: 'http-web' }, undefined],
    ['sniffed', { name: 'web' }, undefined],
    ['h2c', { name: 'tcp', appProtocol: 'kubernetes.io/h2c' }, undefined],
    [
      'tcp',
      { name: 'tcp-web' },
      'Service shop/tcp says by the name of port 8080 that it is tcp: Istio applies no routes to it. Give the port `appProtocol: http` or `grpc`.',
    ],
    ['tls', { name: 'http', appProtocol: 'https' }, 'Service shop/tls says by the appProtocol of port 8080 that it is https'],
    ['udp', { name: 'http', protocol: 'UDP' }, 'Service shop/udp says by the protocol of port 8080 that it is udp'],
    ['elsewhere', { name: 'http', port: 9090 }, 'Service shop/elsewhere has no port 8080; it has 9090.'],
  ])('a port that is no HTTP for Istio: %s', async (name, port, refusal) => {
    await service('shop', name, port);
    const found = await withoutEffect(cluster, planIn('shop', name), ROOT);
    if (refusal === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(refusal);
  });

  it('another VirtualService of the host, however it is written, and only one that is older', async () => {
    await routes('shop', 'legacy', 'cart');
    expect(await withoutEffect(cluster, planIn('shop', 'cart'), ROOT)).toContain('VirtualService shop/legacy routes cart.shop already');
    // The same short name is another host in another namespace.
    expect(await withoutEffect(cluster, planIn('default', 'cart'), ROOT)).toBeUndefined();
    await routes('default', 'far', 'orders.shop.svc.cluster.local');
    expect(await withoutEffect(cluster, planIn('shop', 'orders'), ROOT)).toContain('VirtualService default/far routes orders.shop already');
    const labels = { 'app.kubernetes.io/managed-by': 'meshwright', 'meshwright.dev/mesh': 'shop', 'meshwright.dev/service': 'orders' };
    const ours = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { namespace: 'shop', name: 'orders', labels } };
    await api.admin.mustApply({ ...ours, spec: { hosts: ['orders'] } });
    await api.admin.ask('DELETE', '/apis/networking.istio.io/v1/namespaces/default/virtualservices/far');
    expect(await withoutEffect(cluster, planIn('shop', 'orders'), ROOT)).toBeUndefined();
  });

  it('but none that is for other namespaces than those of the service and its callers', async () => {
    const host = 'private.shop.svc.cluster.local';
    const spec = { hosts: [host], http: [{ route: [{ destination: { host } }] }] };
    const theirs = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { namespace: 'default', name: 'private' } };
    await api.admin.mustApply({ ...theirs, spec: { ...spec, exportTo: ['.'] } });
    const plan = planIn('shop', 'private');
    expect(await withoutEffect(cluster, plan, ROOT)).toBeUndefined();
    const allow = [{ callers: [{ namespace: 'default', serviceAccount: 'web' }] }];
    const security = { stage: 'strict', trustDomain: 'cluster.local', serviceAccount: 'private', allow } as const;
    expect(await withoutEffect(cluster, { ...plan, security }, ROOT)).toContain(
      'VirtualService default/private routes private.shop already',
    );
    await api.admin.mustApply({ ...theirs, spec: { ...spec, exportTo: ['.', 'shop'] } });
    expect(await withoutEffect(cluster, plan, ROOT)).toContain('VirtualService default/private routes private.shop already');
  });

  it('a namespace that asks for no injection, or for another revision', async () => {
    await api.namespace('bare');
    await api.namespace('old', { 'istio.io/rev': 'asm-1-25' });
    const home = async (namespace: string, revision?: string) => (await keptOutOfMesh(cluster, planIn(namespace), revision)).slice(1);
    expect(await home('shop')).toEqual([]);
    expect(await home('bare')).toEqual(['Namespace bare has no label that asks for injection; label it `istio-injection: enabled`.']);
    expect(await home('old', 'asm-1-26')).toEqual([
      'Namespace old is labelled `istio.io/rev: asm-1-25`, and this data plane is revision asm-1-26.',
    ]);
    expect(await home('shop', 'asm-1-26')).toEqual([
      'Namespace shop is labelled `istio-injection`, which the AKS add-on takes no notice of; label it `istio.io/rev: asm-1-26` instead.',
    ]);
  });

  it('pods without a proxy, and why', async () => {
    await api.namespace('pods', { 'istio-injection': 'enabled' });
    await service('pods', 'catalog', { name: 'http' });
    await pod('pods', 'injected', { containers: containers('catalog', 'istio-proxy') });
    await pod('pods', 'native', { containers: containers('catalog'), initContainers: containers('istio-proxy') });
    expect(await keptOutOfMesh(cluster, planIn('pods'), undefined)).toEqual([]);
    await pod('pods', 'early', { containers: containers('catalog') });
    await pod('pods', 'told', { containers: containers('catalog') }, { labels: { app: 'catalog', 'sidecar.istio.io/inject': 'false' } });
    expect(await keptOutOfMesh(cluster, planIn('pods'), undefined)).toEqual([
      'Pods of pods that go without a proxy, as their `sidecar.istio.io/inject: "false"` says: told.',
      'Pods of pods without an istio-proxy container: early; restart them once their namespace asks for injection.',
    ]);
  });

  it('what may not be read is no finding', async () => {
    const blind = connector(api, await api.user('finds-nothing', []));
    expect(await withoutEffect(blind, planIn('shop', 'tcp'), ROOT)).toBeUndefined();
    expect(await keptOutOfMesh(blind, planIn('bare'), undefined)).toEqual([]);
  });
});
