/** The set-up itself: what istiod pushes for a VirtualService reaches stock Envoys, through mTLS, and is counted at the backends. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { binomialInterval, isWithin } from '../e2e/binomial.ts';
import { ask, sendRequests } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { rejections } from './envoy.ts';
import { type IstioCaller, type IstioEnvoys, type IstioWorkload, istioEnvoys } from './istio-envoys.ts';
import { type Istiod, startIstiod } from './istiod.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery')) && (await realEnvoy()) !== undefined;

const catalog = { name: 'catalog', namespace: 'shop', port: 8080 };
const REQUESTS = 2_000;

const split = (v1: number, v2: number) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'catalog', namespace: 'shop' },
  spec: {
    hosts: ['catalog'],
    http: [
      {
        route: [
          { destination: { host: 'catalog', subset: 'v1' }, weight: v1 },
          { destination: { host: 'catalog', subset: 'v2' }, weight: v2 },
        ],
      },
    ],
  },
});

const subsets = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'catalog', namespace: 'shop' },
  spec: {
    host: 'catalog',
    subsets: [
      { name: 'v1', labels: { version: 'v1' } },
      { name: 'v2', labels: { version: 'v2' } },
    ],
  },
};

describe.skipIf(!have)('istiod with stock Envoys', () => {
  let api: ApiServer;
  let istiod: Istiod;
  let envoys: IstioEnvoys;
  let v1: IstioWorkload;
  let v2: IstioWorkload;
  let web: IstioCaller;

  beforeAll(async () => {
    api = await startApiServer('istio', 'gateway-api');
    istiod = await startIstiod(api);
    envoys = istioEnvoys(api, istiod);
    await envoys.service(catalog);
    await api.admin.mustApply(subsets, split(100, 0));
    [v1, v2] = await Promise.all([envoys.workload(catalog, 'v1'), envoys.workload(catalog, 'v2')]);
    web = await envoys.caller('web', 'shop', catalog.port);
    await until('catalog answers', async () => 'version' in (await ask(web.to(catalog))));
  });
  afterAll(async () => {
    await envoys?.stop();
    await istiod?.stop();
    await api?.stop();
  });

  it('splits 90 to 10 as the weights say, none lost', async () => {
    await api.admin.mustApply(split(90, 10));
    await until('v2 answers', async () => (await sendRequests(web.to(catalog), 20)).answers.has('v2'));
    v1.backend.received.length = 0;
    v2.backend.received.length = 0;
    const { failures } = await sendRequests(web.to(catalog), REQUESTS);
    expect(failures).toEqual([]);
    expect(v1.backend.received.length + v2.backend.received.length).toBe(REQUESTS);
    expect(isWithin(v2.backend.received.length, binomialInterval(REQUESTS, 0.1))).toBe(true);
  });

  it('lets only the identity through that a policy names', async () => {
    const stranger = await envoys.caller('stranger', 'shop', catalog.port);
    await until('the stranger is answered', async () => 'version' in (await ask(stranger.to(catalog))));
    await api.admin.mustApply({
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'catalog', namespace: 'shop' },
      spec: {
        selector: { matchLabels: { app: 'catalog' } },
        action: 'ALLOW',
        rules: [{ from: [{ source: { principals: ['cluster.local/ns/shop/sa/web'] } }] }],
      },
    });
    // Both workloads have to have heard of it, and most requests go to one.
    const refused = await until('the stranger is refused everywhere', async () => {
      const { failures, answers } = await sendRequests(stranger.to(catalog), 100);
      return answers.size === 0 && failures;
    });
    expect(new Set(refused)).toEqual(new Set(['403 RBAC: access denied']));
    expect((await sendRequests(web.to(catalog), 100)).failures).toEqual([]);
  });

  it('pushes nothing that a stock Envoy rejects', async () => {
    for (const envoy of [web.envoy, v1.envoy, v2.envoy]) expect(envoy && (await rejections(envoy))).toBe(0);
  });
});
