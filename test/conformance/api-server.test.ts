/** What a real API server makes of what the connectors will send it: the traps, written down where they can be seen. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../../src/journal/documents.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { haveServers } from './servers/build.ts';

const have = await haveServers('etcd', 'kube-apiserver');

const virtualService = (name: string, weight: Json) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name, namespace: 'default' },
  spec: { hosts: [name], http: [{ route: [{ destination: { host: name }, weight }] }] },
});

describe.skipIf(!have)('a real API server with the CRDs of every mesh', () => {
  let api: ApiServer;
  beforeAll(async () => {
    api = await startApiServer('istio', 'gateway-api', 'linkerd', 'osm');
  });
  afterAll(() => api?.stop());

  it('takes a VirtualService by server-side apply and gives it back', async () => {
    const wanted = virtualService('taken', 90);
    expect((await api.admin.apply(wanted)).status).toBe(201);
    const { status, body } = await api.admin.ask('GET', await api.admin.pathOf(wanted));
    expect(status).toBe(200);
    expect(body).toMatchObject({ spec: wanted.spec });
  });

  it('answers 500, not 422, to a type error under server-side apply', async () => {
    const { status, body } = await api.admin.apply(virtualService('mistyped', 'ten'));
    expect(status).toBe(500);
    expect(body).toMatchObject({ message: expect.stringContaining('.spec.http[0].route[0].weight: expected numeric') });
  });

  it('takes a weight of -1: who cares must look before sending', async () => {
    expect((await api.admin.apply(virtualService('negative', -1))).status).toBe(201);
  });

  it('answers 409 with the name of who owns the field, and lets itself be forced', async () => {
    await api.admin.mustApply(virtualService('owned', 90));
    const refused = await api.admin.apply(virtualService('owned', 10), { manager: 'other' });
    expect(refused.status).toBe(409);
    expect(refused.body).toMatchObject({ message: expect.stringContaining('conflict with "conformance"') });
    expect((await api.admin.apply(virtualService('owned', 10), { manager: 'other', force: true })).status).toBe(200);
  });

  it('leaves no trace of a dry run', async () => {
    const tried = virtualService('tried', 90);
    expect((await api.admin.apply(tried, { dryRun: true })).status).toBe(201);
    expect((await api.admin.ask('GET', await api.admin.pathOf(tried))).status).toBe(404);
  });

  it('lets a user do what its role says, and refuses the rest with 403', async () => {
    const rules = [{ apiGroups: ['networking.istio.io'], resources: ['virtualservices'], verbs: ['get', 'list'] }];
    const reader = api.client(await api.user('reader', rules));
    expect((await reader.ask('GET', '/apis/networking.istio.io/v1/virtualservices')).status).toBe(200);
    expect((await reader.apply(virtualService('forbidden', 90))).status).toBe(403);
    expect((await api.client('nobody').ask('GET', '/api/v1/namespaces')).status).toBe(401);
  });

  it.each([
    ['gateway.networking.k8s.io/v1', 'HTTPRoute'],
    ['policy.linkerd.io/v1alpha1', 'AuthorizationPolicy'],
    ['split.smi-spec.io/v1alpha2', 'TrafficSplit'],
    ['config.openservicemesh.io/v1alpha2', 'MeshConfig'],
  ])('serves %s %s', async (apiVersion, kind) => {
    expect(await api.admin.pathOf({ apiVersion, kind, metadata: { name: 'any' } })).toContain(apiVersion);
  });
});
