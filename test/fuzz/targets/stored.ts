/**
 * What the store gives back: every document that a small mesh writes in an eventful hour, each of them damaged in turn, read by everything
 * that reads it. A stored document that is not ours is an infrastructure fault: it throws zod's error, or one with a sentence.
 */
import fc from 'fast-check';
import { z } from 'zod';
import { MemoryDocuments } from '../../../src/adapters/memory-documents.ts';
import { MemoryVault } from '../../../src/adapters/memory-vault.ts';
import { createApp } from '../../../src/app.ts';
import { envoyDataPlane } from '../../../src/dataplanes/envoy/observe.ts';
import { envoyTrust } from '../../../src/dataplanes/envoy/trust.ts';
import type { BatchOutcome, Documents, Json, JsonObject, Operation, StoredDocument } from '../../../src/journal/documents.ts';
import type { StreamKind } from '../../../src/journal/stream.ts';
import { servicePlanSchema } from '../../../src/plan/stored-plan.ts';
import { putNode, putReadiness, putWatcher } from '../../../src/reconcile/observations.ts';
import { serviceStream } from '../../../src/rollouts/service-stream.ts';
import { meshStream } from '../../../src/spec/adoption.ts';
import { trustStream } from '../../../src/trust/trust-stream.ts';
import { jsonInputs } from '../inputs.ts';
import { alerts, plans, specs } from '../samples.ts';
import { type Target, target, targetLater } from '../target.ts';

const T0 = Date.parse('2026-11-22T14:00:00Z');
const MINUTE = 60_000;

class Recorded extends MemoryDocuments {
  readonly written = new Map<string, StoredDocument>();

  override async batch(partition: string, operations: readonly Operation[]): Promise<BatchOutcome> {
    const outcome = await super.batch(partition, operations);
    for (const operation of operations) {
      if (outcome.outcome === 'written' && operation.op !== 'delete') {
        this.written.set(`${operation.document.partition}/${operation.document.id}`, operation.document);
      }
    }
    return outcome;
  }
}

const vault = new MemoryVault();

function appOver(documents: Documents, now: () => number) {
  return createApp({
    documents,
    now,
    setAlarm: async () => {},
    connect: (_mesh, { name, kind }) => (kind === 'envoy' ? envoyDataPlane(documents, name, () => {}) : undefined),
    trust: {
      refusal: () => undefined,
      vault: async () => vault,
      connect: (_mesh, { name }) => envoyTrust(documents, name, () => {}),
      tokens: { attest: () => Promise.reject(new Error('no token was expected')) },
      random: (bytes) => new Uint8Array(bytes),
    },
    channel: () => ({ send: async () => ({ kind: 'sent' }) }),
    report: () => {},
  });
}

/** A canary on its way, one that was taken back, an alert that fits nothing, an event that is none. */
async function eventfulHour(): Promise<readonly StoredDocument[]> {
  const documents = new Recorded();
  let now = T0;
  const app = appOver(documents, () => now);
  const applied = await app.apply(specs[1] ?? [], { actor: 'kim' });
  if (!applied.ok) throw new Error(JSON.stringify(applied.problems));
  const [adopted] = await app.meshes();
  if (!adopted) throw new Error('Nothing was adopted.');
  const { mesh, services, spec } = adopted;
  const report = async () => {
    for (const { name: dataPlane } of spec.dataPlanes) {
      const place = { mesh, dataPlane };
      await putWatcher(documents, place, { via: 'x1', aliveUntil: now + 30_000 }, now);
      await putNode(documents, place, { node: 'edge-1', via: 'x1', served: 1_000 }, now);
      for (const { name } of services)
        await putReadiness(documents, place, { service: name, via: 'x1', versions: { v1: 'ready', v2: 'ready', v3: 'ready' } }, now);
    }
    await app.observed(
      mesh,
      services.map(({ name }) => name),
    );
  };
  const request = (id: string, version: string) => ({
    specversion: '1.0',
    id,
    source: '/ci',
    type: 'Meshwright.Deployment.Requested',
    time: new Date(now).toISOString(),
    data: { mesh, service: services[0]?.name, version },
  });
  for (const version of ['v1', 'v2', 'v3']) {
    now += MINUTE;
    await report();
    await app.receiveEvent(request(version, version));
    now += MINUTE;
    await report();
    await app.sweep();
    if (version === 'v2') await app.byHand(mesh, services[0]?.name ?? '', { id: 'abort', actor: 'kim' }, { type: 'Abort' });
  }
  await app.receiveAlert(alerts[0]);
  await app.receiveEvent({ no: 'event' });
  await app.sweep();
  return [...documents.written.values()];
}

