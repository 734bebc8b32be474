/** A broken version behind real Envoys is taken out by an alert that is posted as Azure Monitor posts it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { realEnvoy } from '../real-envoy.ts';
import { newAlert, payloadOf } from './alerts.ts';
import { type Installation, installation } from './installation.ts';
import { sendRequests, startTraffic } from './traffic.ts';
import { until } from './until.ts';
import { type Backend, startWorkloads, type Workloads } from './workloads.ts';

const envoy = await realEnvoy();

describe.skipIf(!envoy)('an alert against a version that has traffic', () => {
  let mesh: Installation;
  let workloads: Workloads;
  let caller: number;
  let broken: Backend;

  beforeAll(async () => {
    mesh = await installation();
    await mesh.start('functions');
    await mesh.start('xds');
    await mesh.apply('rollout:\n  steps:\n    - { weight: 50, hold: 10m }');
    workloads = startWorkloads(mesh, envoy ?? '');
    const good = await workloads.backend('v1', { behindEnvoy: true });
    broken = await workloads.backend('v2-broken', { behindEnvoy: true, broken: true });
    await workloads.register([good, broken]);
    caller = await workloads.caller('caller');
  });
  afterAll(async () => {
    await workloads?.stop();
    await mesh?.stop();
  });

  it('takes it out, once and for good, until a person insists', { timeout: 120_000 }, async () => {
    expect(await mesh.deploy('v2-broken')).toMatchObject({ status: 202 });
    const traffic = startTraffic(caller);
    await until('the broken version serves', () => broken.served >= 100);

    const alert = newAlert();
    const before = performance.now();
    const first = await mesh.call('POST', '/alerts', payloadOf(alert, 'Fired'));
    expect(first).toMatchObject({ status: 202, body: { answers: [{ outcome: 'accepted', repeated: false }] } });
    await until('the way back is served', async () => (await mesh.status()).rollout === null);
    console.log(`alert posted -> way back seen to be served: ${Math.round(performance.now() - before)} ms`);
    // What was asked before that may still be answered by it; of what is asked from now on, nothing is.
    const tally = await traffic.stop();
    expect(tally.failures).toEqual([]);
    const reached = broken.served;
    const afterwards = await sendRequests(caller, 2_000);
    expect(afterwards.failures).toEqual([]);
    expect(afterwards.answers).toEqual(new Map([['v1', 2_000]]));
    expect(broken.served).toBe(reached);
    console.log(`${tally.requests} requests while it went, 0 failed by the mesh; then 2000, none at v2-broken`);

    const after = await mesh.status();
    expect(after).toMatchObject({ stable: 'v1', split: [{ version: 'v1', weight: 100 }], rejected: [{ release: 'v2-broken' }] });
    expect(after.rejected[0]?.because).toContain('catalog-errors');

    const again = await mesh.call('POST', '/alerts', payloadOf(alert, 'Fired'));
    expect(again).toMatchObject({ status: 202, body: { answers: [{ outcome: 'accepted', repeated: true }] } });
    expect((await mesh.status()).version).toBe(after.version);
    expect((await mesh.events()).filter((type) => type === 'TrafficReturned')).toHaveLength(1);

    expect(await mesh.call('POST', '/alerts', payloadOf(alert, 'Resolved'))).toMatchObject({ status: 202 });
    expect(await mesh.status()).toMatchObject({ split: [{ version: 'v1', weight: 100 }], rollout: null });
    expect((await sendRequests(caller, 200)).answers).toEqual(new Map([['v1', 200]]));

    const refused = await mesh.deploy('v2-broken');
    expect(refused).toMatchObject({ status: 409, contentType: 'application/problem+json', body: { reason: 'VersionRejected' } });
    expect(JSON.stringify(refused.body)).toContain('catalog-errors');
    expect(broken.served).toBe(reached);

    const event = {
      specversion: '1.0',
      id: 'once-more',
      source: '/ci',
      type: 'Meshwright.Deployment.Requested',
      data: { service: 'catalog', version: 'v2-broken' },
    };
    expect(await mesh.call('POST', '/events?again=true', event)).toMatchObject({ status: 202, body: { kind: 'answered' } });
    await until('it serves again', async () => {
      await sendRequests(caller, 10);
      return broken.served > reached;
    });
  });
});
