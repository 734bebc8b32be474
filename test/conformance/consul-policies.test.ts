/**
 * What becomes of requests when a plan asks for callers, time-outs or retries: plans in, config entries of Consul applied by the
 * connector, requests on fresh connections through stock Envoys, counted at the backends.
 */
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { consulOverHttp } from '../../src/adapters/consul-http.ts';
import { consulDataPlane } from '../../src/dataplanes/consul/data-plane.ts';
import type { AllowRule, PlannedSecurity, ServicePlan } from '../../src/plan/plan.ts';
import type { DataPlane } from '../../src/reconcile/data-plane.ts';
import { fragmentOf, planOf } from '../dataplanes/consul/applying.ts';
import { ask, type Outcome, sendRequests } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import { type Consul, startConsul } from './consul.ts';
import { type ConsulCaller, type ConsulEnvoys, type ConsulWorkload, consulEnvoys } from './consul-envoys.ts';
import { rejections } from './envoy.ts';
import { heldBy } from './fields/held.ts';
import { virtualHosts } from './fields/outbound.ts';
import { messages, text } from './fields/proto-json.ts';
import { LOOPBACK } from './process.ts';
import { haveServers } from './servers/build.ts';

const have = (await haveServers('consul')) && (await realEnvoy()) !== undefined;

const DENIED = '403 RBAC: access denied';
const seen = (outcome: Outcome): number | string => ('failure' in outcome ? outcome.failure : outcome.status);
const rule = (more: Omit<AllowRule, 'callers'> = {}, ...services: readonly string[]): AllowRule => ({
  callers: (services.length === 0 ? ['web'] : services).map((service) => ({ namespace: 'default', serviceAccount: service, service })),
  ...more,
});
const strict = (...allow: readonly AllowRule[]): PlannedSecurity => ({
  stage: 'strict',
  trustDomain: 'any.example',
  serviceAccount: 'catalog',
  allow,
});

/** A Consul, and plans brought to it under rising revisions. */
async function started(defaultPolicy: 'allow' | 'deny') {
  const consul = await startConsul(defaultPolicy);
  const server = consulOverHttp({ address: consul.url, token: () => consul.managementToken });
  let revision = 0;
  const dataPlane: DataPlane = consulDataPlane(server, { defaultPolicy, takeOver: false, decided: async () => revision });
  const bring = async (service: string, weights: Readonly<Record<string, number>>, more: Partial<ServicePlan> = {}): Promise<void> => {
    revision += 1;
    const fragment = fragmentOf(service, revision, planOf(service, weights, more));
    expect(await dataPlane.apply(fragment)).toEqual({ kind: 'applied' });
    expect(await dataPlane.observe(fragment, 0)).toEqual({ kind: 'served' });
    expect(await dataPlane.prune?.(fragment)).toEqual({ kind: 'applied' });
  };
  return { consul, bring, envoys: consulEnvoys(consul) };
}