/** Everything that people, proxies and timers make it read. */
async function readAll(stored: readonly StoredDocument[], now: number): Promise<void> {
  const documents = new MemoryDocuments();
  for (const document of stored) await documents.batch(document.partition, [{ op: 'upsert', document }]);
  const app = appOver(documents, () => now);
  const reads = [
    () => app.status(),
    () => app.overview(),
    () => app.parked(),
    () => app.sweep(),
    () => app.drift(),
    () => app.rotating.all(),
    ...stored
      .filter(({ kind }) => kind === 'mesh')
      .map(
        ({ id }) =>
          () =>
            app.history(id, undefined, 0, 10),
      ),
    ...stored
      .filter(({ kind }) => kind === 'parked')
      .map(
        ({ id }) =>
          () =>
            app.parkedOne(id),
      ),
  ];
  for (const read of reads) await read().catch(sayable);
}

/** A mistake of the program is none of the errors that say what is wrong. */
function sayable(error: unknown): void {
  if (error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError || !(error instanceof Error)) throw error;
}

const isObject = (value: Json): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);

function streamTarget<State, Event>(
  name: string,
  kind: StreamKind<State, Event>,
  events: readonly Json[],
  states: readonly Json[],
): Target {
  return target<{ readonly state: Json; readonly event: Json }>(
    { name, share: 2_500, inputs: fc.record({ state: jsonInputs(states), event: jsonInputs(events) }), throws: [z.ZodError] },
    ({ state, event }) => {
      const read = kind.parseState(state);
      kind.wakeAt(read);
      const next = kind.evolve(read, kind.parseEvent(event), { at: T0, version: 3 });
      kind.wakeAt(next);
    },
  );
}

export async function storedTargets(): Promise<readonly Target[]> {
  const hour = await eventfulHour();
  const heads = (prefix: string): readonly Json[] =>
    hour.filter(({ kind, partition }) => kind === 'head' && partition.startsWith(prefix)).map(({ body }) => body.state ?? null);
  const events = (prefix: string): readonly Json[] =>
    hour
      .filter(({ kind, partition }) => kind === 'commit' && partition.startsWith(prefix))
      .flatMap(({ body }) => (Array.isArray(body.events) ? body.events : []));
  const documents = targetLater<readonly StoredDocument[]>(
    {
      name: 'stored-documents',
      share: 400,
      inputs: fc
        .nat(hour.length - 1)
        .chain((at) =>
          jsonInputs([hour[at]?.body ?? {}]).map((body) =>
            hour.map((each, index) => (index === at && isObject(body) ? { ...each, body } : each)),
          ),
        ),
    },
    (stored) => readAll(stored, T0 + 8 * MINUTE),
  );
  const plan = target<Json>(
    { name: 'stored-plan', share: 3_000, inputs: jsonInputs(plans), throws: [z.ZodError] },
    (input) => void servicePlanSchema.parse(input),
  );
  return [
    documents,
    plan,
    streamTarget('service-stream', serviceStream, events('service/'), heads('service/')),
    streamTarget('mesh-stream', meshStream, events('mesh/'), heads('mesh/')),
    streamTarget('trust-stream', trustStream, events('trust/'), heads('trust/')),
  ];
}
