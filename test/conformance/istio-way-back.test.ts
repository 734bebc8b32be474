/** That requests are taken from a version first and whatever else is refused, and that no writer of before comes after a newer one. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { istioDataPlane } from '../../src/dataplanes/istio/data-plane.ts';
import { RENDERED_KINDS } from '../../src/dataplanes/istio/kinds.ts';
import { renderIstio } from '../../src/dataplanes/istio/render.ts';
import { type Bringing, bring, prune } from '../../src/dataplanes/kubernetes/apply.ts';
import { type Cluster, ClusterUnavailable } from '../../src/dataplanes/kubernetes/cluster.ts';
import { inTime } from '../../src/dataplanes/kubernetes/in-time.ts';
import type { ServicePlan } from '../../src/plan/plan.ts';
import { writeFragment } from '../../src/reconcile/model.ts';
import { until } from '../e2e/until.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { bringing, planned } from './istio-bringing.ts';
import { connectedFor } from './kubernetes-connector.ts';
import { haveServers } from './servers/build.ts';

const have = await haveServers('etcd', 'kube-apiserver');

const STRICT = 'mtls: strict\nallow: [web]\n';
const SHIFTED = { v1: 75, v2: 25 };
const BACK = { v1: 100, v2: 0 };
const SECURITY = '/apis/security.istio.io/v1/namespaces/shop';
const NETWORKING = '/apis/networking.istio.io/v1/namespaces/shop';

const routesSchema = z.object({
  metadata: z.object({ annotations: z.record(z.string(), z.string()) }),
  spec: z.object({ http: z.array(z.object({ route: z.array(z.object({ weight: z.number() })) })) }),
});

describe.skipIf(!have)('a way back on a real API server', () => {
  let api: ApiServer;
  let cluster: Cluster;
  beforeAll(async () => {
    api = await startApiServer('istio');
    await api.namespace('shop');
    cluster = await connectedFor(api, RENDERED_KINDS);
  });
  afterAll(() => api?.stop());

  const routes = async (name: string) => routesSchema.parse((await api.admin.ask('GET', `${NETWORKING}/virtualservices/${name}`)).body);
  const weights = async (name: string) => (await routes(name)).spec.http.map(({ route }) => route.map(({ weight }) => weight));
  const isThere = async (path: string) => (await api.admin.ask('GET', path)).status === 200;
  const strictly = (service: string, revision: number, split: typeof BACK, more: Partial<Bringing> = {}) =>
    bringing(service, revision, split, { objects: renderIstio(planned(service, split, STRICT)), ...more });
  /** As somebody at a terminal does it. */
  const edited = async (kind: string, name: string, spec: object) => {
    const object = { apiVersion: 'security.istio.io/v1', kind, metadata: { name, namespace: 'shop' }, spec };
    const answer = await api.admin.apply(JSON.parse(JSON.stringify(object)), { manager: 'kubectl-edit', force: true });
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
  };
  /** What is written for good, in order. */
  function watched(): { readonly cluster: Cluster; readonly written: string[] } {
    const written: string[] = [];
    const apply: Cluster['apply'] = (desired, how) => {
      written.push(`${how.dryRun ? 'try ' : ''}${desired.kind.kind}`);
      return cluster.apply(desired, how);
    };
    return { cluster: { ...cluster, apply }, written };
  }

  it('is not kept by another object that is refused, and the refusal is told', async () => {
    await bring(cluster, strictly('edited', 3, SHIFTED));
    await edited('AuthorizationPolicy', 'edited', { rules: [] });
    expect(await bring(cluster, strictly('edited', 4, BACK))).toEqual({
      kind: 'refused',
      message: expect.stringContaining('kubectl-edit owns .spec.rules'),
    });
    expect(await weights('edited')).toEqual([[100, 0]]);
  });

  it('is not kept by what would make the rest mean nothing', async () => {
    await bring(cluster, bringing('gated', 3, SHIFTED));
    const gate = async () => 'Somebody else routes it.';
    expect(await bring(cluster, bringing('gated', 4, BACK, { gate }))).toEqual({ kind: 'refused', message: 'Somebody else routes it.' });
    expect(await weights('gated')).toEqual([[100, 0]]);
    expect((await routes('gated')).metadata.annotations).toMatchObject({ 'meshwright.dev/revision': '4' });
  });

  it('is all that is written past a refusal: no way up is, and nothing that is not routed to yet', async () => {
    await bring(cluster, bringing('upward', 3, SHIFTED));
    const gate = async () => 'not now';
    await bring(cluster, bringing('upward', 4, { v1: 50, v2: 50 }, { gate }));
    await bring(cluster, bringing('upward', 4, { v3: 100 }, { gate }));
    expect(await weights('upward')).toEqual([[75, 25]]);
  });

  it('leaves pinned routes and everything else about routes as they are', async () => {
    const pinned = 'routes:\n  - { name: beta, match: { headers: { x-beta: { exact: "1" } } }, version: v2 }\n';
    const objects = (split: typeof BACK, more: string) => renderIstio(planned('pinned', split, pinned + more));
    await bring(cluster, bringing('pinned', 3, SHIFTED, { objects: objects(SHIFTED, '') }));
    const gate = async () => 'not now';
    await bring(cluster, bringing('pinned', 4, BACK, { objects: objects(BACK, 'timeout: 3s\n'), gate }));
    expect(await weights('pinned')).toEqual([[100], [100, 0]]);
    expect(JSON.stringify((await api.admin.ask('GET', `${NETWORKING}/virtualservices/pinned`)).body)).not.toContain('3s');
  });

  it('is the first write, whatever else there is, and the same content is not tried before its revision is raised', async () => {
    const hosts = Array.from({ length: 12 }, (_, index) => `h${index}.example.com`).join(', ');
    const many = (revision: number, split: typeof BACK) =>
      bringing('many', revision, split, { objects: renderIstio(planned('many', split, `${STRICT}egress: [${hosts}]\n`)) });
    await bring(cluster, many(3, SHIFTED));
    const { cluster: seen, written } = watched();
    expect(await bring(seen, many(4, BACK))).toEqual({ kind: 'applied' });
    expect(await weights('many')).toEqual([[100, 0]]);
    expect(written[0]).toBe('VirtualService');
    expect(written.filter((each) => each.startsWith('try'))).toEqual([]);
    // Each object has the newer revision, or a writer of before could still write those that have not.
    expect(written).toHaveLength(many(4, BACK).objects.length);
  });

  it('ends in time, and the rest goes on from there', async () => {
    const over = new AbortController();
    const { cluster: seen, written } = watched();
    const slow: Cluster = {
      ...seen,
      apply(desired, how) {
        const outcome = seen.apply(desired, how);
        if (desired.kind.kind !== 'VirtualService' || how.dryRun) return outcome;
        over.abort();
        return new Promise(() => {});
      },
    };
    await expect(bring(inTime(slow, over.signal), strictly('slow', 3, SHIFTED))).rejects.toThrow(ClusterUnavailable);
    await until('what was asked is done all the same', () => isThere(`${NETWORKING}/virtualservices/slow`));
    written.splice(0);
    expect(await bring(seen, strictly('slow', 3, SHIFTED))).toEqual({ kind: 'applied' });
    expect(written).toEqual([]);
  });

  it('reaches a service whose plan Istio cannot keep any more', async () => {
    const documents = new MemoryDocuments();
    const dataPlane = istioDataPlane({ cluster, documents, controlPlaneNamespace: 'istio-system', takeOver: false, observe: false });
    const fragment = async (revision: number, plan: ServicePlan) => {
      const made = { mesh: 'shop', service: 'lost', revision, plan };
      return { ...made, ...(await writeFragment(documents, made)) };
    };
    expect(await dataPlane.apply(await fragment(3, planned('lost', SHIFTED)))).toEqual({ kind: 'applied' });
    const bad = { ...planned('lost', BACK, STRICT) };
    const paths = [{ callers: [{ namespace: 'shop', serviceAccount: 'web' }], paths: [{ regex: '/v[12]/.*' }] }];
    const unsayable: ServicePlan = { ...bad, ...(bad.security ? { security: { ...bad.security, allow: paths } } : {}) };
    expect(await dataPlane.apply(await fragment(4, unsayable))).toEqual({ kind: 'refused', message: expect.stringContaining('allow') });
    expect(await weights('lost')).toEqual([[100, 0]]);
    expect(await isThere(`${SECURITY}/authorizationpolicies/lost`)).toBe(false);
  });

  it('is refused aloud where the objects carry a revision that nobody decided here', async () => {
    await bring(cluster, bringing('restored', 9, SHIFTED));
    const refused = { kind: 'refused', message: expect.stringContaining('carry a later revision than there is here') };
    expect(await bring(cluster, bringing('restored', 4, BACK))).toEqual(refused);
    expect(await prune(cluster, bringing('restored', 4, BACK))).toEqual(refused);
    expect(await bring(cluster, bringing('restored', 4, BACK, { decided: async () => 9 }))).toEqual({ kind: 'applied' });
    expect(await weights('restored')).toEqual([[75, 25]]);
  });
});