describe.skipIf(!have).each(['deny', 'allow'] as const)('callers of a service, where Consul says %s by default', (defaultPolicy) => {
  let consul: Consul;
  let envoys: ConsulEnvoys;
  let bring: Awaited<ReturnType<typeof started>>['bring'];
  let web: ConsulCaller;
  let stranger: ConsulCaller;

  beforeAll(async () => {
    ({ consul, envoys, bring } = await started(defaultPolicy));
    // What others allow everywhere must not open a service that says who may call it.
    await consul.mustWrite({ Kind: 'service-intentions', Name: '*', Sources: [{ Name: '*', Action: 'allow' }] });
    await bring('catalog', { v1: 100 }, { security: strict(rule()) });
    await envoys.workload('catalog', 'v1');
    [web, stranger] = await Promise.all([envoys.caller('web', ['catalog']), envoys.caller('stranger', ['catalog'])]);
    await until('web is answered', async () => 'version' in (await ask(web.to('catalog'))));
  });
  afterAll(async () => {
    await envoys?.stop();
    await consul?.stop();
  });

  const from = (caller: ConsulCaller, method = 'GET', path = '/items') => ask(caller.to('catalog', { method, path })).then(seen);
  /** Waits for the one answer that is new, then asks everything else once. */
  const becomes = (what: string, answer: () => Promise<number | string>, wanted: number | string) =>
    until(what, async () => (await answer()) === wanted);

  it('are those that are named, each request over a connection of its own', async () => {
    await becomes('the stranger is refused', () => from(stranger), DENIED);
    expect((await sendRequests(web.to('catalog'), 100)).failures).toEqual([]);
    const { failures } = await sendRequests(stranger.to('catalog'), 100);
    expect(failures).toEqual(Array.from({ length: 100 }, () => DENIED));
  });

  it('are held to their methods and paths, whatever allows them more elsewhere', async () => {
    const reading = rule({ methods: ['GET', 'HEAD'], paths: [{ exact: '/items' }, { prefix: '/shelves/' }, { regex: '/boxes/[0-9]+' }] });
    await bring('catalog', { v1: 100 }, { security: strict(reading, rule({ paths: [{ exact: '/orders' }] }), rule({}, 'stranger')) });
    await becomes('the stranger is answered', () => from(stranger, 'DELETE', '/anything'), 200);
    const allowed = [
      ['GET', '/items'],
      ['GET', '/items?page=2'],
      ['GET', '/shelves/a/b'],
      ['GET', '/boxes/12'],
      ['POST', '/orders'],
    ];
    const refused = [
      ['POST', '/items'],
      ['GET', '/items/1'],
      ['GET', '/shelves'],
      ['GET', '/boxes/12a'],
      ['GET', '/x/boxes/1'],
      ['GET', '/'],
    ];
    // Between the Envoys is a connection from before, which is held to what was allowed then until it is drained.
    await until('web is held to it', async () => {
      const answers = await Promise.all(refused.map(([method, path]) => from(web, method, path)));
      return answers.every((answer) => answer === DENIED);
    });
    for (const [method, path] of allowed) expect([method, path, await from(web, method, path)]).toEqual([method, path, 200]);
  });

  it('are nobody where nobody is named', async () => {
    await bring('catalog', { v1: 100 }, { security: strict() });
    await becomes('the stranger is refused', () => from(stranger), DENIED);
    await becomes('web is refused', () => from(web), DENIED);
  });

  it('are not let in without mTLS', async () => {
    await bring('catalog', { v1: 100 }, { security: strict(rule({}, 'web', 'stranger')) });
    await becomes('web is answered', () => from(web), 200);
    const listed = z.array(z.object({ Service: z.object({ Port: z.number() }) }));
    const [instance] = listed.parse((await consul.ask('GET', '/v1/health/connect/catalog')).body);
    const plaintext = new Promise((resolve) => {
      const call = request({ host: LOOPBACK, port: instance?.Service.Port, path: '/items', agent: false }, ({ statusCode }) =>
        resolve(statusCode),
      );
      call.on('error', () => resolve('cut off')).end();
    });
    expect(await plaintext).toBe('cut off');
  });

  it('are left to what Consul does by itself once a plan says nothing of them', async () => {
    await consul.ask('DELETE', '/v1/config/service-intentions/*');
    await bring('catalog', { v1: 100 });
    await becomes('the default holds', () => from(stranger), defaultPolicy === 'allow' ? 200 : DENIED);
    expect((await consul.ask('GET', '/v1/config/service-intentions/catalog')).status).toBe(404);
  });
});

