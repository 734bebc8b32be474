/**
 * Decisions on the embedded store: 200 writers race on 20 streams over HTTP, each with one request under way at all times,
 * and every tenth delivery is given twice at once. A decision's clock starts when its request leaves this process and
 * ends with the answer, which comes after the commit is on the disk and its effects were tried. Afterwards every answer is
 * held against the journal, and the read model against the effects the commits called for.
 */
import { randomUUID } from 'node:crypto';
import { cpus, loadavg } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { SqliteDocuments } from '../src/adapters/sqlite-documents.ts';
import { commitsOf, verifyChain } from '../src/journal/history.ts';
import { readFragment, readPointer } from '../src/reconcile/model.ts';
import { serviceStream, serviceStreamId } from '../src/rollouts/service-stream.ts';
import { type Benchmark, type Figure, percentile, tenths } from './figure.ts';
import { type Answered, expectStatus, LOOPBACK, type Shipped, startShipped, until } from './shipped.ts';

const NAME = 'decision_p99_ms';
const TARGET_MS = 50;
const MESH = 'bench';
const WRITERS = 200;
const STREAMS = 20;
const WARM_UP = 2_000;
const DECISIONS = 10_000;
const ALONE = 300;
const TWICE_EACH = 10;
const services = Array.from({ length: STREAMS }, (_, index) => `service-${index}`);

/** One delivery and all that it was answered. */
interface Asked {
  readonly service: string;
  readonly key: string;
  readonly answers: readonly Answer[];
}

const answerSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('accepted'), version: z.number() }),
  z.object({ outcome: z.literal('unchanged'), reason: z.string() }),
]);
type Answer = z.infer<typeof answerSchema>;

export const decision: Benchmark = {
  names: [NAME],
  async measure(progress) {
    const shipped = await startShipped();
    try {
      await startRollouts(shipped);
      const asked: Asked[] = [];
      await race(shipped, WARM_UP, asked);
      progress('warm');
      const alone = percentile(await race(shipped, ALONE, asked, 1), 0.99);
      const floor = await floorOf(shipped);
      const started = performance.now();
      const latencies = await race(shipped, DECISIONS, asked);
      const perSecond = Math.round((DECISIONS / (performance.now() - started)) * 1_000);
      await shipped.end();
      const found = await withState(shipped, (documents) => holdAgainst(documents, asked));
      return [figureOf(latencies, { perSecond, floor, alone }, found)];
    } finally {
      await shipped.end();
      await shipped.remove();
    }
  },
};

/** As many requests at once that decide nothing: what the host and this client cost by themselves. */
async function floorOf(shipped: Shipped): Promise<number> {
  const times: number[] = [];
  await atOnce(DECISIONS / 5, WRITERS, async () => {
    const started = performance.now();
    expectStatus(404, await shipped.call('POST', `/meshes/${MESH}/services/service-0/rollout/nothing`, {}));
    times.push(performance.now() - started);
  });
  return percentile(times, 0.99);
}

async function race(shipped: Shipped, decisions: number, asked: Asked[], writers = WRITERS): Promise<number[]> {
  const latencies: number[] = [];
  await atOnce(decisions, writers, async (writer, turn) => {
    const service = services[writer % STREAMS] ?? '';
    const action = (writer + turn) % 2 === 0 ? 'pause' : 'resume';
    const key = randomUUID();
    const ask = async (): Promise<Answer> => {
      const started = performance.now();
      const answered = await shipped.call('POST', `/meshes/${MESH}/services/${service}/rollout/${action}`, {}, { 'idempotency-key': key });
      latencies.push(performance.now() - started);
      expectStatus(200, answered);
      return answerSchema.parse(answered.body);
    };
    asked.push({ service, key, answers: await Promise.all((writer + turn) % TWICE_EACH === 0 ? [ask(), ask()] : [ask()]) });
  });
  return latencies;
}

/** `times` calls in all by `writers` at once, each of which waits for one before the next. */
async function atOnce(times: number, writers: number, call: (writer: number, turn: number) => Promise<void>): Promise<void> {
  const write = async (_: unknown, writer: number): Promise<void> => {
    for (let turn = 0; turn < times / writers; turn += 1) await call(writer, turn);
  };
  await Promise.all(Array.from({ length: writers }, write));
}

interface Found {
  readonly commits: number;
  readonly unchanged: number;
  readonly lost: number;
  readonly doubled: number;
}

