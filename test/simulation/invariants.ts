/**
 * What must hold after every single write, whoever wrote it: looked at as it is stored, with a memory of its own of what
 * was there before. Streams and decisions are `stream-invariants.ts`; here are the model, what is known of readiness,
 * the nodes as an outside observer sees them, and the cards.
 */
import { z } from 'zod';
import type { Json, JsonObject, Operation, StoredDocument } from '../../src/journal/documents.ts';
import { planService } from '../../src/plan/plan-service.ts';
import type { Fragment } from '../../src/reconcile/model.ts';
import type { ServiceState } from '../../src/rollouts/state.ts';
import type { Node } from './node.ts';
import { type Process, STALE_MS } from './process.ts';
import type { SentAlert } from './rollout-invariants.ts';
import { StreamInvariants } from './stream-invariants.ts';
import type { World } from './world.ts';

const readinessSchema = z.object({ service: z.string(), versions: z.record(z.string(), z.enum(['ready', 'none'])) });
const fragmentSchema = z.object({ service: z.string(), revision: z.number() });

interface Deaths {
  /** When each version began to be known as dead, without a gap since. */
  readonly since: Map<string, number>;
  /** When each was last known to be dead. */
  readonly until: Map<string, number>;
}

interface Sending {
  readonly at: number;
  readonly process: Process;
}

export class Invariants {
  readonly streams: StreamInvariants;
  /** By alert id, as they were sent. */
  readonly alerts = new Map<string, SentAlert>();
  /** Deliveries in which a person insists on a version that was taken back. */
  readonly insisted = new Set<string>();
  readonly #world: World;
  /** By `<data plane>`; set by the history once there are data planes. */
  nodes: ReadonlyMap<string, readonly Node[]> = new Map();
  onModelMoved: () => void = () => {};
  /** The newest sequence of the model. */
  pointer = 0;
  readonly #fragments = new Map<string, { revision: number; sequence: number }>();
  /** Of each service: at which sequence the model first held this revision or a newer one. */
  readonly #sequences = new Map<string, { revision: number; sequence: number }[]>();
  readonly #deaths = new Map<string, Deaths>();
  readonly #aliveUntil = new Map<string, number>();
  readonly #sendings = new Map<string, Sending[]>();

  constructor(world: World) {
    this.#world = world;
    this.streams = new StreamInvariants(world, {
      alerts: this.alerts,
      insisted: this.insisted,
      knownDeadFor: (service, version, dataPlanes) => this.#knownDeadFor(service, version, dataPlanes),
      lastKnownDead: (service, version, dataPlanes) => this.#lastKnownDead(service, version, dataPlanes),
      notServing: (service, revision, dataPlanes) => this.#notServing(service, revision, dataPlanes),
    });
  }

  written(partition: string, operations: readonly Operation[], writer: Process): void {
    const kind = partition.slice(0, partition.indexOf('/'));
    if (kind === 'service' || kind === 'mesh') this.streams.written(partition, operations, writer);
    else if (kind === 'model') this.#modelWritten(operations);
    else if (kind === 'observations') for (const operation of operations) this.#observed(partition, operation);
  }

  cardSent(id: string, process: Process): void {
    const sendings = this.#sendings.get(id) ?? [];
    const before = sendings.at(-1);
    this.#sendings.set(id, [...sendings, { at: this.#world.now, process }]);
    if (!this.streams.cards.has(id)) this.#world.violate('a card is called for by a commit', id);
    // Only where a sender died, was slow or lost an answer around it can nobody know that it was sent.
    if (before && Math.max(before.process.disturbedAt, process.disturbedAt) < before.at - STALE_MS) {
      this.#world.violate('a card is sent once where nothing went wrong', `${id} was sent again`);
    }
  }

  cardsUnsent(): readonly string[] {
    return [...this.streams.cards].filter((id) => !this.#sendings.has(id));
  }

  /** An outside observer at a node: what it serves of a service never goes back to an older decision. */
  nodeTook(node: string, before: Fragment | undefined, taken: Fragment): void {
    if (before && (taken.revision < before.revision || taken.sequence < before.sequence)) {
      this.#world.violate('a node never goes back', `${node}: ${taken.service} from revision ${before.revision} to ${taken.revision}`);
    }
  }

  #modelWritten(operations: readonly Operation[]): void {
    const documents = operations.flatMap((operation) => (operation.op === 'delete' ? [] : [operation.document]));
    const before = this.pointer;
    this.pointer = documents.find(({ kind }) => kind === 'pointer')?.ordinal ?? before;
    const fragments = documents.filter(({ kind }) => kind === 'fragment');
    if (this.pointer <= before || this.pointer !== Math.max(...fragments.map(({ ordinal }) => ordinal))) {
      this.#world.violate('the pointer rises with the fragments', `${before} to ${this.pointer}`);
    }
    for (const fragment of fragments) {
      if (fragment.ordinal <= before) this.#world.violate('sequences only rise', `${fragment.id} ${fragment.ordinal}, pointer ${before}`);
      this.#fragmentWritten(fragment);
    }
    this.onModelMoved();
  }

