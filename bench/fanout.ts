/**
 * How long a change takes to reach 1,000 ADS streams, and what they cost the xds server in memory: one service's weights are
 * moved over HTTP. The clock starts when that request leaves this process, which is also the 1,000 nodes, each with a
 * connection of its own, and ends for each of them with the whole response that holds the weights.
 */
import { cpus, loadavg } from 'node:os';
import { startAdsNode } from './ads-node.ts';
import { responseReader } from './ads-response.ts';
import { DATA_PLANE, type FanoutMesh, MESH, MOVING_HOST, type Move, SHAPE, SPLITS, startFanoutMesh } from './fanout-mesh.ts';
import { type Benchmark, type Figure, percentile, tenths } from './figure.ts';
import { until } from './shipped.ts';

const NODES = 1_000;
const WARM_UP = 6;
const ROUNDS = 20;
const TARGET_MS = 110;
const TARGET_MB = 150;

interface Round {
  /** By node: how long until it had the weights. */
  readonly arrivals: readonly number[];
  /** Until the functions knew that all of them had it. */
  readonly seenMs: number;
  /** Of the xds server's process, in bytes. */
  readonly resident: number;
}

export const fanout: Benchmark = {
  names: ['fanout_1000_p99_ms', 'fanout_1000_rss_mb'],
  async measure(progress) {
    const mesh = await startFanoutMesh();
    const alone = await mesh.shipped.xdsResident();
    const nodes = new Nodes(mesh);
    try {
      await nodes.have(SPLITS.back);
      await mesh.allSeen();
      const connected = await mesh.shipped.xdsResident();
      progress(`${NODES} nodes are served; load ${load()}`);
      const rounds: Round[] = [];
      for (let round = -WARM_UP; round < ROUNDS; round += 1) {
        const measured = await oneRound(mesh, nodes, round % 2 === 0 ? 'forth' : 'back');
        if (round >= 0) rounds.push(measured);
        if (round % 5 === 0) progress(`round ${round} of ${ROUNDS}: ${words(measured)}; load ${load()}`);
      }
      return [latency(rounds), memory(rounds, alone, connected)];
    } finally {
      nodes.stop();
      await mesh.shipped.end();
      await mesh.shipped.remove();
    }
  },
};

async function oneRound(mesh: FanoutMesh, nodes: Nodes, move: Move): Promise<Round> {
  const started = performance.now();
  const arrived = nodes.have(SPLITS[move]);
  await mesh.move(move);
  const arrivals = (await arrived).map((at) => at - started);
  await mesh.seen(move);
  return { arrivals, seenMs: performance.now() - started, resident: await mesh.shipped.xdsResident() };
}

function latency(rounds: readonly Round[]): Figure {
  const arrivals = rounds.flatMap((round) => round.arrivals);
  const median = (of: (round: Round) => number): number => tenths(percentile(rounds.map(of), 0.5));
  const figure: Figure = {
    name: 'fanout_1000_p99_ms',
    value: tenths(percentile(arrivals, 0.99)),
    unit: 'ms',
    target: TARGET_MS,
    peer: 'go-control-plane 111 shared, 493 rebuilt per node; sovereign 3,959',
    note: `${rounds.length} weights moved over HTTP; ${SHAPE}; p50 ${tenths(percentile(arrivals, 0.5))}; known to the functions after ${median(({ seenMs }) => seenMs)}; load ${load()} on ${cpus().length} cores.`,
  };
  if (figure.value <= TARGET_MS) return figure;
  const [first, last] = [median((round) => Math.min(...round.arrivals)), median((round) => Math.max(...round.arrivals))];
  const each = `${Math.round(last - first)} µs a node, to send it and hear that it is accepted, on the xds server's one thread`;
  const cause = `In the median round the first node has it after ${first} ms and the last after ${last}: ${each}. Functions, server and nodes share ${cpus().length} cores with what else runs.`;
  return { ...figure, cause };
}

/** `alone` and `connected`: bytes before the first node, and with all of them at rest. */
function memory(rounds: readonly Round[], alone: number, connected: number): Figure {
  const figure: Figure = {
    name: 'fanout_1000_rss_mb',
    value: megabytes(Math.max(...rounds.map(({ resident }) => resident))),
    unit: 'MB',
    target: TARGET_MB,
    peer: 'go-control-plane 93 shared, 546 rebuilt per node',
    note: `The most after any of ${rounds.length} rounds; ${SHAPE}.`,
  };
  if (figure.value <= TARGET_MB) return figure;
  const cause = `${megabytes(alone)} MB before the first node and ${megabytes(connected)} with ${NODES} at rest; a round adds what grpc-js copies, each message for each stream (docs/decisions/0007).`;
  return { ...figure, cause };
}

/** The 1,000 streams, and when each of them first had what is waited for. */
class Nodes {
  readonly #nodes: readonly { stop(): void }[];
  #wanted = '';
  #arrivals = new Map<number, number>();
  #lost: string | undefined;

  constructor({ shipped }: FanoutMesh) {
    const read = responseReader(MOVING_HOST);
    const lost = (reason: string): void => {
      this.#lost ??= reason;
    };
    this.#nodes = Array.from({ length: NODES }, (_, index) => {
      const node = { id: `node-${index}`, mesh: MESH, dataPlane: DATA_PLANE, outbound: { address: '127.0.0.1', port: 15_001 } };
      const routed = (split: string): void => {
        if (split === this.#wanted && !this.#arrivals.has(index)) this.#arrivals.set(index, performance.now());
      };
      return startAdsNode({ node, port: shipped.adsPort, token: shipped.nodeToken, read, routed, lost });
    });
  }

  /** Resolves with the times at which the nodes got routes with this split, counted from now on. */
  async have(split: string): Promise<readonly number[]> {
    this.#wanted = split;
    this.#arrivals = new Map();
    await until(() => {
      if (this.#lost !== undefined) throw new Error(this.#lost);
      return this.#arrivals.size === NODES;
    }, `${NODES} nodes have ${split}`);
    return [...this.#arrivals.values()];
  }

  stop(): void {
    for (const node of this.#nodes) node.stop();
  }
}

const megabytes = (bytes: number): number => Math.round(bytes / 1e6);

const load = (): string => (loadavg()[0] ?? 0).toFixed(1);

const words = ({ arrivals, seenMs, resident }: Round): string =>
  `p50 ${tenths(percentile(arrivals, 0.5))}, last ${tenths(Math.max(...arrivals))} ms, known after ${tenths(seenMs)}, ${megabytes(resident)} MB`;
