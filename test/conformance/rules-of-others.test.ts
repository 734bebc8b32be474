/**
 * DestinationRules of others for a host of ours: each is named where proxies go by it in place of ours, as a real istiod has them do, and only
 * there. What they go by is read from what Envoys of callers in three namespaces hold of the cluster of a version.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { MemoryDocuments } from '../../src/adapters/memory-documents.ts';
import { istioDataPlane } from '../../src/dataplanes/istio/data-plane.ts';
import { RENDERED_KINDS } from '../../src/dataplanes/istio/kinds.ts';
import type { Cluster } from '../../src/dataplanes/kubernetes/cluster.ts';
import type { JsonObject } from '../../src/journal/documents.ts';
import type { PlannedSecurity, ServicePlan } from '../../src/plan/plan.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { type IstioCaller, type IstioEnvoys, istioEnvoys } from './istio-envoys.ts';
import { planOf } from './istio-plans.ts';
import { ISTIO_NAMESPACE, type Istiod, startIstiod } from './istiod.ts';
import type { KubeObject } from './kube-client.ts';
import { connectedFor } from './kubernetes-connector.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery')) && (await realEnvoy()) !== undefined;
const PORT = 8080;
const V1 = [{ version: 'v1', weight: 100 }];
const CALLERS = ['shop', 'clients', ISTIO_NAMESPACE] as const;
/** Of what is ours: a policy of the whole host, and one of the version. */
const SAID = { loadBalancing: { policy: 'random' }, connectTimeoutMs: 3_000 } as const;
const OURS = { lb_policy: 'RANDOM', connect_timeout: '3s' };
const fqdn = (name: string) => `${name}.shop.svc.cluster.local`;
/** Of what is theirs. */
const policy = { trafficPolicy: { loadBalancer: { simple: 'LEAST_REQUEST' } } };
const subset = (name: string) => ({ subsets: [{ name, labels: { version: 'v1' } }] });

const clusterSchema = z.object({ name: z.string(), lb_policy: z.string().exactOptional(), connect_timeout: z.string().exactOptional() });
const dumpSchema = z.object({
  configs: z.array(z.object({ dynamic_active_clusters: z.array(z.object({ cluster: clusterSchema })).default([]) })),
});

