/**
 * The running app: two instances at once over one store, made by `createApp` like everywhere else. An instance that dies
 * takes its memory with it; another takes its place after a while. Also its surroundings: alarms (a queue that is late and
 * forgets), the sweep's timer, and the channel that people are told by.
 */
import { type App, createApp } from '../../src/app.ts';
import { envoyDataPlane } from '../../src/dataplanes/envoy/observe.ts';
import { ContentionError } from '../../src/journal/races.ts';
import type { Notice, Sent } from '../../src/notifications/channel.ts';
import { CLOCK_APART_MS } from './faults.ts';
import type { Invariants } from './invariants.ts';
import { Process, SimulatedFault } from './process.ts';
import type { World } from './world.ts';

const INSTANCES = 2;
const SWEEP_EVERY_MS = 60_000;
const ALARM_LATE_MS = 120_000;

export interface Instance {
  readonly process: Process;
  readonly app: App;
}

export class Instances {
  readonly #world: World;
  readonly #invariants: Invariants;
  readonly #poke: (dataPlane: string) => void;
  #living: Instance[] = [];
  #started = 0;

  constructor(world: World, invariants: Invariants, poke: (dataPlane: string) => void) {
    this.#world = world;
    this.#invariants = invariants;
    this.#poke = poke;
    for (let index = 0; index < INSTANCES; index += 1) this.#start();
    world.after(SWEEP_EVERY_MS, () => this.#sweep());
  }

  get busy(): boolean {
    return this.#living.some(({ process }) => process.busy);
  }

  /** Some instance, or none while all are dead. */
  any(): Instance | undefined {
    return this.#living.length > 0 ? this.#world.random.pick(this.#living) : undefined;
  }

  /**
   * Runs `ask` on some instance; `failed` when it throws, when the instance dies over it, or when there is none. An error that
   * is not a simulated one is a bug.
   */
  ask<Result>(what: string, ask: (app: App) => Promise<Result>, done: (result: Result) => void, failed: () => void): void {
    const instance = this.any();
    if (!instance) {
      failed();
      return;
    }
    const { process, app } = instance;
    this.#world.tell(() => `${process.name} is asked: ${what}`);
    process.invoke(
      () => ask(app),
      done,
      (error) => {
        this.#examine(what, error);
        failed();
      },
      failed,
    );
  }

  #start(): void {
    this.#started += 1;
    const name = `app-${this.#started}`;
    const process = new Process(this.#world, {
      name,
      slow: true,
      onWritten: (partition, operations, writer) => this.#invariants.written(partition, operations, writer),
      onCrash: () => {
        this.#living = this.#living.filter((each) => each.process !== process);
        this.#world.after(this.#world.random.between(100, 20_000), () => this.#start());
      },
    });
    const { random, faults } = this.#world;
    const apart = faults.strikes('clock apart', 0.4) ? random.between(-CLOCK_APART_MS, CLOCK_APART_MS) : 0;
    const now = () => this.#world.now + apart;
    const documents = process.documents();
    const app = createApp({
      documents,
      now,
      setAlarm: (stream, at) => process.call('setAlarm', stream, async () => this.#queueAlarm(stream, at - now())),
      connect: (_mesh, dataPlane) => envoyDataPlane(documents, dataPlane.name, () => this.#poke(dataPlane.name)),
      channel: () => ({ send: (notice) => process.call('send', notice.id, async () => this.#send(process, notice)) }),
      report: (problem, error) => this.#examine(problem, error),
    });
    this.#world.tell(() => `${name} starts`);
    this.#living = [...this.#living, { process, app }];
  }

  #examine(problem: string, error: unknown): void {
    this.#world.tell(() => `reported: ${problem} ${String(error)}`);
    if (error instanceof SimulatedFault) return;
    // Contention is an answer to interleaving, but not where nothing goes wrong any more.
    if (error instanceof ContentionError && this.#world.faults.on) return;
    const stack = error instanceof Error ? error.stack : String(error);
    this.#world.violate('only simulated faults are reported', `${problem} ${stack}`);
  }

  /** A queue counts from when it is given a message. */
  #queueAlarm(stream: string, inMs: number): void {
    const { random, faults } = this.#world;
    if (faults.strikes('alarm lost', 0.1)) return;
    const copies = faults.strikes('alarm twice', 0.05) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      const late = faults.strikes('alarm late', 0.3) ? random.between(1000, ALARM_LATE_MS) : random.between(0, 300);
      this.#world.after(Math.max(0, inMs) + late, () => this.#deliverAlarm(stream, 0));
    }
  }

  /** As a queue does: again while it fails, then set aside. */
  #deliverAlarm(stream: string, tries: number): void {
    const again = () => {
      if (tries < 4) this.#world.after(5_000, () => this.#deliverAlarm(stream, tries + 1));
    };
    this.ask(
      `wake ${stream}`,
      (app) => app.wake(stream),
      () => {},
      again,
    );
  }

  #sweep(): void {
    this.#world.after(SWEEP_EVERY_MS, () => this.#sweep());
    if (this.#world.faults.strikes('sweep missed', 0.3)) return;
    this.ask(
      'sweep',
      (app) => app.sweep(),
      () => {},
      () => {},
    );
  }

  #send(process: Process, notice: Notice): Sent {
    if (this.#world.faults.strikes('channel throttled', 0.1)) return { kind: 'later', afterMs: 2_000, error: '429' };
    this.#invariants.cardSent(notice.id, process);
    return { kind: 'sent' };
  }
}