describe.skipIf(!have)('requests that fail or take their time on Consul', () => {
  let consul: Consul;
  let envoys: ConsulEnvoys;
  let bring: Awaited<ReturnType<typeof started>>['bring'];
  let v1: ConsulWorkload;
  let web: ConsulCaller;

  beforeAll(async () => {
    ({ consul, envoys, bring } = await started('allow'));
    await bring('catalog', { v1: 100 });
    v1 = await envoys.workload('catalog', 'v1');
    web = await envoys.caller('web', ['catalog', 'stock']);
    await until('catalog answers', async () => 'version' in (await ask(web.to('catalog'))));
  });
  afterAll(async () => {
    await envoys?.stop();
    await consul?.stop();
  });

  const routed = (route: Partial<ServicePlan['routes'][number]>): Partial<ServicePlan> => {
    return { routes: [{ name: 'default', match: {}, split: [{ version: 'v1', weight: 100 }], ...route }] };
  };
  const outgoing = async () => virtualHosts(heldBy(await web.envoy.configDump())).find(({ name }) => name === 'catalog');
  const isPushed = (words: string) =>
    until(`the caller's Envoy has ${words}`, async () => JSON.stringify(await outgoing()).includes(words));

  it('are tried again as often as the plan says, and no more', async () => {
    v1.backend.behave = () => ({ status: v1.backend.received.length % 3 === 0 ? 200 : 500 });
    v1.backend.received.length = 0;
    expect(seen(await ask(web.to('catalog')))).toBe(500);
    expect(v1.backend.received).toHaveLength(1);
    await bring('catalog', { v1: 100 }, routed({ retries: { attempts: 2, on: ['5xx'] } }));
    await isPushed('"num_retries":2');
    v1.backend.received.length = 0;
    expect(seen(await ask(web.to('catalog')))).toBe(200);
    expect(v1.backend.received).toHaveLength(3);
    v1.backend.behave = () => ({ status: 500 });
    v1.backend.received.length = 0;
    expect(seen(await ask(web.to('catalog')))).toBe(500);
    expect(v1.backend.received).toHaveLength(3);
  });

  it('are not all tried again when more than three fail at a time: what the plan is told is only nearly said', async () => {
    v1.backend.behave = () => ({ status: 500, delayMs: 100 });
    await sendRequests(web.to('catalog'), 32);
    const overflow = [...(await web.envoy.stats(/retry_overflow$/)).values()].reduce((sum, count) => sum + count, 0);
    expect(overflow).toBeGreaterThan(0);
    v1.backend.behave = () => ({});
  });

  it('end when the time-out of the plan is over', async () => {
    await bring('catalog', { v1: 100 }, routed({ timeoutMs: 300 }));
    await isPushed('"timeout":"0.300s"');
    v1.backend.behave = () => ({ delayMs: 5_000 });
    expect(seen(await ask(web.to('catalog')))).toBe('504 upstream request timeout');
    v1.backend.behave = () => ({});
  });

  it('end neither after 15 s, as Envoy would, nor after five minutes at the caller', async () => {
    await bring('catalog', { v1: 100 });
    await isPushed('"timeout":"0s"');
    const [action] = messages(await outgoing(), 'routes').map(({ route }) => route);
    expect([text(action, 'timeout'), text(action, 'idle_timeout')]).toEqual(['0s', '0s']);
    const inbound = virtualHosts(heldBy(await v1.envoy.configDump())).find(({ name }) => name === 'public_listener');
    expect(messages(inbound, 'routes').map(({ route }) => text(route, 'timeout'))).toEqual(['2592000s']);
  });

  it("spare an endpoint that keeps failing, by what the caller's own service-defaults say and we leave alone", async () => {
    await bring('web', { v1: 100 });
    const written = z.looseObject({}).parse((await consul.ask('GET', '/v1/config/service-defaults/web')).body);
    const { Hash: _hash, CreateIndex: _created, ModifyIndex: _modified, ...defaults } = z.record(z.string(), z.json()).parse(written);
    const PassiveHealthCheck = {
      Interval: '1s',
      MaxFailures: 5,
      EnforcingConsecutive5xx: 100,
      MaxEjectionPercent: 100,
      BaseEjectionTime: '5m',
    };
    await consul.mustWrite({ ...defaults, UpstreamConfig: { Overrides: [{ Name: 'catalog', PassiveHealthCheck }] } });
    await bring('web', { v1: 50, v2: 50 });
    const broken = await envoys.workload('catalog', 'v1');
    broken.backend.behave = () => ({ status: 500 });
    await until('the endpoint has failed', async () => {
      await sendRequests(web.to('catalog'), 20);
      return broken.backend.received.length > 0;
    });
    // Ejected at once; the threads that serve hear of it with the next update of the cluster, up to a second later.
    await until('the endpoint gets no requests', async () => {
      broken.backend.received.length = 0;
      await sendRequests(web.to('catalog'), 20);
      return broken.backend.received.length === 0;
    });
    const ejected = await web.envoy.stats(/catalog.*ejections_active$/);
    expect([...ejected.values()].reduce((sum, count) => sum + count, 0)).toBe(1);
    v1.backend.received.length = 0;
    expect((await sendRequests(web.to('catalog'), 200)).failures).toEqual([]);
    expect([v1.backend.received.length, broken.backend.received.length]).toEqual([200, 0]);
  });

  it('meet no Envoy that rejects what was pushed', async () => {
    for (const { envoy } of [web, v1]) expect(await rejections(envoy)).toBe(0);
  });
});