describe.skipIf(!have)('DestinationRules of others', () => {
  let api: ApiServer;
  let istiod: Istiod;
  let envoys: IstioEnvoys;
  let cluster: Cluster;
  let callers: readonly IstioCaller[];
  beforeAll(async () => {
    api = await startApiServer('istio');
    istiod = await startIstiod(api);
    envoys = istioEnvoys(api, istiod);
    cluster = await connectedFor(api, RENDERED_KINDS);
    await envoys.service({ name: 'marker', namespace: 'shop', port: PORT });
    callers = await Promise.all(CALLERS.map((namespace) => envoys.caller(`caller-in-${namespace}`, namespace, PORT)));
  });
  afterAll(async () => {
    for (const each of [envoys, istiod, api]) await each?.stop();
  });

  const rule = (namespace: string, name: string, spec: JsonObject): KubeObject => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { namespace, name },
    spec,
  });
  const held = async ({ envoy }: IstioCaller, name: string) =>
    dumpSchema
      .parse(await envoy.configDump())
      .configs.flatMap(({ dynamic_active_clusters: all }) => all.map((each) => each.cluster))
      .find((each) => each.name === name);

  let written: KubeObject[] = [];
  async function write(...others: readonly KubeObject[]): Promise<void> {
    written.push(...others);
    await api.admin.mustApply(...others);
  }
  async function takeAway(): Promise<void> {
    for (const each of written) await api.admin.ask('DELETE', await api.admin.pathOf(each));
    written = [];
  }
  afterEach(takeAway);

  let marks = 0;
  /** What was written before is pushed to everybody: istiod takes the rules in order. Each caller's mark is in its own namespace. */
  async function isPushed(): Promise<void> {
    marks += 1;
    const connectTimeout = `${marks}s`;
    const spec = { host: fqdn('marker'), exportTo: ['.'], trafficPolicy: { connectionPool: { tcp: { connectTimeout } } } };
    await api.admin.mustApply(...CALLERS.map((namespace) => rule(namespace, 'marker', spec)));
    for (const caller of callers) {
      await until(
        'the mark is seen',
        async () => (await held(caller, `outbound|${PORT}||${fqdn('marker')}`))?.connect_timeout === connectTimeout,
      );
    }
  }

  /** The namespaces whose callers do not go by what the spec says. */
  async function elsewhere(service: string): Promise<readonly string[]> {
    const name = `outbound|${PORT}|v1|${service}.shop.svc.cluster.local`;
    const found = await Promise.all(callers.map((caller) => held(caller, name)));
    return CALLERS.filter((_, index) => {
      const here = found[index];
      return here?.lb_policy !== OURS.lb_policy || here.connect_timeout !== OURS.connect_timeout;
    });
  }

  /** Who is made after this is younger, by what an API server can tell. */
  async function nextSecond(): Promise<void> {
    const second = Math.floor(Date.now() / 1000);
    await until('the next second', () => Date.now() / 1000 >= second + 1);
  }

  const security: PlannedSecurity = {
    stage: 'permissive',
    trustDomain: 'cluster.local',
    serviceAccount: 'any',
    allow: [{ callers: CALLERS.map((namespace) => ({ namespace, serviceAccount: 'web' })) }],
  };
  async function service(name: string, said: Partial<ServicePlan> = SAID) {
    await envoys.service({ name, namespace: 'shop', port: PORT });
    const options = { documents: new MemoryDocuments(), controlPlaneNamespace: ISTIO_NAMESPACE, takeOver: false, observe: false };
    const dataPlane = istioDataPlane({ cluster, ...options });
    const plan: ServicePlan = { ...planOf({ name, namespace: 'shop', port: PORT }, V1, said), security };
    const fragment = { mesh: 'conformance', service: name, revision: 3, sequence: 3, plan };
    return { bring: () => dataPlane.apply(fragment), drift: async () => (await dataPlane.drift?.(fragment)) ?? [] };
  }

  type Other = (name: string) => KubeObject;

  it.each<[string, Other, readonly string[]]>([
    ['exported in its own words', (name) => rule('shop', 'exported', { host: name, exportTo: ['*'], ...subset('v1') }), CALLERS],
    ['for the namespace alone', (name) => rule('shop', 'private', { host: name, exportTo: ['.'], ...policy }), ['shop']],
    [
      'for some workloads',
      (name) => rule('shop', 'selecting', { host: name, workloadSelector: { matchLabels: { app: 'caller-in-shop' } }, ...policy }),
      ['shop'],
    ],
    ['of a namespace of callers', (name) => rule('clients', 'theirs', { host: fqdn(name), ...subset('v1') }), ['clients']],
    ['of a wildcard in a namespace of callers', () => rule('clients', 'all', { host: '*.shop.svc.cluster.local', ...policy }), ['clients']],
    ['of every host in a namespace of callers', () => rule('clients', 'every', { host: '*', ...policy }), ['clients']],
    [
      'of the root namespace for itself',
      () => rule(ISTIO_NAMESPACE, 'own', { host: '*.local', exportTo: ['.'], ...policy }),
      [ISTIO_NAMESPACE],
    ],
  ])('a younger one %s takes callers from ours: refused by name, and drift until it is gone', async (what, other, whom) => {
    const name = what.replaceAll(' ', '-');
    const { bring, drift } = await service(name);
    expect(await bring()).toEqual({ kind: 'applied' });
    await isPushed();
    expect(await elsewhere(name)).toEqual([]);
    expect(await drift()).toEqual([]);
    await nextSecond();
    const theirs = other(name);
    await write(theirs);
    await isPushed();
    expect(await elsewhere(name)).toEqual(whom);
    const resource = `DestinationRule ${theirs.metadata.namespace}/${theirs.metadata.name}`;
    expect(await bring()).toEqual({ kind: 'refused', message: expect.stringMatching(new RegExp(`^${resource} .* in place of ours`)) });
    expect(await drift()).toMatchObject([{ kind: 'foreign', resource, by: { manager: 'conformance' } }]);
    await takeAway();
    expect(await drift()).toEqual([]);
    expect(await bring()).toEqual({ kind: 'applied' });
  });

  it.each<[string, JsonObject]>([
    ['policy', policy],
    ['subset', subset('v1')],
  ])('the %s of an older one is merged before ours, and named', async (what, spec) => {
    const name = `older-${what}`;
    const theirs = rule('shop', `legacy-${what}`, { host: name, ...spec });
    const { bring, drift } = await service(name);
    await write(theirs);
    const message = expect.stringMatching(new RegExp(`^DestinationRule shop/legacy-${what} .*merges the two: its .*${what}`, 'i'));
    expect(await bring()).toEqual({ kind: 'refused', message });
    // Ours was not written; where it is beside theirs, this is what it would have meant.
    await nextSecond();
    await api.admin.mustApply(rule('shop', name, { host: name, ...ours }));
    await isPushed();
    expect(await elsewhere(name)).toEqual(CALLERS);
    expect(await drift()).toContainEqual(expect.objectContaining({ kind: 'foreign', resource: `DestinationRule shop/legacy-${what}` }));
    await takeAway();
    await isPushed();
    expect(await elsewhere(name)).toEqual([]);
  });
  const ours: JsonObject = {
    trafficPolicy: { loadBalancer: { simple: 'RANDOM' } },
    subsets: [{ name: 'v1', labels: { version: 'v1' }, trafficPolicy: { connectionPool: { tcp: { connectTimeout: '3s' } } } }],
  };

  it('a policy of the host is taken from a younger one too, where the spec says none', async () => {
    const { bring, drift } = await service('plain', { connectTimeoutMs: 3_000 });
    expect(await bring()).toEqual({ kind: 'applied' });
    await nextSecond();
    const theirs = rule('shop', 'plain-policy', { host: 'plain', ...policy });
    await write(theirs);
    await isPushed();
    const [near] = callers;
    expect(near && (await held(near, `outbound|${PORT}|v1|${fqdn('plain')}`))).toMatchObject({ lb_policy: 'LEAST_REQUEST' });
    expect(await drift()).toMatchObject([{ kind: 'foreign', resource: 'DestinationRule shop/plain-policy' }]);
  });

  it('those that proxies do not go by are no matter', async () => {
    const name = 'alone';
    const older = rule('shop', 'older-exported', { host: name, exportTo: ['*'], ...policy, ...subset('v1') });
    await write(older);
    await nextSecond();
    const { bring, drift } = await service(name);
    expect(await bring()).toEqual({ kind: 'applied' });
    await nextSecond();
    const others = [
      rule('shop', 'younger', { host: name, ...policy, ...subset('v1') }),
      rule('shop', 'more-subsets', { host: name, ...subset('v9') }),
      rule('shop', 'no-such-host', { host: 'alone.shop', ...policy }),
      rule('shop', 'everything', { host: '*', exportTo: ['*'], ...policy }),
      rule('clients', 'for-others', { host: fqdn(name), exportTo: ['default'], ...policy }),
      rule('clients', 'short-name', { host: name, ...policy }),
      rule('clients', 'wild-others', { host: '*.bank.svc.cluster.local', ...policy }),
      rule(ISTIO_NAMESPACE, 'root', { host: fqdn(name), ...policy }),
      rule(ISTIO_NAMESPACE, 'root-wild', { host: '*.local', ...policy }),
    ];
    await write(...others);
    await isPushed();
    expect(await elsewhere(name)).toEqual([]);
    expect(await drift()).toEqual([]);
    expect(await bring()).toEqual({ kind: 'applied' });
  });
});
