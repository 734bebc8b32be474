/** The set-up itself: what a real osm-controller makes of SMI reaches stock Envoys in namespaces and is counted at the backends. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { binomialInterval, isWithin } from '../e2e/binomial.ts';
import { ask, sendRequests, type Target } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import { type ApiServer, startApiServer } from './api-server.ts';
import { rejections } from './envoy.ts';
import { missingNetworks } from './network.ts';
import { type Osm, startOsm } from './osm.ts';
import { type OsmCaller, type OsmEnvoys, type OsmWorkload, osmEnvoys } from './osm-envoys.ts';
import { haveServers } from './servers/build.ts';

const missing = await missingNetworks();
if (missing !== undefined) console.warn(`Skipped: OSM. ${missing}`);
const have = missing === undefined && (await haveServers('etcd', 'kube-apiserver', 'osm-controller')) && (await realEnvoy()) !== undefined;

const REQUESTS = 2_000;
const catalog = { name: 'catalog', namespace: 'shop' };
const version = (name: string) => ({ name: `catalog-${name}`, namespace: 'shop', selector: { app: 'catalog', version: name } });

const split = (v1: number, v2: number) => ({
  apiVersion: 'split.smi-spec.io/v1alpha2',
  kind: 'TrafficSplit',
  metadata: { name: 'catalog', namespace: 'shop' },
  spec: {
    service: 'catalog',
    backends: [
      { service: 'catalog-v1', weight: v1 },
      { service: 'catalog-v2', weight: v2 },
    ],
  },
});
const routes = {
  apiVersion: 'specs.smi-spec.io/v1alpha4',
  kind: 'HTTPRouteGroup',
  metadata: { name: 'catalog', namespace: 'shop' },
  spec: { matches: [{ name: 'all', pathRegex: '.*', methods: ['*'] }] },
};
const allowed = (source: string) => ({
  apiVersion: 'access.smi-spec.io/v1alpha3',
  kind: 'TrafficTarget',
  metadata: { name: 'catalog', namespace: 'shop' },
  spec: {
    destination: { kind: 'ServiceAccount', name: 'catalog', namespace: 'shop' },
    sources: [{ kind: 'ServiceAccount', name: source, namespace: 'shop' }],
    rules: [{ kind: 'HTTPRouteGroup', name: 'catalog', matches: ['all'] }],
  },
});

describe.skipIf(!have)('osm-controller with stock Envoys', () => {
  let api: ApiServer;
  let osm: Osm;
  let envoys: OsmEnvoys;
  let v1: OsmWorkload;
  let v2: OsmWorkload;
  let web: OsmCaller;
  let target: Target;

  beforeAll(async () => {
    api = await startApiServer('osm');
    osm = await startOsm(api);
    envoys = osmEnvoys(api, osm);
    for (const service of [catalog, version('v1'), version('v2')]) await envoys.service(service);
    await api.admin.mustApply(routes, allowed('web'), split(100, 0));
    v1 = await envoys.workload('shop', 'catalog', 'v1');
    v2 = await envoys.workload('shop', 'catalog', 'v2');
    web = await envoys.caller('shop', 'web');
    target = await web.to(catalog);
    await until('catalog answers', async () => 'version' in (await ask(target)));
  });
  afterAll(async () => {
    await envoys?.stop();
    await osm?.stop();
    await api?.stop();
  });

  it('splits 90 to 10 as the weights say, none lost', async () => {
    await api.admin.mustApply(split(90, 10));
    await until('v2 answers', async () => (await sendRequests(target, 20)).answers.has('v2'));
    v1.backend.received.length = 0;
    v2.backend.received.length = 0;
    const { failures } = await sendRequests(target, REQUESTS);
    expect(failures).toEqual([]);
    expect(v1.backend.received.length + v2.backend.received.length).toBe(REQUESTS);
    expect(isWithin(v2.backend.received.length, binomialInterval(REQUESTS, 0.1))).toBe(true);
  });

  it('lets through only whom a TrafficTarget names', async () => {
    await api.admin.mustApply(allowed('stranger'));
    await until('web is refused', async () => (await sendRequests(target, 50)).answers.size === 0);
    await api.admin.mustApply(allowed('web'));
    await until('web is answered again', async () => (await sendRequests(target, 50)).failures.length === 0);
  });

  it('pushes nothing that a stock Envoy rejects', async () => {
    for (const { envoy } of [web, v1, v2]) expect(await rejections(envoy)).toBe(0);
  });
});
