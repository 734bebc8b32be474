/** What others have beside ours on Gateway API, Linkerd and OSM: named where it changes what ours mean, on a real API server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { gatewayApiDataPlane } from '../../src/dataplanes/gateway-api/data-plane.ts';
import type { Cluster } from '../../src/dataplanes/kubernetes/cluster.ts';
import { linkerdDataPlane } from '../../src/dataplanes/linkerd/data-plane.ts';
import { RENDERED_KINDS as LINKERD_KINDS } from '../../src/dataplanes/linkerd/kinds.ts';
import { osmDataPlane } from '../../src/dataplanes/osm/data-plane.ts';
import { MESH_CONFIG, RENDERED_KINDS as OSM_KINDS } from '../../src/dataplanes/osm/kinds.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import type { PlannedSecurity, ServicePlan } from '../../src/plan/plan.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { planOf } from './istio-plans.ts';
import type { KubeObject } from './kube-client.ts';
import { connectedFor } from './kubernetes-connector.ts';
import { haveServers } from './servers/build.ts';

const have = await haveServers('etcd', 'kube-apiserver');

const object = (apiVersion: string, kind: string, name: string, spec: JsonObject, namespace = 'shop'): KubeObject => ({
  apiVersion,
  kind,
  metadata: { name, namespace },
  spec,
});
const GATEWAY = 'gateway.networking.k8s.io/v1';
const POLICY = 'policy.linkerd.io';
const attached = (parent: JsonObject, more: JsonObject = {}) => ({
  parentRefs: [{ group: '', kind: 'Service', port: 8080, ...parent }],
  rules: [{ matches: [{ path: { type: 'PathPrefix', value: '/' } }], ...more }],
});
const allowing = (kind: string, name: string) => ({
  targetRef: { group: kind === 'Namespace' ? '' : kind === 'Server' ? POLICY : 'gateway.networking.k8s.io', kind, name },
  requiredAuthenticationRefs: [{ kind: 'ServiceAccount', name: 'debug' }],
});
const SERVICE = 'meshwright.dev/service';
const ANYBODY = { unauthenticated: true };
const selecting = (selector: JsonObject) => ({ server: { selector }, client: ANYBODY });
const target = (account: string) => ({
  destination: { kind: 'ServiceAccount', name: account, namespace: 'shop' },
  rules: [{ kind: 'HTTPRouteGroup', name: 'all' }],
  sources: [{ kind: 'ServiceAccount', name: 'debug', namespace: 'shop' }],
});

describe.skipIf(!have)('objects of others', () => {
  let api: ApiServer;
  let cluster: Cluster;
  beforeAll(async () => {
    api = await startApiServer('gateway-api', 'osm', 'linkerd');
    await api.namespace('shop');
    await api.namespace('mesh-system');
    cluster = await connectedFor(api, [...OSM_KINDS, ...LINKERD_KINDS, MESH_CONFIG]);
    const spec = { traffic: { enablePermissiveTrafficPolicyMode: false } };
    await api.admin.mustApply(object(MESH_CONFIG.apiVersion, MESH_CONFIG.kind, 'osm-mesh-config', spec, 'mesh-system'));
  });
  afterAll(() => api?.stop());

  const MESHES = {
    'gateway-api': () => gatewayApiDataPlane({ ...common(), experimental: false }),
    linkerd: () => linkerdDataPlane(common()),
    osm: () => osmDataPlane(common()),
  };
  const common = () => ({
    cluster,
    documents: new MemoryDocuments(),
    takeOver: false,
    observe: false,
    controlPlaneNamespace: 'mesh-system',
  });

  async function service(name: string, mesh: keyof typeof MESHES) {
    const own = { selector: { app: name }, ports: [{ port: 8080 }] };
    await api.admin.mustApply(object('v1', 'Service', name, own));
    const dataPlane = MESHES[mesh]();
    const security: PlannedSecurity = {
      stage: 'strict',
      trustDomain: 'cluster.local',
      serviceAccount: name,
      allow: [{ callers: [{ namespace: 'shop', serviceAccount: 'web' }] }],
    };
    const plan: ServicePlan = {
      ...planOf({ name, namespace: 'shop', port: 8080 }, [{ version: 'v1', weight: 100 }]),
      ...(mesh === 'gateway-api' ? {} : { security }),
    };
    const fragment = { mesh: 'conformance', service: name, revision: 3, sequence: 3, plan };
    return { bring: () => dataPlane.apply(fragment), drift: async () => (await dataPlane.drift?.(fragment)) ?? [] };
  }

  it.each<[string, keyof typeof MESHES, (name: string) => KubeObject, string]>([
    ['an HTTPRoute', 'gateway-api', (name) => object(GATEWAY, 'HTTPRoute', 'other-g', attached({ name })), 'may take requests before ours'],
    ['an HTTPRoute', 'linkerd', (name) => object(GATEWAY, 'HTTPRoute', 'other-l', attached({ name })), 'may take requests before ours'],
    [
      'an HTTPRoute of our Server',
      'linkerd',
      (name) => object(GATEWAY, 'HTTPRoute', 'server-l', { ...attached({ name }), parentRefs: [{ group: POLICY, kind: 'Server', name }] }),
      'may take requests before ours',
    ],
    [
      "an HTTPRoute of Linkerd's own",
      'linkerd',
      (name) => object(`${POLICY}/v1beta3`, 'HTTPRoute', 'own-l', attached({ name })),
      'may take requests before ours',
    ],
    [
      'a ServiceProfile',
      'linkerd',
      (name) => object('linkerd.io/v1alpha2', 'ServiceProfile', `${name}.shop.svc.cluster.local`, { routes: [] }),
      'Linkerd reads no HTTPRoute',
    ],
    [
      'a GRPCRoute',
      'linkerd',
      (name) => object(GATEWAY, 'GRPCRoute', 'grpc-l', { parentRefs: [{ group: '', kind: 'Service', name, port: 8080 }], rules: [{}] }),
      'Linkerd reads no HTTPRoute',
    ],
    [
      'a ServerAuthorization of our Server by its name',
      'linkerd',
      (name) => object(`${POLICY}/v1beta1`, 'ServerAuthorization', 'by-name', { server: { name }, client: ANYBODY }),
      'beside `allow`',
    ],
    [
      'a ServerAuthorization of our Server by its labels',
      'linkerd',
      (name) => object(`${POLICY}/v1beta1`, 'ServerAuthorization', 'by-labels', selecting({ matchLabels: { [SERVICE]: name } })),
      'beside `allow`',
    ],
    [
      'a ServerAuthorization of our Server by expressions',
      'linkerd',
      (name) =>
        object(
          `${POLICY}/v1beta1`,
          'ServerAuthorization',
          'by-expressions',
          selecting({
            matchExpressions: [
              { key: SERVICE, operator: 'In', values: [name] },
              { key: SERVICE, operator: 'Exists' },
              { key: 'tier', operator: 'NotIn', values: ['back'] },
              { key: 'tier', operator: 'DoesNotExist' },
            ],
          }),
        ),
      'beside `allow`',
    ],
    [
      'a ServerAuthorization of every Server',
      'linkerd',
      () => object(`${POLICY}/v1beta1`, 'ServerAuthorization', 'of-all', selecting({})),
      'beside `allow`',
    ],
    [
      'an AuthorizationPolicy of our Server',
      'linkerd',
      (name) => object(`${POLICY}/v1alpha1`, 'AuthorizationPolicy', 'server-allows', allowing('Server', name)),
      'beside `allow`',
    ],
    [
      'an AuthorizationPolicy of the namespace',
      'linkerd',
      () => object(`${POLICY}/v1alpha1`, 'AuthorizationPolicy', 'all-allow', allowing('Namespace', 'shop')),
      'beside `allow`',
    ],
    [
      'a TrafficSplit',
      'osm',
      (name) => object('split.smi-spec.io/v1alpha2', 'TrafficSplit', 'twin', { service: name, backends: [{ service: 'x', weight: 1 }] }),
      'goes by one of them',
    ],
    ['a TrafficTarget', 'osm', (name) => object('access.smi-spec.io/v1alpha3', 'TrafficTarget', 'debug', target(name)), 'beside `allow`'],
  ])('%s on %s is refused by name, with ours in place, and drift until it is gone', async (what, mesh, other, why) => {
    const name = `${mesh}-${what}`.toLowerCase().replaceAll(/[^a-z]+/g, '-');
    const { bring, drift } = await service(name, mesh);
    expect(await bring()).toEqual({ kind: 'applied' });
    expect(await drift()).toEqual([]);
    const theirs = other(name);
    await api.admin.mustApply(theirs);
    const resource = `${theirs.kind} shop/${theirs.metadata.name}`;
    expect(await bring()).toEqual({ kind: 'refused', message: expect.stringMatching(new RegExp(`^${resource} .*${why}`)) });
    expect(await drift()).toMatchObject([{ kind: 'foreign', resource, by: { manager: 'conformance' } }]);
    await api.admin.ask('DELETE', await api.admin.pathOf(theirs));
    expect(await drift()).toEqual([]);
    expect(await bring()).toEqual({ kind: 'applied' });
  });

  it.each<[keyof typeof MESHES, (name: string) => readonly KubeObject[]]>([
    [
      'gateway-api',
      (name) => [
        object(GATEWAY, 'HTTPRoute', 'elsewhere', attached({ name: 'other' })),
        object(GATEWAY, 'HTTPRoute', 'another-port', attached({ name, port: 9090 })),
        object(GATEWAY, 'HTTPRoute', 'of-callers', attached({ name, namespace: 'shop' }), 'default'),
      ],
    ],
    [
      'linkerd',
      (name) => [
        object('linkerd.io/v1alpha2', 'ServiceProfile', `${name}-2.shop.svc.cluster.local`, { routes: [] }),
        object(`${POLICY}/v1alpha1`, 'AuthorizationPolicy', 'of-others', allowing('Server', 'other')),
        object(GATEWAY, 'GRPCRoute', 'another-service', { parentRefs: [{ group: '', kind: 'Service', name: 'other' }], rules: [{}] }),
        object(GATEWAY, 'GRPCRoute', 'of-server', { parentRefs: [{ group: POLICY, kind: 'Server', name }], rules: [{}] }),
        object(`${POLICY}/v1beta1`, 'ServerAuthorization', 'another-name', { server: { name: 'other' }, client: ANYBODY }),
        ...[
          { matchLabels: { [SERVICE]: 'other' } },
          { matchExpressions: [{ key: SERVICE, operator: 'In', values: ['other'] }] },
          { matchExpressions: [{ key: SERVICE, operator: 'NotIn', values: [name] }] },
          { matchExpressions: [{ key: 'tier', operator: 'Exists' }] },
          { matchExpressions: [{ key: SERVICE, operator: 'DoesNotExist' }] },
        ].map((selector, index) => object(`${POLICY}/v1beta1`, 'ServerAuthorization', `other-${index}`, selecting(selector))),
      ],
    ],
    ['osm', () => [object('access.smi-spec.io/v1alpha3', 'TrafficTarget', 'of-others', target('other'))]],
  ])('that are about something else are no matter: %s', async (mesh, others) => {
    const name = `alone-${mesh}`;
    const { bring, drift } = await service(name, mesh);
    await api.admin.mustApply(...others(name));
    expect(await bring()).toEqual({ kind: 'applied' });
    expect(await drift()).toEqual([]);
    for (const each of others(name)) await api.admin.ask('DELETE', await api.admin.pathOf(each));
  });
});
