/** Policies of others for the same workloads, on a real API server: each is named where it changes what ours mean, and only there. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { istioDataPlane } from '../../src/dataplanes/istio/data-plane.ts';
import { RENDERED_KINDS } from '../../src/dataplanes/istio/kinds.ts';
import { policiesOfOthers } from '../../src/dataplanes/istio/policies-of-others.ts';
import type { Cluster } from '../../src/dataplanes/kubernetes/cluster.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import type { PlannedSecurity, ServicePlan } from '../../src/plan/plan.ts';
import { until } from '../e2e/until.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { planOf } from './istio-plans.ts';
import { connectedFor, connector } from './kubernetes-connector.ts';
import { haveServers } from './servers/build.ts';

const have = await haveServers('etcd', 'kube-apiserver');
const V1 = [{ version: 'v1', weight: 100 }];
const WEB = [{ from: [{ source: { principals: ['cluster.local/ns/shop/sa/web'] } }] }];
type Kind = 'PeerAuthentication' | 'AuthorizationPolicy';
type Stage = PlannedSecurity['stage'];

describe.skipIf(!have)('policies of others', () => {
  let api: ApiServer;
  let cluster: Cluster;
  beforeAll(async () => {
    api = await startApiServer('istio');
    await api.namespace('shop');
    await api.namespace('istio-system');
    cluster = await connectedFor(api, RENDERED_KINDS);
  });
  afterAll(() => api?.stop());

  const policy = (kind: Kind, name: string, spec: JsonObject, metadata: JsonObject = {}) => ({
    apiVersion: 'security.istio.io/v1',
    kind,
    metadata: { namespace: 'shop', ...metadata, name },
    spec,
  });
  const selecting = (labels: Readonly<Record<string, string>>) => ({ selector: { matchLabels: labels } });

  /** Its pods carry the labels `app` and `version`, and `tier`, which its spec says nothing of. */
  async function service(name: string, stage: Stage) {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'shop', labels: { app: name, version: 'v0', tier: `of-${name}` } },
    };
    await api.admin.mustApply({ ...pod, spec: { containers: [{ name: 'main', image: 'main' }] } });
    const security = {
      stage,
      trustDomain: 'cluster.local',
      serviceAccount: name,
      allow: [{ callers: [{ namespace: 'shop', serviceAccount: 'web' }] }],
    };
    const plan: ServicePlan = { ...planOf({ name, namespace: 'shop', port: 8080 }, V1), security };
    const fragment = { mesh: 'conformance', service: name, revision: 3, sequence: 3, plan };
    const options = { documents: new MemoryDocuments(), controlPlaneNamespace: 'istio-system', takeOver: false, observe: false };
    const dataPlane = istioDataPlane({ cluster, ...options });
    return { bring: () => dataPlane.apply(fragment), drift: async () => (await dataPlane.drift?.(fragment)) ?? [] };
  }

  /** Refused, and drift, by the name of this object, for as long as it is there. */
  async function isNamed(name: string, stage: Stage, other: ReturnType<typeof policy>, why: string): Promise<void> {
    const { bring, drift } = await service(name, stage);
    await api.admin.mustApply(other);
    const resource = `${other.kind} ${String(other.metadata.namespace)}/${other.metadata.name}`;
    expect(await bring()).toEqual({ kind: 'refused', message: expect.stringMatching(new RegExp(`^${resource} .*${why}`)) });
    expect(await drift()).toMatchObject([{ kind: 'foreign', resource, by: { manager: 'conformance' } }]);
    // Ours is there already: it holds as soon as theirs is gone.
    expect((await api.admin.ask('GET', await api.admin.pathOf(policy('PeerAuthentication', name, {})))).status).toBe(200);
    await api.admin.ask('DELETE', await api.admin.pathOf(other));
    expect(await drift()).toEqual([]);
    expect(await bring()).toEqual({ kind: 'applied' });
  }

  it.each<[string, Stage, (name: string) => JsonObject]>([
    ['of the same labels', 'strict', (name) => selecting({ app: name })],
    ['of a version', 'strict', (name) => selecting({ app: name, version: 'v1' })],
    ['of labels that only the pods have', 'strict', (name) => selecting({ tier: `of-${name}` })],
    ['while it is in shadow', 'shadow', (name) => selecting({ app: name })],
    ['while it is permissive', 'permissive', (name) => selecting({ app: name })],
  ])('an older PeerAuthentication %s is named: Istio goes by it alone', async (what, stage, spec) => {
    const name = what.replaceAll(' ', '-');
    await isNamed(
      name,
      stage,
      policy('PeerAuthentication', `older-${name}`, { ...spec(name), mtls: { mode: 'DISABLE' } }),
      'the oldest alone',
    );
  });

  it.each<[string, Stage, (name: string) => ReturnType<typeof policy>]>([
    ['of the namespace', 'strict', () => policy('AuthorizationPolicy', 'everywhere', { rules: WEB })],
    ['of the same labels', 'strict', (name) => policy('AuthorizationPolicy', 'same', { ...selecting({ app: name }), rules: [{}] })],
    [
      'of the root namespace',
      'strict',
      (name) => policy('AuthorizationPolicy', 'root', { ...selecting({ app: name }), rules: WEB }, { namespace: 'istio-system' }),
    ],
    [
      'in a dry run beside ours',
      'shadow',
      (name) =>
        policy('AuthorizationPolicy', 'dry', { ...selecting({ app: name }), rules: WEB }, { annotations: { 'istio.io/dry-run': 'true' } }),
    ],
  ])('an AuthorizationPolicy %s that allows more is named', async (what, stage, other) => {
    const name = `allows-${what.replaceAll(' ', '-')}`;
    await isNamed(name, stage, other(name), 'is allowed beside `allow`');
  });

  it('that change nothing of what ours mean are no matter', async () => {
    const { bring, drift } = await service('alone', 'strict');
    const mine = selecting({ app: 'alone' });
    const others = [
      policy('PeerAuthentication', 'default', { mtls: { mode: 'PERMISSIVE' } }),
      policy('PeerAuthentication', 'others', { ...selecting({ app: 'other' }), mtls: { mode: 'DISABLE' } }),
      policy('PeerAuthentication', 'root', { ...mine, mtls: { mode: 'DISABLE' } }, { namespace: 'istio-system' }),
      policy('AuthorizationPolicy', 'nobody', {}),
      policy('AuthorizationPolicy', 'denies', { ...mine, action: 'DENY', rules: WEB }),
      policy('AuthorizationPolicy', 'tried', { ...mine, rules: WEB }, { annotations: { 'istio.io/dry-run': 'true' } }),
      policy('AuthorizationPolicy', 'elsewhere', { ...selecting({ app: 'alone', version: 'v9' }), rules: WEB }),
      policy('AuthorizationPolicy', 'waypoint', { targetRefs: [{ kind: 'Service', group: '', name: 'alone' }], rules: WEB }),
      policy('AuthorizationPolicy', 'away', { ...mine, rules: WEB }, { namespace: 'default' }),
    ];
    await api.admin.mustApply(...others);
    expect(await bring()).toEqual({ kind: 'applied' });
    expect(await drift()).toEqual([]);
    for (const each of others) await api.admin.ask('DELETE', await api.admin.pathOf(each));
  });

  it('that are younger are no matter to who speaks mTLS, and what they allow is', async () => {
    const { bring, drift } = await service('first', 'strict');
    expect(await bring()).toEqual({ kind: 'applied' });
    const made = Date.now();
    await until('a second has passed, to which creation is kept', () => Date.now() - made > 1_100);
    await api.admin.mustApply(
      policy('PeerAuthentication', 'younger', { ...selecting({ app: 'first' }), mtls: { mode: 'DISABLE' } }),
      policy('AuthorizationPolicy', 'younger', { ...selecting({ app: 'first' }), rules: WEB }),
    );
    expect(await drift()).toMatchObject([{ kind: 'foreign', resource: 'AuthorizationPolicy shop/younger' }]);
  });

  it('are taken to select what they may where pods may not be listed', async () => {
    const rules = RENDERED_KINDS.map(({ apiVersion, plural }) => ({
      apiGroups: [apiVersion.split('/')[0] ?? ''],
      resources: [plural],
      verbs: ['get', 'list', 'create', 'patch'],
    }));
    const blind = connector(api, await api.user('lists-no-pods', rules));
    const of = policy('AuthorizationPolicy', 'tiered', { ...selecting({ tier: 'backend' }), rules: WEB });
    await api.admin.mustApply(of, policy('AuthorizationPolicy', 'apart', { ...selecting({ app: 'other' }), rules: WEB }));
    const plan = planOf({ name: 'unseen', namespace: 'shop', port: 8080 }, V1);
    const security = { stage: 'strict', trustDomain: 'cluster.local', serviceAccount: 'unseen', allow: [] } as const;
    const found = await policiesOfOthers(blind, { ...plan, security }, 'istio-system');
    expect(found).toMatchObject([{ object: { metadata: { name: 'tiered' } } }]);
    expect(await policiesOfOthers(cluster, { ...plan, security }, 'istio-system')).toEqual([]);
  });
});