describe.skipIf(!have)('a service that is retired on a real API server', () => {
  let api: ApiServer;
  let cluster: Cluster;
  beforeAll(async () => {
    api = await startApiServer('istio');
    await api.namespace('shop');
    cluster = await connectedFor(api, RENDERED_KINDS);
  });
  afterAll(() => api?.stop());

  const strictly = (service: string, revision: number) =>
    bringing(service, revision, SHIFTED, { objects: renderIstio(planned(service, SHIFTED, STRICT)) });
  const gone = (service: string, revision: number) => bringing(service, revision, SHIFTED, { objects: [] });
  const specOf = async (kind: string, name: string) => {
    const answer = await api.admin.ask('GET', `${SECURITY}/${kind}/${name}`);
    return answer.status === 200 ? z.object({ spec: z.json() }).parse(answer.body).spec : undefined;
  };
  const applied = async (manager: string, kind: string, name: string, spec: object) => {
    const object = { apiVersion: 'security.istio.io/v1', kind, metadata: { name, namespace: 'shop' }, spec };
    const answer = await api.admin.apply(JSON.parse(JSON.stringify(object)), { manager, force: true });
    if (answer.status >= 300) throw new Error(JSON.stringify(answer.body));
  };

  it('leaves no policy that selects nothing, which would hold for the whole namespace', async () => {
    await bring(cluster, strictly('widening', 3));
    await applied('kubectl-edit', 'AuthorizationPolicy', 'widening', { rules: [] });
    await applied('kubectl-edit', 'PeerAuthentication', 'widening', { mtls: { mode: 'PERMISSIVE' } });
    await bring(cluster, gone('widening', 4));
    expect(await prune(cluster, gone('widening', 4))).toEqual({ kind: 'applied' });
    expect(await specOf('authorizationpolicies', 'widening')).toBeUndefined();
    expect(await specOf('peerauthentications', 'widening')).toBeUndefined();
  });

  it('leaves a policy that somebody else keeps for the same workloads as they have it', async () => {
    const theirs = { selector: { matchLabels: { app: 'kept' } }, mtls: { mode: 'STRICT' } };
    await applied('helm', 'PeerAuthentication', 'kept', theirs);
    expect(await bring(cluster, strictly('kept', 3))).toEqual({ kind: 'applied' });
    await prune(cluster, gone('kept', 4));
    expect(await specOf('peerauthentications', 'kept')).toEqual(theirs);
  });

  it('is not made anew by a writer of before, who comes upon nothing', async () => {
    let decided = 3;
    await bring(cluster, strictly('retired', 2));
    const late = { ...strictly('retired', 3), decided: async () => decided };
    let once = true;
    const overtaken: Cluster = {
      ...cluster,
      async apply(desired, how) {
        if (once) {
          once = false;
          decided = 4;
          await prune(cluster, gone('retired', 4));
        }
        return cluster.apply(desired, how);
      },
    };
    expect(await bring(overtaken, late)).toEqual({ kind: 'applied' });
    const left = await Promise.all(RENDERED_KINDS.map((kind) => cluster.list(kind, { labels: { 'meshwright.dev/service': 'retired' } })));
    expect(left.map((each) => each.kind === 'listed' && each.objects.length)).toEqual(RENDERED_KINDS.map(() => 0));
  });
});
