/** The set-up itself: what a real Consul makes of a splitter and of intentions reaches stock Envoys and is counted at the backends. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { binomialInterval, isWithin } from '../e2e/binomial.ts';
import { ask, type Outcome, sendRequests } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import { type Consul, startConsul } from './consul.ts';
import { type ConsulCaller, type ConsulEnvoys, type ConsulWorkload, consulEnvoys } from './consul-envoys.ts';
import { rejections } from './envoy.ts';
import { haveServers } from './servers/build.ts';

const haveConsul = await haveServers('consul');
const haveEnvoy = haveConsul && (await realEnvoy()) !== undefined;

const REQUESTS = 2_000;
const DENIED = '403 RBAC: access denied';
const hasFailure = (outcome: Outcome, failure: string): boolean => 'failure' in outcome && outcome.failure === failure;

const split = (v1: number, v2: number) => ({
  Kind: 'service-splitter',
  Name: 'catalog',
  Splits: [
    { Weight: v1, ServiceSubset: 'v1' },
    { Weight: v2, ServiceSubset: 'v2' },
  ],
});
const entries = [
  { Kind: 'service-defaults', Name: 'catalog', Protocol: 'http' },
  {
    Kind: 'service-resolver',
    Name: 'catalog',
    Subsets: { v1: { Filter: 'Service.Meta.version == v1' }, v2: { Filter: 'Service.Meta.version == v2' } },
  },
  split(100, 0),
];
const intention = (source: string) => ({ Kind: 'service-intentions', Name: 'catalog', Sources: [{ Name: source, Action: 'allow' }] });

describe.skipIf(!haveConsul)('a real Consul', () => {
  let consul: Consul;
  beforeAll(async () => {
    consul = await startConsul('deny');
    await consul.mustWrite(...entries);
  });
  afterAll(() => consul?.stop());

  it('refuses weights that do not add up with 500, and a field it does not know with 400', async () => {
    const short = await consul.ask('PUT', '/v1/config', split(70, 10));
    expect(short.status).toBe(500);
    expect(short.body).toContain('the sum of all split weights must be 100, not 80');
    expect((await consul.ask('PUT', '/v1/config', { ...split(90, 10), Surprise: 1 })).status).toBe(400);
  });

  it('answers a stale check-and-set with 200 and false', async () => {
    expect(await consul.ask('PUT', '/v1/config?cas=1', split(90, 10))).toMatchObject({ status: 200, body: false });
  });

  it('lets a token do what its policy says, and refuses the rest with 403', async () => {
    const token = await consul.user('reader', 'service_prefix "" { policy = "read" }');
    expect((await consul.ask('GET', '/v1/config/service-splitter/catalog', undefined, token)).status).toBe(200);
    expect((await consul.ask('PUT', '/v1/config', split(90, 10), token)).status).toBe(403);
  });
});

describe.skipIf(!haveEnvoy)('Consul with stock Envoys', () => {
  let consul: Consul;
  let envoys: ConsulEnvoys;
  let v1: ConsulWorkload;
  let v2: ConsulWorkload;
  let web: ConsulCaller;

  beforeAll(async () => {
    consul = await startConsul('deny');
    envoys = consulEnvoys(consul);
    await consul.mustWrite(...entries, intention('web'));
    [v1, v2] = await Promise.all([envoys.workload('catalog', 'v1'), envoys.workload('catalog', 'v2')]);
    web = await envoys.caller('web', ['catalog']);
    await until('catalog answers', async () => 'version' in (await ask(web.to('catalog'))));
  });
  afterAll(async () => {
    await envoys?.stop();
    await consul?.stop();
  });

  it('splits 90 to 10 as the weights say, none lost', async () => {
    await consul.mustWrite(split(90, 10));
    await until('v2 answers', async () => (await sendRequests(web.to('catalog'), 20)).answers.has('v2'));
    v1.backend.received.length = 0;
    v2.backend.received.length = 0;
    const { failures } = await sendRequests(web.to('catalog'), REQUESTS);
    expect(failures).toEqual([]);
    expect(v1.backend.received.length + v2.backend.received.length).toBe(REQUESTS);
    expect(isWithin(v2.backend.received.length, binomialInterval(REQUESTS, 0.1))).toBe(true);
  });

  it('lets through whom an intention names, and by default nobody', async () => {
    const stranger = await envoys.caller('stranger', ['catalog']);
    // Until its Envoy has had all it needs, a request may fail otherwise.
    await until('the stranger is told why', async () => hasFailure(await ask(stranger.to('catalog')), DENIED));
    const refused = await sendRequests(stranger.to('catalog'), 100);
    expect(refused.failures).toEqual(Array.from({ length: 100 }, () => DENIED));
    await consul.mustWrite(intention('stranger'));
    await until('the stranger is answered', async () => 'version' in (await ask(stranger.to('catalog'))));
    await until('web is refused', async () => (await sendRequests(web.to('catalog'), 100)).answers.size === 0);
  });

  it('lets everybody through where the default is to allow', async () => {
    const open = await startConsul('allow');
    const others = consulEnvoys(open);
    try {
      await open.mustWrite({ Kind: 'service-defaults', Name: 'catalog', Protocol: 'http' });
      await others.workload('catalog', 'v1');
      const stranger = await others.caller('stranger', ['catalog']);
      await until('the stranger is answered', async () => 'version' in (await ask(stranger.to('catalog'))));
    } finally {
      await others.stop();
      await open.stop();
    }
  });

  it('pushes nothing that a stock Envoy rejects', async () => {
    for (const { envoy } of [web, v1, v2]) expect(await rejections(envoy)).toBe(0);
  });
});
