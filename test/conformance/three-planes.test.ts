/**
 * One canary over istiod, Consul and plain Envoys at once: it moves in step, as every data plane is seen to follow; and comes back on
 * all of them when one lags, saying which, while that one is away too.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { binomialInterval, isWithin } from '../e2e/binomial.ts';
import { sendRequests } from '../e2e/traffic.ts';
import { until } from '../e2e/until.ts';
import { realEnvoy } from '../real-envoy.ts';
import { haveServers } from './servers/build.ts';
import { PLANES, type PlaneName, startThreePlanes, type ThreePlanes } from './three-planes.ts';

const have = (await haveServers('etcd', 'kube-apiserver', 'pilot-discovery', 'consul')) && (await realEnvoy()) !== undefined;

const journalSchema = z.object({ commits: z.array(z.object({ events: z.array(z.looseObject({ type: z.string() })) })) });
const REQUESTS = 1_000;
const DEADLINE_MS = 15_000;

describe.skipIf(!have)('one canary over Istio, Consul and plain Envoy', () => {
  let three: ThreePlanes;

  beforeAll(async () => {
    const step = (weight: number) => `{ weight: ${weight}, hold: 2s, deadline: ${DEADLINE_MS / 1_000}s }`;
    three = await startThreePlanes(`{ steps: [${[20, 60, 100].map(step).join(', ')}] }`);
    await until('every data plane serves stable', async () => (await status()).pending.length === 0);
    for (const name of PLANES) {
      await until(`catalog answers on ${name}`, async () => (await sendRequests(three.planes[name].to, 1)).failures.length === 0);
    }
  });
  afterAll(() => three?.stop());

  const status = () => three.mesh.status();
  const ask = async (action: string, body: unknown = {}): Promise<void> => {
    const answer = await three.mesh.call('POST', `/meshes/shop/services/catalog/rollout${action}`, body);
    expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
  };
  const deploy = (version: string) => ask('', { version, again: true });
  const weights = (name: PlaneName) => three.planes[name].weights();
  const all = async () => Object.fromEntries(await Promise.all(PLANES.map(async (name) => [name, await weights(name)] as const)));
  const everywhere = (split: Record<string, number>) => Object.fromEntries(PLANES.map((name) => [name, split]));
  const stands = async (): Promise<Record<string, number>> =>
    Object.fromEntries(((await status()).split ?? []).filter(({ weight }) => weight > 0).map(({ version, weight }) => [version, weight]));

  /** At the backends of a data plane. */
  async function countAt(name: PlaneName): Promise<number> {
    const { to, backends } = three.planes[name];
    for (const backend of [backends.v1, backends.v2]) backend.received.length = 0;
    const { failures } = await sendRequests(to, REQUESTS);
    expect(failures, name).toEqual([]);
    return backends.v2.received.length;
  }

  it('moves in step: a step is held when all have its weight, and no data plane is ahead of it', async () => {
    await deploy('v2');
    const held: number[] = [];
    await until('v2 is stable', async () => {
      const before = (await status()).rollout;
      const seen = await all();
      const weight = (await stands()).v2 ?? 0;
      for (const name of PLANES) expect(seen[name]?.v2 ?? 0, `${name} is ahead`).toBeLessThanOrEqual(weight);
      if (before?.phase === 'holding' && !held.includes(weight) && weight < 100) {
        // What Consul has compiled is on its way to its proxies for some 200 ms yet.
        await until(
          `all hold ${weight}`,
          async () => PLANES.every((name) => seen[name]?.v2 === weight) || Object.assign(seen, await all()) === null,
        );
        held.push(weight);
        if (held.length === 1) {
          await ask('/pause');
          for (const name of PLANES) {
            expect(isWithin(await countAt(name), binomialInterval(REQUESTS, weight / 100)), name).toBe(true);
          }
          await ask('/resume');
        }
      }
      return (await status()).stable === 'v2' && (await status()).pending.length === 0;
    });
    expect(held).toEqual([20, 60]);
    await until('all have v2 alone', async () => JSON.stringify(await all()) === JSON.stringify(everywhere({ v2: 100 })));
  });

  const isBack = async (name: PlaneName): Promise<boolean> => (await weights(name)).v1 === undefined;
  const untilOver = async (): Promise<void> => {
    await until('the rollout is over', async () => (await status()).rollout === null && (await status()).pending.length === 0);
    await until('all have v2 alone', async () => JSON.stringify(await all()) === JSON.stringify(everywhere({ v2: 100 })));
  };
  /** The newest event of this type in the journal. */
  async function newest(type: string): Promise<string> {
    const { body } = await three.mesh.call('GET', '/meshes/shop/services/catalog/journal?limit=1000');
    const { commits } = journalSchema.parse(body);
    return JSON.stringify(commits.flatMap(({ events }) => events).findLast((event) => event.type === type));
  }

  it('comes back on all when one of them lags past the deadline, and says which', async () => {
    await deploy('v1');
    await until('the first step is held', async () => (await status()).rollout?.phase === 'holding');
    await three.envoy.cut();
    await until('the next step has begun on the others', async () => (await weights('west')).v1 === 60 && (await weights('vms')).v1 === 60);
    const owed = async () => (await status()).pending.filter(({ what }) => what.startsWith('serve')).map(({ what }) => what);
    await until('only the plain Envoy is waited for', async () => JSON.stringify(await owed()) === '["serve edge"]');
    expect((await status()).rollout?.phase).toBe('shifting');
    expect(await weights('edge')).toEqual({ v1: 20, v2: 80 });

    await until('the others are back', async () => (await isBack('west')) && (await isBack('vms')));
    expect(await newest('TrafficReturned')).toContain('not seen to be served in time by edge.');
    await three.envoy.mend();
    await untilOver();
  });

  it('goes no further while one of them is away, comes back without it, and says which', async () => {
    await deploy('v1');
    await until('the first step is held', async () => (await status()).rollout?.phase === 'holding');
    await three.consul.cut();
    await until('the others are back', async () => (await isBack('west')) && (await isBack('edge')));
    expect(await newest('AdvanceHeldBack')).toContain('v1 is not seen ready on vms.');
    expect(await newest('TrafficReturned')).toContain('v1 is not seen ready on vms.');
    // Its proxies hold what they were told last, and that is known.
    expect(await weights('vms')).toEqual({ v1: 20, v2: 80 });
    expect((await status()).rollout).toMatchObject({ phase: 'returning' });
    await three.consul.mend();
    await untilOver();
  });

  it('takes traffic back at once, by hand, where it can while one of them is away', async () => {
    await deploy('v1');
    await until('the first step is held', async () => (await status()).rollout?.phase === 'holding');
    await ask('/pause');
    await three.consul.cut();
    await ask('/abort');
    await until('the others are back', async () => (await isBack('west')) && (await isBack('edge')));
    expect(await weights('vms')).toEqual({ v1: 20, v2: 80 });
    await three.consul.mend();
    await untilOver();
  });
});
