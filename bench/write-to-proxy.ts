/**
 * From a weight written to a real Envoy serving it: a version is asked for over HTTP and gets all traffic in its only step;
 * the clock starts when that request leaves this process and ends with the first response by the other version.
 */
import { cpus, loadavg } from 'node:os';
import { type Benchmark, percentile, tenths } from './figure.ts';
import { keepAsking, type SampleMesh, startSampleMesh, type Version } from './sample-mesh.ts';
import { until } from './shipped.ts';

const NAME = 'write_to_proxy_p50_ms';
const TARGET_MS = 20;
const ASK_EACH_MS = 2;
const WARM_UP = 10;
const ROUNDS = 100;

export const writeToProxy: Benchmark = {
  names: [NAME],
  async measure(progress) {
    const mesh = await startSampleMesh('[{ weight: 100, hold: 0s, deadline: 1m }]', 1, progress);
    try {
      const times: number[] = [];
      for (let round = -WARM_UP; round < ROUNDS; round += 1) {
        const time = await oneRound(mesh, round % 2 === 0 ? 'v2' : 'v1');
        if (round >= 0) times.push(time);
        if (round % 20 === 0) progress(`round ${round} of ${ROUNDS}: ${tenths(time)} ms`);
      }
      const value = tenths(percentile(times, 0.5));
      const figure = {
        name: NAME,
        value,
        unit: 'ms',
        target: TARGET_MS,
        peer: 'istiod 113, Consul 204, OSM 2,030 to their push',
        note: `${ROUNDS} rounds, p99 ${tenths(percentile(times, 0.99))}; a request each ${ASK_EACH_MS} ms on a fresh connection.`,
      };
      const cause = `The fastest of ${ROUNDS} rounds took ${tenths(percentile(times, 0))} ms; load ${loadavg()[0]?.toFixed(1)} on ${cpus().length} cores, which Envoy, load and both processes share.`;
      return [value > TARGET_MS ? { ...figure, cause } : figure];
    } finally {
      await mesh.stop();
    }
  },
};

async function oneRound(mesh: SampleMesh, version: Version): Promise<number> {
  let first: number | undefined;
  const load = keepAsking(mesh.callers, ASK_EACH_MS, (_caller, answered, at) => {
    if (answered === version) first ??= at;
  });
  try {
    const started = performance.now();
    await mesh.deploy(version);
    await until(() => first !== undefined, `${version} answers`);
    await mesh.rest(undefined);
    return (first ?? Number.NaN) - started;
  } finally {
    load.stop();
  }
}
