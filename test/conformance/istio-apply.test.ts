/** What the connector makes of a real API server: order, fences, other managers, and every way in which it is refused. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { DESTINATION_RULE, RENDERED_KINDS, VIRTUAL_SERVICE } from '../../src/dataplanes/istio/kinds.ts';
import { bring, prune } from '../../src/dataplanes/kubernetes/apply.ts';
import { type Cluster, ClusterUnavailable } from '../../src/dataplanes/kubernetes/cluster.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { bringing } from './istio-bringing.ts';
import { connectedFor, connector } from './kubernetes-connector.ts';
import { haveServers } from './servers/build.ts';

const have = await haveServers('etcd', 'kube-apiserver');

const rendered = (service: string): readonly JsonObject[] => bringing(service, 1, { v1: 100 }).objects;

const liveSchema = z.object({
  metadata: z.object({ resourceVersion: z.string(), generation: z.number(), annotations: z.record(z.string(), z.string()).default({}) }),
  spec: z.looseObject({
    subsets: z.array(z.object({ name: z.string() })).default([]),
    http: z.array(z.object({ route: z.array(z.object({ weight: z.number() })) })).default([]),
  }),
});

describe.skipIf(!have)('objects on a real API server', () => {
  let api: ApiServer;
  let cluster: Cluster;
  beforeAll(async () => {
    api = await startApiServer('istio');
    await api.namespace('shop');
    cluster = await connectedFor(api, RENDERED_KINDS);
  });
  afterAll(() => api?.stop());

  const pathOf = (plural: string, name: string) => `/apis/networking.istio.io/v1/namespaces/shop/${plural}/${name}`;
  const live = async (plural: string, name: string) => liveSchema.parse((await api.admin.ask('GET', pathOf(plural, name))).body);
  const isThere = async (plural: string, name: string) => (await api.admin.ask('GET', pathOf(plural, name))).status === 200;
  const weights = async (name: string) => (await live('virtualservices', name)).spec.http.at(-1)?.route.map(({ weight }) => weight);
  const subsets = async (name: string) => (await live('destinationrules', name)).spec.subsets.map((subset) => subset.name);
  const virtualService = (name: string, more: JsonObject = {}) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name, namespace: 'shop' },
    spec: { hosts: [name], http: [{ route: [{ destination: { host: name }, weight: 100 }] }], ...more },
  });

  it('are written once: what is up to date is left alone', async () => {
    const wanted = bringing('once', 3, { v1: 100 });
    const written: string[] = [];
    const watched: Cluster = {
      ...cluster,
      apply(desired, how) {
        if (!how.dryRun) written.push(desired.kind.kind);
        return cluster.apply(desired, how);
      },
    };
    expect(await bring(watched, wanted)).toEqual({ kind: 'applied' });
    expect(written.splice(0)).toEqual(['DestinationRule', 'VirtualService']);
    expect(await bring(watched, wanted)).toEqual({ kind: 'applied' });
    expect(written).toEqual([]);
    await bring(watched, bringing('once', 3, { v1: 90, v2: 10 }));
    expect(written).toEqual(['DestinationRule', 'VirtualService']);
  });

  it('are never written over by a lower revision, and a higher one with the same content raises the fence', async () => {
    let decided = 5;
    const fenced = (revision: number, split: Readonly<Record<string, number>>) =>
      bring(cluster, bringing('fenced', revision, split, { decided: async () => decided }));
    await fenced(5, { v1: 90, v2: 10 });
    expect(await fenced(4, { v1: 10, v2: 90 })).toEqual({ kind: 'applied' });
    expect(await weights('fenced')).toEqual([90, 10]);
    const { generation } = (await live('virtualservices', 'fenced')).metadata;
    decided = 8;
    await fenced(8, { v1: 90, v2: 10 });
    expect((await live('virtualservices', 'fenced')).metadata.generation).toBe(generation);
    await fenced(7, { v1: 10, v2: 90 });
    expect(await weights('fenced')).toEqual([90, 10]);
  });

  it('are not written over a state that nobody looked at, be it one that was not there', async () => {
    const metadata = { namespace: 'shop', name: 'raced', labels: {}, annotations: {} };
    const desired = { kind: VIRTUAL_SERVICE, metadata, content: { spec: virtualService('raced').spec } };
    expect(await cluster.apply(desired, { over: 'absent', force: true, dryRun: false })).toEqual({ kind: 'applied' });
    const created = await cluster.get(VIRTUAL_SERVICE, metadata);
    if (created.kind !== 'found') throw new Error(JSON.stringify(created));
    const other = { ...desired, content: { spec: virtualService('raced', { exportTo: ['.'] }).spec } };
    expect(await cluster.apply(other, { over: 'absent', force: true, dryRun: false })).toEqual({ kind: 'moved' });
    const over = created.object.metadata;
    expect(await cluster.apply(other, { over, force: true, dryRun: false })).toEqual({ kind: 'applied' });
    expect(await cluster.apply(desired, { over, force: true, dryRun: false })).toEqual({ kind: 'moved' });
    expect(await cluster.delete(VIRTUAL_SERVICE, created.object)).toEqual({ kind: 'moved' });
  });

  it('of many writers at once end as the higher revision says', async () => {
    const revisions = [11, 12, 13, 14, 15, 16];
    const all = revisions.map((revision) => bring(cluster, bringing('racing', revision, { v1: 100 - revision, v2: revision })));
    await Promise.all(all.map((one) => one.catch((error: unknown) => expect(error).toBeInstanceOf(ClusterUnavailable))));
    await bring(cluster, bringing('racing', 16, { v1: 84, v2: 16 }));
    expect(await weights('racing')).toEqual([84, 16]);
  });

  it('keep the subsets that routes may still name until they are pruned', async () => {
    await bring(cluster, bringing('subsets', 1, { v1: 50, v2: 50 }));
    await bring(cluster, bringing('subsets', 2, { v2: 50, v3: 50 }));
    expect(await subsets('subsets')).toEqual(['v2', 'v3', 'v1']);
    await prune(cluster, bringing('subsets', 2, { v2: 50, v3: 50 }));
    expect(await subsets('subsets')).toEqual(['v2', 'v3']);
  });

  it('that are no longer rendered go when they are pruned, those of others stay', async () => {
    await bring(cluster, bringing('gone', 1, { v1: 100 }));
    await bring(cluster, bringing('stays', 1, { v1: 100 }));
    const none = bringing('gone', 2, { v1: 100 }, { objects: [] });
    await bring(cluster, none);
    // Routes first: what they name must outlive them.
    expect([await isThere('virtualservices', 'gone'), await isThere('destinationrules', 'gone')]).toEqual([false, true]);
    await prune(cluster, none);
    expect(await isThere('destinationrules', 'gone')).toBe(false);
    expect([await isThere('virtualservices', 'stays'), await isThere('destinationrules', 'stays')]).toEqual([true, true]);
  });

  it('that hold what others put there are let go of, not deleted', async () => {
    await bring(cluster, bringing('shared', 1, { v1: 100 }));
    const beside = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'shared', namespace: 'shop' } };
    await api.admin.apply({ ...beside, spec: { exportTo: ['.'] } }, { manager: 'argocd-controller' });
    const none = bringing('shared', 2, { v1: 100 }, { objects: [] });
    await bring(cluster, none);
    await prune(cluster, none);
    expect((await live('virtualservices', 'shared')).spec).toEqual({ exportTo: ['.'], subsets: [], http: [] });
  });

  it('that somebody deletes or empties are put back', async () => {
    const wanted = bringing('deleted', 1, { v1: 100 });
    await bring(cluster, wanted);
    await api.admin.ask('DELETE', pathOf('virtualservices', 'deleted'));
    await api.admin.ask('PATCH', pathOf('destinationrules', 'deleted'), { spec: { subsets: null } }, 'application/merge-patch+json');
    expect(await subsets('deleted')).toEqual([]);
    await bring(cluster, wanted);
    expect(await weights('deleted')).toEqual([100]);
    expect(await subsets('deleted')).toEqual(['v1']);
  });

  it('whose fields another manager took are refused by its name, and taken back only when told', async () => {
    const wanted = bringing('taken', 1, { v1: 90, v2: 10 });
    await bring(cluster, wanted);
    const before = await live('destinationrules', 'taken');
    expect((await api.admin.apply(virtualService('taken'), { manager: 'argocd-controller', force: true })).status).toBe(200);
    const next = bringing('taken', 2, { v1: 50, v3: 50 });
    expect(await bring(cluster, next)).toEqual({
      kind: 'refused',
      message:
        'The API server refuses to try VirtualService shop/taken: argocd-controller owns .spec.http. Let its owner leave these fields alone, or tell meshwright to take them (`takeOver: true` of the data plane).',
    });
    // Nothing is half applied.
    expect(await live('destinationrules', 'taken')).toEqual(before);
    expect(await bring(cluster, { ...next, force: true })).toEqual({ kind: 'applied' });
    expect(await weights('taken')).toEqual([50, 50]);
  });

  it('of another mesh or service are not ours to write', async () => {
    await bring(cluster, bringing('mine', 1, { v1: 100 }));
    const refused = await bring(cluster, { ...bringing('mine', 9, { v1: 100 }), mesh: 'other', force: true });
    expect(refused).toMatchObject({
      kind: 'refused',
      message: 'DestinationRule shop/mine is of mine in mesh shop; give one of them another name or namespace.',
    });
  });

  it('of a wrong type are refused with the place, not tried for ever', async () => {
    const [rule = {}, routes = {}] = rendered('mistyped');
    const broken = { ...routes, spec: { hosts: ['mistyped'], http: [{ route: [{ destination: { host: 'x' }, weight: 'ten' }] }] } };
    const refused = await bring(cluster, bringing('mistyped', 1, { v1: 100 }, { objects: [rule, broken] }));
    expect(refused).toEqual({ kind: 'refused', message: expect.stringContaining('.spec.http[0].route[0].weight: expected numeric') });
    expect(await isThere('destinationrules', 'mistyped')).toBe(false);
    const outside = { ...rule, spec: { host: 'mistyped', trafficPolicy: { loadBalancer: { simple: 'NEAREST' } } } };
    expect(await bring(cluster, bringing('mistyped', 1, { v1: 100 }, { objects: [outside] }))).toEqual({
      kind: 'refused',
      message: expect.stringContaining('Unsupported value: "NEAREST"'),
    });
  });

  it('in a namespace that is not there are refused', async () => {
    const [rule = {}] = rendered('homeless');
    const object = { ...rule, metadata: { name: 'homeless', namespace: 'nowhere', labels: {} } };
    expect(await bring(cluster, bringing('homeless', 1, { v1: 100 }, { objects: [object] }))).toEqual({
      kind: 'refused',
      message: expect.stringContaining('namespaces "nowhere" not found'),
    });
  });

  it('that we may not write are refused by the permission that is missing', async () => {
    const rules = RENDERED_KINDS.map(({ apiVersion, plural }) => ({
      apiGroups: [apiVersion.split('/')[0] ?? ''],
      resources: [plural],
      verbs: ['get', 'list'],
    }));
    const reader = connector(api, await api.user('apply-reader', rules));
    expect(await bring(reader, bringing('forbidden', 1, { v1: 100 }))).toEqual({
      kind: 'refused',
      message: expect.stringMatching(/cannot patch resource "destinationrules" in API group "networking.istio.io" .* Grant that/),
    });
    const stranger = connector(api, 'nobody');
    expect(await bring(stranger, bringing('forbidden', 1, { v1: 100 }))).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('does not accept these credentials'),
    });
    const access = { verb: 'patch', group: 'networking.istio.io', resource: 'destinationrules', namespace: 'shop' };
    expect([await reader.may(access), await cluster.may(access)]).toEqual([false, true]);
  });

  it('of a kind that is not installed, or in another version, are refused by what is there', async () => {
    const metadata = { namespace: 'shop', name: 'x', labels: {}, annotations: {} };
    const create = { over: 'absent', force: false, dryRun: false } as const;
    const newer = { ...DESTINATION_RULE, apiVersion: 'networking.istio.io/v9' };
    expect(await cluster.apply({ kind: newer, metadata, content: {} }, create)).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('only networking.istio.io/v1, networking.istio.io/v1beta1, networking.istio.io/v1alpha3'),
    });
    const unknown = { apiVersion: 'split.smi-spec.io/v1alpha2', kind: 'TrafficSplit', plural: 'trafficsplits' };
    expect(await cluster.apply({ kind: unknown, metadata, content: {} }, create)).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('it has no TrafficSplit of split.smi-spec.io/v1alpha2; install its CRD'),
    });
  });
});

describe.skipIf(!have)('an API server that is away', () => {
  it('is no refusal: it throws, and says what could not be asked of whom', async () => {
    const api = await startApiServer('istio');
    const cluster = connector(api);
    await api.stop();
    await expect(bring(cluster, bringing('catalog', 1, { v1: 100 }))).rejects.toThrow(
      /The API server at 127.0.0.1:\d+ could not be asked to list .*ECONNREFUSED/,
    );
  });
});
