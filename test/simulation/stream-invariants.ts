/**
 * What must hold of the streams after every write: one commit a delivery, versions and hashes that follow each other,
 * heads that are what their events say, and what a single decision about a rollout may and may not do.
 */
import type { Operation, StoredDocument } from '../../src/journal/documents.ts';
import { commitBodySchema, headBodySchema } from '../../src/journal/stream.ts';
import type { ServiceEvent } from '../../src/rollouts/events.ts';
import { serviceStream } from '../../src/rollouts/service-stream.ts';
import type { ServiceState } from '../../src/rollouts/state.ts';
import { meshStream } from '../../src/spec/adoption.ts';
import type { Process } from './process.ts';
import { type Decided, judge, type Known } from './rollout-invariants.ts';
import type { World } from './world.ts';

interface StreamMemory {
  version: number;
  hash: string;
  state: ServiceState;
  pending: readonly string[];
  readonly deliveries: Set<string>;
  readonly states: ServiceState[];
  /** By rollout: the candidate's highest weight, and whether it was taken back. */
  readonly rollouts: Map<number, { weight: number; takenBack: boolean }>;
  readonly rejected: Set<string>;
}

export class StreamInvariants {
  /** Every card a commit has called for, by notice id. */
  readonly cards = new Set<string>();
  /** Since when (epoch ms) the spec of the mesh names a service without a break. */
  readonly adoptedSince = new Map<string, number>();
  onStepBegun: (service: string) => void = () => {};
  onReturn: (service: string) => void = () => {};
  readonly counts = { commits: 0, steps: 0, started: 0, succeeded: 0, returned: 0, mostSteps: 0 };
  readonly #world: World;
  readonly #known: Known;
  readonly #streams = new Map<string, StreamMemory>();

  constructor(world: World, known: Known) {
    this.#world = world;
    this.#known = known;
  }

  stateAt(service: string, version: number): ServiceState | undefined {
    return this.#streams.get(`service/shop/${service}`)?.states[version];
  }

  /** Streams of services, and what they are now. */
  get services(): readonly (readonly [string, ServiceState])[] {
    return [...this.#streams]
      .filter(([stream]) => stream.startsWith('service/'))
      .map(([stream, { state }]) => [stream.slice('service/shop/'.length), state]);
  }

  get pending(): readonly string[] {
    return [...this.#streams].flatMap(([stream, { pending }]) => pending.map((key) => `${stream} ${key}`));
  }

  get names(): readonly string[] {
    return [...this.#streams.keys()];
  }

  hasCommit(stream: string, deliveryId: string): boolean {
    return this.#streams.get(stream)?.deliveries.has(deliveryId) ?? false;
  }

  written(stream: string, operations: readonly Operation[], writer: Process): void {
    const documents = operations.flatMap((operation) => (operation.op === 'delete' ? [] : [operation.document]));
    const head = documents.find(({ kind }) => kind === 'head');
    const commits = documents.filter(({ kind }) => kind === 'commit');
    if (!head) {
      if (commits.length > 0) this.#world.violate('a commit moves its head', stream);
      return;
    }
    const [commit, ...more] = commits;
    if (more.length > 0) this.#world.violate('one commit at a time', stream);
    const memory = this.#memoryOf(stream);
    if (commit) this.#committed(stream, memory, head, commit, writer);
    else this.#headOnly(stream, memory, head);
    const pending = head.body.pending;
    memory.pending = typeof pending === 'object' && pending !== null ? Object.keys(pending) : [];
  }

  #memoryOf(stream: string): StreamMemory {
    const known = this.#streams.get(stream);
    if (known) return known;
    const memory: StreamMemory = {
      version: 0,
      hash: '0'.repeat(64),
      state: serviceStream.initial,
      pending: [],
      deliveries: new Set(),
      states: [],
      rollouts: new Map(),
      rejected: new Set(),
    };
    this.#streams.set(stream, memory);
    return memory;
  }

  /** Effects are claimed and settled without a word about anything else. */
  #headOnly(stream: string, memory: StreamMemory, head: StoredDocument): void {
    if (head.body.version !== memory.version || head.body.hash !== memory.hash) {
      this.#world.violate('a head changes by commits only', `${stream} ${memory.version}`);
    }
  }

  #committed(stream: string, memory: StreamMemory, headDocument: StoredDocument, commitDocument: StoredDocument, writer: Process): void {
    const { world, counts } = { world: this.#world, counts: this.counts };
    const commit = commitBodySchema.parse(commitDocument.body);
    const head = headBodySchema.parse(headDocument.body);
    const where = `${stream} ${commit.version}`;
    counts.commits += 1;
    world.tell(() => `  commit ${where} by ${commit.actor}: ${commit.events.map(({ type }) => type).join(' ')} (${commit.deliveryId})`);
    if (commit.version !== memory.version + 1 || head.version !== commit.version) {
      world.violate('versions follow each other', `${where} after ${memory.version}`);
    }
    if (commit.prevHash !== memory.hash || head.hash !== commit.hash) world.violate('each commit holds the hash of the one before', where);
    if (memory.deliveries.has(commit.deliveryId)) world.violate('no delivery is committed twice', `${where} ${commit.deliveryId}`);
    memory.deliveries.add(commit.deliveryId);
    for (const effect of Object.values(head.pending)) {
      if (effect.kind !== 'card' || effect.revision !== commit.version) continue;
      const [, mesh, service = ''] = stream.split('/');
      this.cards.add(`${mesh}/${service}/${effect.target}`);
    }
    memory.version = commit.version;
    memory.hash = commit.hash;
    if (!stream.startsWith('service/')) {
      this.#adopted(meshStream.parseState(head.state).services);
      return;
    }

    const events = commit.events.map((event) => serviceStream.parseEvent(event));
    const before = memory.state;
    const after = serviceStream.parseState(head.state);
    memory.state = after;
    memory.states[commit.version] = after;
    this.#count(events);
    const service = stream.slice('service/shop/'.length);
    if (events.some(({ type }) => type === 'StepBegun')) this.onStepBegun(service);
    if (events.some(({ type }) => type === 'TrafficReturned')) this.onReturn(service);
    const decided: Decided = {
      service,
      where,
      events,
      before,
      after,
      at: commit.at,
      actor: commit.actor,
      deliveryId: commit.deliveryId,
      evidence: commit.evidence,
      writer,
    };
    judge(world, this.#known, decided, memory);
  }

  #adopted(services: Readonly<Record<string, string>>): void {
    for (const service of this.adoptedSince.keys()) if (!(service in services)) this.adoptedSince.delete(service);
    for (const service in services) if (!this.adoptedSince.has(service)) this.adoptedSince.set(service, this.#world.now);
  }

  #count(events: readonly ServiceEvent[]): void {
    const { counts } = this;
    for (const event of events) {
      if (event.type === 'StepBegun') {
        counts.steps += 1;
        counts.mostSteps = Math.max(counts.mostSteps, event.step + 1);
      } else if (event.type === 'RolloutStarted') counts.started += 1;
      else if (event.type === 'RolloutSucceeded') counts.succeeded += 1;
      else if (event.type === 'TrafficReturned') counts.returned += 1;
    }
  }
}