  #fragmentWritten(document: StoredDocument): void {
    const { service, revision } = fragmentSchema.parse(document.body);
    const { plan } = document.body;
    const sequence = document.ordinal;
    const before = this.#fragments.get(service);
    this.#fragments.set(service, { revision, sequence });
    this.#world.tell(() => `  model ${sequence}: ${service} as of ${revision} ${splitsOf(plan)}`);
    if (before && revision < before.revision) {
      this.#world.violate('a lower revision never overwrites a higher one', `${service} from ${before.revision} to ${revision}`);
    }
    const state = this.streams.stateAt(service, revision);
    if (!state) this.#world.violate('a fragment is made from a head', `${service} has no version ${revision}`);
    else if (JSON.stringify(plan) !== JSON.stringify(planOf(state))) {
      this.#world.violate('a fragment says what its head says', `${service} ${revision}: ${JSON.stringify(plan)}`);
    }
    const sequences = this.#sequences.get(service) ?? [];
    this.#sequences.set(service, [...sequences, { revision, sequence }]);
  }

  #observed(partition: string, operation: Operation): void {
    if (operation.op === 'delete') return;
    const { kind, body, ordinal } = operation.document;
    const dataPlane = partition.split('/')[2] ?? '';
    if (kind === 'watcher' && typeof body.aliveUntil === 'number') {
      // Between two leases nothing was known.
      if ((this.#aliveUntil.get(dataPlane) ?? 0) < ordinal) this.#forget(dataPlane);
      this.#aliveUntil.set(dataPlane, body.aliveUntil);
    }
    if (kind === 'readiness') this.#readinessSeen(dataPlane, body);
  }

  #forget(dataPlane: string): void {
    for (const [key, { since }] of this.#deaths) if (key.startsWith(`${dataPlane}/`)) since.clear();
  }

  #readinessSeen(dataPlane: string, body: JsonObject): void {
    const { service, versions } = readinessSchema.parse(body);
    const { now } = this.#world;
    const key = `${dataPlane}/${service}`;
    const deaths = this.#deaths.get(key) ?? { since: new Map(), until: new Map() };
    this.#deaths.set(key, deaths);
    for (const version of deaths.since.keys()) {
      if (versions[version] !== 'none') deaths.since.delete(version);
      deaths.until.set(version, now);
    }
    for (const [version, readiness] of Object.entries(versions)) {
      if (readiness !== 'none') continue;
      if (!deaths.since.has(version)) deaths.since.set(version, now);
      deaths.until.set(version, now);
    }
  }

  /** For how long (ms) every data plane has said that no endpoint of it is ready; undefined: not known to be dead. */
  #knownDeadFor(service: string, version: string, dataPlanes: readonly string[]): number | undefined {
    const { now } = this.#world;
    const since = dataPlanes.map((name) => {
      const alive = (this.#aliveUntil.get(name) ?? 0) > now;
      return (alive ? this.#deaths.get(`${name}/${service}`)?.since.get(version) : undefined) ?? now + 1;
    });
    const latest = Math.max(...since);
    return latest > now ? undefined : now - latest;
  }

  #lastKnownDead(service: string, version: string, dataPlanes: readonly string[]): number {
    const { now } = this.#world;
    const times = dataPlanes.map((name) => {
      const deaths = this.#deaths.get(`${name}/${service}`);
      return deaths?.since.has(version) ? now : (deaths?.until.get(version) ?? Number.NEGATIVE_INFINITY);
    });
    return Math.min(...times);
  }

  /** Nodes that had to be counted all the while and do not serve this revision or a newer one of the service. */
  #notServing(service: string, revision: number, dataPlanes: readonly string[]): readonly string[] {
    const needed = this.#sequences.get(service)?.find((made) => made.revision >= revision)?.sequence ?? Number.MAX_SAFE_INTEGER;
    return dataPlanes.flatMap((name) =>
      (this.nodes.get(name) ?? []).filter((node) => node.countedFor(STALE_MS) && !node.serves(service, needed)).map((node) => node.name),
    );
  }
}

/** What a state means for the data planes. */
export const planOf = (state: ServiceState) =>
  state.spec && !state.retired && state.split.length > 0 ? planService('shop', state.spec, { split: state.split }) : null;

const splitsOf = (plan: Json | undefined): string =>
  JSON.stringify(plan)
    ?.match(/"split":\[[^\]]*\]/g)
    ?.at(-1) ?? 'nothing';
