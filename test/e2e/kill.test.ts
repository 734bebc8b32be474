/**
 * What survives a crash: each process of the control plane is killed in mid-canary and stays away for five seconds, and
 * once the functions die between a commit and its effects. Traffic runs throughout and loses nothing; the rollout goes on.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { realEnvoy } from '../real-envoy.ts';
import { newAlert, payloadOf } from './alerts.ts';
import { type Installation, installation, type ProgramName } from './installation.ts';
import { sendRequests, startTraffic, type Traffic } from './traffic.ts';
import { until } from './until.ts';
import { type Backend, startWorkloads, type Workloads } from './workloads.ts';

const envoy = await realEnvoy();
const AWAY_MS = 5_000;

describe.skipIf(!envoy)('with kill -9', () => {
  let mesh: Installation;
  let workloads: Workloads;
  let v2: Backend;
  let caller: number;
  let traffic: Traffic;
  const cleanUp: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    for (const undo of cleanUp.splice(0).reverse()) await undo();
  });

  /** A mesh that serves v1, with v2 ready and traffic on it; `environment` is that of the functions. */
  async function begin(rollout: string, environment: Readonly<Record<string, string>> = {}): Promise<void> {
    mesh = await installation();
    cleanUp.push(mesh.stop);
    await mesh.start('functions', environment);
    await mesh.start('xds');
    await mesh.apply(rollout);
    workloads = startWorkloads(mesh, envoy ?? '');
    cleanUp.push(workloads.stop);
    const v1 = await workloads.backend('v1', { behindEnvoy: true });
    v2 = await workloads.backend('v2', { behindEnvoy: true });
    await workloads.register([v1, v2]);
    caller = await workloads.caller('caller');
    traffic = startTraffic(caller);
    cleanUp.push(traffic.stop);
  }

  /** Kills it, and revives it when traffic has gone on without it for five seconds. */
  async function away(name: ProgramName): Promise<void> {
    await mesh.kill(name);
    const meanwhile = await traffic.lasting(AWAY_MS);
    expect(meanwhile).toBeGreaterThan(AWAY_MS / 100);
    expect(traffic.tally.failures).toEqual([]);
    console.log(`${name} away for ${AWAY_MS / 1000} s: ${meanwhile} requests answered meanwhile, 0 failed`);
    await mesh.start(name);
  }

  const stepIs = async (step: number): Promise<boolean> => (await mesh.status()).rollout?.step === step;

  it('of the functions and then of the xds server, a rollout goes on to its end', { timeout: 150_000 }, async () => {
    const steps = [10, 30, 60, 100].map((weight) => `    - { weight: ${weight}, hold: 2s, deadline: 5m }`);
    await begin(['rollout:', '  steps:', ...steps].join('\n'));
    await mesh.deploy('v2');
    await until('the first step is held', async () => (await mesh.status()).rollout?.phase === 'holding');
    await away('functions');
    await until('the rollout has gone on', () => stepIs(2));
    await away('xds');
    await until('v2 is stable', async () => (await mesh.status()).stable === 'v2' && (await mesh.status()).rollout === null);
    const tally = await traffic.stop();
    expect(tally.failures).toEqual([]);
    expect((await sendRequests(caller, 200)).answers).toEqual(new Map([['v2', 200]]));
    expect((await mesh.events()).filter((type) => type === 'StepBegun')).toHaveLength(4);
    console.log(`${tally.requests} requests over the whole canary, 0 failed`);
  });

  it('between a step and its weights, the weights are served after a restart, asked by nobody', { timeout: 120_000 }, async () => {
    await begin('rollout:\n  steps:\n    - { weight: 50, hold: 10m }', { MESHWRIGHT_FAILPOINT_AFTER_COMMIT: 'StepBegun' });
    await mesh.deploy('v2').catch(() => undefined);
    await mesh.ended('functions');
    await traffic.lasting(1_000);
    expect(v2.served).toBe(0);

    await mesh.start('functions');
    expect(await mesh.events()).toContain('StepBegun');
    await until('v2 serves', () => v2.served > 0);
    await until('the step is seen to be served', async () => (await mesh.status()).rollout?.phase === 'holding');
    const tally = await traffic.stop();
    expect(tally.failures).toEqual([]);
    console.log(`${tally.requests} requests over a crash between StepBegun and its effect, 0 failed`);
  });

  it('between a way back and its weights, the alert that comes again has them served at once', { timeout: 120_000 }, async () => {
    await begin('rollout:\n  steps:\n    - { weight: 50, hold: 10m }', { MESHWRIGHT_FAILPOINT_AFTER_COMMIT: 'TrafficReturned' });
    await mesh.deploy('v2');
    await until('v2 serves', () => v2.served > 0);
    const alert = newAlert();
    await mesh.call('POST', '/alerts', payloadOf(alert, 'Fired')).catch(() => undefined);
    await mesh.ended('functions');

    await mesh.start('functions');
    const again = await mesh.call('POST', '/alerts', payloadOf(alert, 'Fired'));
    expect(again).toMatchObject({ status: 202, body: { answers: [{ outcome: 'accepted', repeated: true }] } });
    await until('the way back is served', async () => (await mesh.status()).rollout === null, 10_000);
    const tally = await traffic.stop();
    expect(tally.failures).toEqual([]);
    expect((await sendRequests(caller, 200)).answers).toEqual(new Map([['v1', 200]]));
    expect((await mesh.events()).filter((type) => type === 'TrafficReturned')).toHaveLength(1);
    console.log(`${tally.requests} requests over a crash between TrafficReturned and its effect, 0 failed`);
  });
});
