/**
 * What a decision costs on Cosmos DB, in request units: computed, from what it reads and writes and what Microsoft states for
 * documents of that size, since the stand-in's own charges are its authors' guess. Sizes:
 * https://learn.microsoft.com/azure/cosmos-db/understand-request-unit-consumption (session consistency). That a replace or
 * a delete costs twice an insert is the rule of thumb of https://learn.microsoft.com/azure/cosmos-db/optimize-cost-reads-writes.
 */
import { MemoryDocuments } from '../src/adapters/memory-documents.ts';
import { type App, createApp } from '../src/app.ts';
import { envoyDataPlane } from '../src/dataplanes/envoy/observe.ts';
import type { Documents, Operation, StoredDocument } from '../src/journal/documents.ts';
import { readPointer } from '../src/reconcile/model.ts';
import { putNode, putReadiness, putWatcher } from '../src/reconcile/observations.ts';
import { type Benchmark, tenths } from './figure.ts';

const NAME = 'ru_per_decision';
const TARGET_RU = 40;
const DECISIONS = 50;
const MESH = 'bench';
const SERVICE = 'catalog';

/** KB, request units of a point read, of an insert. */
const STATED = [
  [1, 1, 4.95],
  [2, 1.04, 6.29],
  [4, 1.14, 6.67],
  [8, 1.33, 7.04],
  [16, 1.67, 9.52],
  [32, 2.19, 11.23],
  [64, 4.76, 22.67],
  [128, 9.95, 48.19],
  [256, 20.28, 98.29],
  [512, 40.95, 184.57],
  [1024, 145.9, 625],
  [2048, 291.8, 1250],
] as const;
/** A query that finds little: what its page names as its least, read with what it finds. */
const QUERY = 2.3;

const kilobytes = (document: StoredDocument): number => Buffer.byteLength(JSON.stringify(document)) / 1024;
const statedFor = (size: number) => STATED.find(([kb]) => size <= kb) ?? STATED[STATED.length - 1];
const reading = (document: StoredDocument | undefined): number => (document ? (statedFor(kilobytes(document))?.[1] ?? 0) : 1);
const inserting = (document: StoredDocument): number => statedFor(kilobytes(document))?.[2] ?? 0;

/** A store that knows what was asked of it. */
export class Charged implements Documents {
  units = 0;
  readonly kinds = new Map<string, { readonly times: number; readonly units: number }>();
  readonly #store = new MemoryDocuments();

  #count(kind: string, units: number): void {
    this.units += units;
    const { times = 0, units: before = 0 } = this.kinds.get(kind) ?? {};
    this.kinds.set(kind, { times: times + 1, units: before + units });
  }

  forget(): void {
    this.units = 0;
    this.kinds.clear();
  }

  async read(partition: string, id: string) {
    const found = await this.#store.read(partition, id);
    this.#count('point reads', reading(found?.document));
    return found;
  }

  async batch(partition: string, operations: readonly Operation[]) {
    for (const operation of operations) {
      const id = operation.op === 'delete' ? operation.id : operation.document.id;
      const before = (await this.#store.read(partition, id))?.document;
      const written = operation.op === 'delete' ? before : operation.document;
      this.#count(operation.op, written ? inserting(written) * (before ? 2 : 1) : 1);
    }
    return this.#store.batch(partition, operations);
  }

  async list(query: Parameters<Documents['list']>[0]) {
    const found = await this.#store.list(query);
    this.#count(
      'queries',
      found.reduce((sum, { document }) => sum + reading(document), QUERY),
    );
    return found;
  }

  async due(now: number, limit: number) {
    const found = await this.#store.due(now, limit);
    this.#count('queries', QUERY);
    return found;
  }

  removeExpired(now: number, limit: number) {
    return this.#store.removeExpired(now, limit);
  }
}

export const requestUnits: Benchmark = {
  names: [NAME],
  async measure(progress) {
    const documents = new Charged();
    const app = createApp({
      documents,
      now: Date.now,
      setAlarm: async () => {},
      connect: (_mesh, { name }) => envoyDataPlane(documents, name, () => {}),
      channel: () => undefined,
      report: progress,
    });
    await startRollout(app, documents);
    let pausing = 0;
    let resuming = 0;
    const kinds = new Map<string, { times: number; units: number }>();
    for (let turn = 0; turn < DECISIONS; turn += 1) {
      pausing += await spentOn(app, documents, 'Pause', turn);
      resuming += await spentOn(app, documents, 'Resume', turn);
      for (const [kind, { times, units }] of documents.kinds) {
        const before = kinds.get(kind);
        kinds.set(kind, { times: (before?.times ?? 0) + times, units: (before?.units ?? 0) + units });
      }
    }
    const value = tenths(resuming / DECISIONS);
    const each = [...kinds]
      .map(([kind, { times, units }]) => `${tenths(times / DECISIONS)} ${kind} ${tenths(units / DECISIONS)} RU`)
      .join(', ');
    const note = `Computed from the sizes of the documents and the charges Microsoft states for them, not measured on an account. A rollout is resumed, which writes the read model; pausing one takes ${tenths(pausing / DECISIONS)} RU.`;
    const cause = `What it reads and writes: ${each}. A replace is counted as two inserts: the head is replaced by the commit and again when its effects are done, the model's pointer once.`;
    return [{ name: NAME, value, unit: 'RU', target: TARGET_RU, note, ...(value > TARGET_RU ? { cause } : {}) }];
  },
};

async function spentOn(app: App, documents: Charged, type: 'Pause' | 'Resume', turn: number): Promise<number> {
  documents.forget();
  const answer = await app.byHand(MESH, SERVICE, { id: `${type}/${turn}`, actor: 'bench' }, { type });
  if (answer?.outcome !== 'accepted') throw new Error(`${type} was not accepted: ${answer?.message ?? 'no such service'}`);
  return documents.units;
}

async function startRollout(app: App, documents: Documents): Promise<void> {
  const head = 'apiVersion: meshwright.dev/v1\n';
  const rollout = 'rollout: { strategy: canary, steps: [{ weight: 10, hold: 1h, deadline: 2h }] }';
  const applied = await app.apply(
    [
      { path: 'mesh.yaml', text: `${head}kind: Mesh\nname: ${MESH}\ndataPlanes: [{ name: edge, kind: envoy }]\n` },
      { path: 'catalog.yaml', text: `${head}kind: Service\nname: ${SERVICE}\nport: 8080\nstable: v1\n${rollout}\n` },
    ],
    { actor: 'bench' },
  );
  if (!applied.ok) throw new Error(applied.problems.map(({ message }) => message).join(' '));
  const place = { mesh: MESH, dataPlane: 'edge' };
  const data = { service: SERVICE, version: 'v2' };
  const event = {
    specversion: '1.0',
    id: 'b1',
    source: '/bench',
    type: 'Meshwright.Deployment.Requested',
    time: new Date().toISOString(),
    data,
  };
  await seen();
  await app.receiveEvent(event);
  await seen();

  async function seen(): Promise<void> {
    const now = Date.now();
    await putWatcher(documents, place, { via: 'x1', aliveUntil: now + 3_600_000 }, now);
    await putNode(documents, place, { node: 'edge-1', via: 'x1', served: await readPointer(documents, MESH) }, now);
    await putReadiness(documents, place, { service: SERVICE, via: 'x1', versions: { v1: 'ready', v2: 'ready' } }, now);
    await app.observed(MESH, [SERVICE]);
  }
}
