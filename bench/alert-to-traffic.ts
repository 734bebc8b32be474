/**
 * From a posted alert to the last response of the bad version: ten real Envoys under steady load, the functions and the
 * xds server as two processes, all warm. The clock starts when the alert's HTTP request leaves this process.
 */
import { randomUUID } from 'node:crypto';
import { cpus, loadavg } from 'node:os';
import { type Benchmark, percentile, tenths } from './figure.ts';
import { ALERT_RULE, keepAsking, type SampleMesh, startSampleMesh } from './sample-mesh.ts';
import { expectStatus, until } from './shipped.ts';

const NAME = 'alert_to_traffic_p99_ms';
const TARGET_MS = 150;
const ENVOYS = 10;
const ASK_EACH_MS = 20;
const BAD_WEIGHT = 90;
const WARM_UP = 5;
const ROUNDS = 100;
/** So long nothing may come from the bad version, and every Envoy must have answered this often, before a round counts as over. */
const QUIET_MS = 400;
const QUIET_ANSWERS = 10;

interface Round {
  readonly trafficMs: number;
  readonly answerMs: number;
}

export const alertToTraffic: Benchmark = {
  names: [NAME],
  async measure(progress) {
    const mesh = await startSampleMesh(`[{ weight: ${BAD_WEIGHT}, hold: 1h, deadline: 2h }]`, ENVOYS, progress);
    const watch = new Watch(mesh);
    try {
      const rounds: Round[] = [];
      for (let round = -WARM_UP; round < ROUNDS; round += 1) {
        const measured = await oneRound(mesh, watch);
        if (round >= 0) rounds.push(measured);
        if (round % 20 === 0) progress(`round ${round} of ${ROUNDS}: ${tenths(measured.trafficMs)} ms`);
      }
      return [figureOf(rounds)];
    } finally {
      watch.stop();
      await mesh.stop();
    }
  },
};

function figureOf(rounds: readonly Round[]) {
  const traffic = rounds.map(({ trafficMs }) => trafficMs);
  const answers = rounds.map(({ answerMs }) => answerMs);
  const value = tenths(percentile(traffic, 0.99));
  const [half, worst] = [tenths(percentile(traffic, 0.5)), tenths(percentile(traffic, 1))];
  const cause = `The functions took p50 ${tenths(percentile(answers, 0.5))} ms, p99 ${tenths(percentile(answers, 0.99))} ms to answer the alert; load ${loadavg()[0]?.toFixed(1)} on ${cpus().length} cores, which Envoys, load and both processes share.`;
  return {
    name: NAME,
    value,
    unit: 'ms',
    target: TARGET_MS,
    peer: 'Flagger 19,950 from bad metric, at its fastest settings',
    note: `${ROUNDS} rounds, p50 ${half}, worst ${worst}; ${ENVOYS} Envoys, ${1_000 / ASK_EACH_MS} requests a second through each on fresh connections, ${BAD_WEIGHT} % of them to the bad version.`,
    ...(value > TARGET_MS ? { cause } : {}),
  };
}

async function oneRound(mesh: SampleMesh, watch: Watch): Promise<Round> {
  await mesh.deploy('v2');
  await mesh.rest('holding');
  watch.forget();
  await until(() => watch.everyoneMetBad(), 'every Envoy sends requests to the bad version');

  const alertId = `/subscriptions/bench/alerts/${randomUUID()}`;
  const fired = new Date().toISOString();
  const started = performance.now();
  const answering = mesh.shipped.call('POST', '/alerts', alert(alertId, 'Fired', fired));
  expectStatus(202, await answering);
  const answerMs = performance.now() - started;
  await until(() => watch.quietSince(started), 'the bad version is quiet');
  const trafficMs = Math.max(0, watch.lastBad - started);

  await mesh.rest(undefined);
  expectStatus(202, await mesh.shipped.call('POST', '/alerts', alert(alertId, 'Resolved', fired)));
  return { trafficMs, answerMs };
}

/** As Azure Monitor's common alert schema has it: https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema */
function alert(alertId: string, monitorCondition: 'Fired' | 'Resolved', firedDateTime: string): object {
  return {
    schemaId: 'azureMonitorCommonAlertSchema',
    data: {
      essentials: {
        alertId,
        alertRule: ALERT_RULE,
        severity: 'Sev1',
        signalType: 'Metric',
        monitorCondition,
        monitoringService: 'Platform',
        alertTargetIDs: [],
        firedDateTime,
        ...(monitorCondition === 'Resolved' ? { resolvedDateTime: new Date().toISOString() } : {}),
      },
      alertContext: {
        conditionType: 'SingleResourceMultipleMetricCriteria',
        condition: {
          windowSize: 'PT1M',
          allOf: [{ metricName: 'requests/failed', operator: 'GreaterThan', threshold: '25', timeAggregation: 'Count', metricValue: 31.5 }],
        },
      },
    },
  };
}

/** Steady requests through every Envoy, and what came back from the bad version. */
class Watch {
  lastBad = 0;
  readonly #load: { stop(): void };
  readonly #metBad: Set<number> = new Set();
  readonly #goodInARow: number[];

  constructor({ callers }: SampleMesh) {
    this.#goodInARow = callers.map(() => 0);
    this.#load = keepAsking(callers, ASK_EACH_MS, (caller, version, at) => {
      if (version === 'v2') {
        this.lastBad = at;
        this.#metBad.add(caller);
        this.#goodInARow[caller] = 0;
      } else if (version === 'v1') {
        this.#goodInARow[caller] = (this.#goodInARow[caller] ?? 0) + 1;
      }
    });
  }

  forget(): void {
    this.#metBad.clear();
  }

  everyoneMetBad(): boolean {
    return this.#metBad.size === this.#goodInARow.length;
  }

  quietSince(started: number): boolean {
    const quietForMs = performance.now() - Math.max(started, this.lastBad);
    return quietForMs >= QUIET_MS && this.#goodInARow.every((answers) => answers >= QUIET_ANSWERS);
  }

  stop(): void {
    this.#load.stop();
  }
}
