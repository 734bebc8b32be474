/**
 * Objects that others have written before us or write into after us, on a real API server: what they put beside our fields changes what
 * those mean, and so is refused, shown as drift, and taken out when that is asked for.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { istioDataPlane } from '../../src/dataplanes/istio/data-plane.ts';
import { RENDERED_KINDS, VIRTUAL_SERVICE } from '../../src/dataplanes/istio/kinds.ts';
import { bring } from '../../src/dataplanes/kubernetes/apply.ts';
import type { Cluster } from '../../src/dataplanes/kubernetes/cluster.ts';
import { storedDrift } from '../../src/dataplanes/kubernetes/drift.ts';
import { SERVICES } from '../../src/dataplanes/kubernetes/kinds.ts';
import { versionService } from '../../src/dataplanes/kubernetes/objects.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import type { PlannedSecurity, ServicePlan } from '../../src/plan/plan.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { bringing } from './istio-bringing.ts';
import { planOf } from './istio-plans.ts';
import { connectedFor } from './kubernetes-connector.ts';
import { haveServers } from './servers/build.ts';

const have = await haveServers('etcd', 'kube-apiserver');
const V1 = [{ version: 'v1', weight: 100 }];
const liveSchema = z.object({ metadata: z.object({ annotations: z.record(z.string(), z.string()).default({}) }), spec: z.json() });
const API = {
  VirtualService: 'networking',
  DestinationRule: 'networking',
  PeerAuthentication: 'security',
  AuthorizationPolicy: 'security',
};
type Kind = keyof typeof API;

describe.skipIf(!have)('fields of others in objects of ours', () => {
  let api: ApiServer;
  let cluster: Cluster;
  beforeAll(async () => {
    api = await startApiServer('istio');
    await api.namespace('shop');
    cluster = await connectedFor(api, RENDERED_KINDS);
  });
  afterAll(() => api?.stop());

  const object = (kind: Kind, name: string, spec: JsonObject, annotations?: Readonly<Record<string, string>>) => ({
    apiVersion: `${API[kind]}.istio.io/v1`,
    kind,
    metadata: { name, namespace: 'shop', ...(annotations ? { annotations } : {}) },
    spec,
  });
  const applied = async (manager: string, ...objects: readonly ReturnType<typeof object>[]): Promise<void> => {
    for (const each of objects) expect((await api.admin.apply(each, { manager })).status).toBeLessThan(300);
  };
  const live = async (kind: Kind, name: string) =>
    liveSchema.parse((await api.admin.ask('GET', await api.admin.pathOf(object(kind, name, {})))).body);

  /** A service of this name; `takeOver` as its data plane says. */
  function service(name: string, security?: PlannedSecurity) {
    const plan: ServicePlan = { ...planOf({ name, namespace: 'shop', port: 8080 }, V1), ...(security ? { security } : {}) };
    const fragment = { mesh: 'conformance', service: name, revision: 3, sequence: 3, plan };
    const options = { cluster, documents: new MemoryDocuments(), controlPlaneNamespace: 'istio-system', observe: false };
    const by = (takeOver: boolean) => istioDataPlane({ ...options, takeOver });
    return {
      bring: (takeOver = false) => by(takeOver).apply(fragment),
      drift: async (takeOver = false) => (await by(takeOver).drift?.(fragment)) ?? [],
    };
  }
  const strict = (name: string, ...callers: readonly string[]): PlannedSecurity => ({
    stage: 'strict',
    trustDomain: 'cluster.local',
    serviceAccount: name,
    allow: callers.length === 0 ? [] : [{ callers: callers.map((serviceAccount) => ({ namespace: 'shop', serviceAccount })) }],
  });
  const allowing = (...callers: readonly string[]) => [
    { from: [{ source: { principals: callers.map((each) => `cluster.local/ns/shop/sa/${each}`) } }] },
  ];

  it.each<[string, Kind, JsonObject, string, JsonObject]>([
    [
      'a selector that is narrower than ours',
      'AuthorizationPolicy',
      { selector: { matchLabels: { app: 'narrower', track: 'beta' } } },
      'spec.selector.matchLabels.track',
      { selector: { matchLabels: { app: 'narrower' } }, action: 'ALLOW', rules: allowing('web') },
    ],
    [
      'a port without mTLS',
      'PeerAuthentication',
      { selector: { matchLabels: { app: 'port' } }, portLevelMtls: { '8080': { mode: 'DISABLE' } } },
      'spec.portLevelMtls',
      { selector: { matchLabels: { app: 'port' } }, mtls: { mode: 'STRICT' } },
    ],
    [
      'TLS that callers leave out',
      'DestinationRule',
      { host: 'tls', trafficPolicy: { tls: { mode: 'DISABLE' } } },
      'spec.trafficPolicy',
      { host: 'tls', subsets: [{ name: 'v1', labels: { version: 'v1' } }] },
    ],
    [
      'gateways in place of the mesh',
      'VirtualService',
      { hosts: ['gateways'], gateways: ['shop/old'], exportTo: ['.'] },
      'spec.exportTo',
      {
        hosts: ['gateways'],
        http: [{ name: 'default', route: [{ destination: { host: 'gateways', subset: 'v1' }, weight: 100 }], retries: { attempts: 0 } }],
      },
    ],
  ])(
    '%s: refused by field and owner, drift when it is put there later, and taken out when asked for',
    async (_what, kind, spec, field, ours) => {
      const name = { AuthorizationPolicy: 'narrower', PeerAuthentication: 'port', DestinationRule: 'tls', VirtualService: 'gateways' }[
        kind
      ];
      const { bring: bringIt, drift } = service(name, strict(name, 'web'));
      await applied('helm', object(kind, name, spec));
      const refused = await bringIt();
      expect(refused).toMatchObject({ kind: 'refused', message: expect.stringContaining(field) });
      expect(refused).toMatchObject({
        message: expect.stringMatching(new RegExp(`^helm has put .* into ${kind} shop/${name}, beside what`)),
      });
      // Nothing is half applied.
      expect((await api.admin.ask('GET', await api.admin.pathOf(object('VirtualService', name, {})))).status).toBe(
        kind === 'VirtualService' ? 200 : 404,
      );
      expect(await bringIt(true)).toEqual({ kind: 'applied' });
      expect((await live(kind, name)).spec).toEqual(ours);
      expect(await drift()).toEqual([]);
      expect(await bringIt()).toEqual({ kind: 'applied' });

      await applied('helm', object(kind, name, spec));
      const found = await drift();
      expect(found).toContainEqual(
        expect.objectContaining({
          kind: 'changed',
          resource: `${kind} shop/${name}`,
          path: field,
          by: expect.objectContaining({ manager: 'helm' }),
          restorable: false,
        }),
      );
      expect(await drift(true)).toEqual(found.map((each) => ({ ...each, restorable: true })));
      expect(await bringIt(true)).toEqual({ kind: 'applied' });
      expect(await drift()).toEqual([]);
    },
  );

  it('rules that somebody else has too are not in force when nobody may call any more', async () => {
    await applied(
      'helm',
      object('AuthorizationPolicy', 'nobody', { selector: { matchLabels: { app: 'nobody' } }, action: 'ALLOW', rules: allowing('web') }),
    );
    expect(await service('nobody', strict('nobody', 'web')).bring()).toEqual({ kind: 'applied' });
    const closed = service('nobody', strict('nobody'));
    expect(await closed.bring()).toMatchObject({ kind: 'refused', message: expect.stringContaining('helm owns .spec.rules') });
    expect(await closed.drift()).toMatchObject([{ path: 'spec.rules', wanted: '[]', by: { manager: 'helm' } }]);
    expect(await closed.bring(true)).toEqual({ kind: 'applied' });
    expect((await live('AuthorizationPolicy', 'nobody')).spec).toMatchObject({ rules: [] });
  });

  it('a dry run that somebody else has asked for does not stay when it is strict', async () => {
    await applied('ops', object('AuthorizationPolicy', 'dry', {}, { 'istio.io/dry-run': 'true' }));
    const { bring: bringIt } = service('dry', strict('dry', 'web'));
    expect(await bringIt()).toMatchObject({ kind: 'refused', message: expect.stringMatching(/ops owns .*dry-run/) });
    expect(await bringIt(true)).toEqual({ kind: 'applied' });
    expect((await live('AuthorizationPolicy', 'dry')).metadata.annotations['istio.io/dry-run']).toBe('false');
  });

  it('are not taken out of a state that nobody looked at', async () => {
    await applied('helm', object('VirtualService', 'moving', { hosts: ['moving'], exportTo: ['.'] }));
    const seen = await cluster.get(VIRTUAL_SERVICE, { namespace: 'shop', name: 'moving' });
    if (seen.kind !== 'found') throw new Error(JSON.stringify(seen));
    await applied('helm', object('VirtualService', 'moving', { hosts: ['moving'], exportTo: ['*'] }));
    expect(await cluster.remove(VIRTUAL_SERVICE, seen.object, [['spec', 'exportTo']])).toEqual({ kind: 'moved' });
    expect((await live('VirtualService', 'moving')).spec).toEqual({ hosts: ['moving'], exportTo: ['*'] });
  });

  it('a port of a Service goes from its list, and labels and annotations of others stay', async () => {
    const plan = planOf({ name: 'ports', namespace: 'shop', port: 8080 }, V1);
    const objects = plan.versions.map((version) => versionService(plan, version));
    const kinds = { objects, kinds: [SERVICES], naming: [], splits: [], selecting: [] };
    const ours = (force: boolean) => bringing('ports', 3, { v1: 100 }, { ...kinds, mesh: 'conformance', force });
    expect(await bring(cluster, ours(false))).toEqual({ kind: 'applied' });
    const more = [
      { name: 'a', port: 81, protocol: 'TCP', targetPort: 81 },
      { name: 'b', port: 82, protocol: 'TCP', targetPort: 82 },
    ];
    const theirs = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'ports-v1', namespace: 'shop', labels: { team: 'a' }, annotations: { note: 'b' } },
      spec: { sessionAffinity: 'ClientIP', ports: more },
    };
    expect((await api.admin.apply(theirs, { manager: 'helm', force: true })).status).toBe(200);
    expect(await bring(cluster, ours(false))).toMatchObject({ kind: 'refused', message: expect.stringContaining('spec.ports[1]') });
    expect(await bring(cluster, ours(true))).toEqual({ kind: 'applied' });
    expect(await storedDrift(cluster, ours(false))).toEqual([]);
    const { body } = await api.admin.ask('GET', '/api/v1/namespaces/shop/services/ports-v1');
    expect(body).toMatchObject({
      metadata: { labels: { team: 'a' }, annotations: { note: 'b' } },
      spec: { ports: [{ port: 8080 }], sessionAffinity: 'None' },
    });
  });
});