/** Every accepted delivery is one commit and every other none; what the last commits called for is in the read model, once. */
async function holdAgainst(documents: SqliteDocuments, asked: readonly Asked[]): Promise<Found> {
  let [commits, all, lost, doubled] = [0, 0, 0, 0];
  for (const service of services) {
    const stream = serviceStreamId(MESH, service);
    const chain = await verifyChain(documents, serviceStream, stream);
    if (!chain.holds) throw new Error(chain.message);
    const byHand = new Map<string, number>();
    let lastServing = 0;
    for (const { deliveryId, version, events } of await commitsOf(documents, stream)) {
      all += 1;
      if (!deliveryId.startsWith('hand/')) continue;
      // `hand/<action>/<key>`, as functions/step-in.ts makes it.
      const key = deliveryId.split('/').at(-1) ?? '';
      if (byHand.has(key)) doubled += 1;
      byHand.set(key, version);
      if (events.some(({ type }) => type === 'RolloutResumed')) lastServing = version;
    }
    commits += byHand.size;
    for (const { key, answers } of asked.filter((each) => each.service === service)) {
      const [answer, ...others] = answers;
      // Given twice, a delivery is decided once: both hear the same.
      if (others.some((other) => !isDeepStrictEqual(other, answer))) doubled += 1;
      if ((answer?.outcome === 'accepted' ? answer.version : undefined) !== byHand.get(key)) lost += 1;
    }
    if (((await readFragment(documents, MESH, service))?.revision ?? 0) < lastServing) lost += 1;
  }
  // The endpoints are in the model once, and no state of a service is there twice.
  doubled += Math.max(0, (await readPointer(documents, MESH)) - 1 - all);
  const unchanged = asked.filter(({ answers: [first] }) => first?.outcome === 'unchanged').length;
  return { commits, unchanged, lost, doubled };
}

function figureOf(
  latencies: readonly number[],
  { perSecond, floor, alone }: { readonly perSecond: number; readonly floor: number; readonly alone: number },
  { commits, unchanged, lost, doubled }: Found,
): Figure {
  const value = tenths(percentile(latencies, 0.99));
  const figure = {
    name: NAME,
    value,
    unit: 'ms',
    target: TARGET_MS,
    note: `Effects lost: ${lost}, doubled: ${doubled}. p50 ${tenths(percentile(latencies, 0.5))} ms, ${perSecond} decisions a second; ${WRITERS} requests under way all the time on ${STREAMS} streams, ${commits} commits and ${unchanged} recorded answers that changed nothing.`,
  };
  const cause = `The wait for each other: one writer alone sees p99 ${tenths(alone)} ms, and ${WRITERS} at once share one functions process of one thread, in which as many requests that decide nothing take p99 ${tenths(floor)} ms; load ${loadavg()[0]?.toFixed(1)} on ${cpus().length} cores.`;
  return value > TARGET_MS ? { ...figure, cause } : figure;
}

/** A rollout a service, at its first weight: what pausing and resuming are about. */
async function startRollouts(shipped: Shipped): Promise<void> {
  expectStatus(200, await shipped.call('POST', '/apply', { files: specOf() }));
  const endpoints = services.flatMap((service, index) =>
    (['v1', 'v2'] as const).map((version, other) => ({ service, version, address: LOOPBACK, port: 1_000 + 2 * index + other })),
  );
  await shipped.register(MESH, 'edge', endpoints);
  for (const service of services) {
    expectStatus(202, await shipped.call('POST', `/meshes/${MESH}/services/${service}/rollout`, { version: 'v2' }));
    const phase = async () => phaseOf(await shipped.call('GET', `/meshes/${MESH}/services/${service}`));
    await until(async () => (await phase()) === 'shifting', `${service} has begun its rollout`);
  }
}

const statusSchema = z.object({ rollout: z.object({ phase: z.string() }).nullable() });
const phaseOf = ({ body }: Answered): string | undefined => statusSchema.parse(body).rollout?.phase;

async function withState<Result>({ directory }: Shipped, use: (documents: SqliteDocuments) => Promise<Result>): Promise<Result> {
  const documents = new SqliteDocuments(directory.stateFile);
  try {
    return await use(documents);
  } finally {
    documents.close();
  }
}

function specOf(): readonly { readonly path: string; readonly text: string }[] {
  const head = 'apiVersion: meshwright.dev/v1\n';
  const mesh = { path: 'mesh.yaml', text: `${head}kind: Mesh\nname: ${MESH}\ndataPlanes: [{ name: edge, kind: envoy }]\n` };
  const rollout = 'rollout: { strategy: canary, steps: [{ weight: 10, hold: 1h, deadline: 2h }] }';
  return [
    mesh,
    ...services.map((name) => ({
      path: `${name}.yaml`,
      text: `${head}kind: Service\nname: ${name}\nport: 8080\nstable: v1\n${rollout}\n`,
    })),
  ];
}
