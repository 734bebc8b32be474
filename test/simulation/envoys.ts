/**
 * Simulated data planes of plain Envoys: per data plane one watcher (what the xds server is) that reads the model, brings
 * each connected node what changed, and writes what it sees of them; and nodes that take it or refuse it. Watchers
 * die and come back under a new name, nodes go away and return. What a node was seen to serve by an outside observer is
 * held against the invariants.
 */
import { type Fragment, fragmentsSince, readPointer } from '../../src/reconcile/model.ts';
import { putNode, putReadiness, putWatcher } from '../../src/reconcile/observations.ts';
import type { Instances } from './instances.ts';
import type { Invariants } from './invariants.ts';
import { Node } from './node.ts';
import { Process } from './process.ts';
import type { World } from './world.ts';

const HEARTBEAT_MS = 10_000;
const ALIVE_MS = 30_000;

export class DataPlane {
  readonly name: string;
  readonly nodes: readonly Node[];
  /** What runs there: by service, by version. */
  readonly ready = new Map<string, Map<string, 'ready' | 'none'>>();
  readonly #world: World;
  readonly #mesh: string;
  readonly #invariants: Invariants;
  readonly #instances: Instances;
  #watcher: Process | undefined;
  #watchers = 0;
  #fragments = new Map<string, Fragment>();
  #sequence = 0;
  /** Up to which sequence the app was told that all nodes have it. */
  #hinted = 0;
  #reading = false;
  #unreported = new Set<string>();
  #reporting = false;

  constructor(world: World, mesh: string, name: string, invariants: Invariants, instances: Instances) {
    this.#world = world;
    this.#mesh = mesh;
    this.name = name;
    this.#invariants = invariants;
    this.#instances = instances;
    const count = world.random.between(1, 3);
    this.nodes = Array.from({ length: count }, (_, index) => new Node(world, invariants, `${name}-node-${index + 1}`));
    this.#startWatcher();
  }

  get busy(): boolean {
    return this.#reading || this.#reporting;
  }

  /** Everything in the model has come to every connected node, and was written down. */
  /** `pointer`: the newest sequence of the model. */
  atRest(pointer: number): boolean {
    const read = this.#watcher !== undefined && this.#sequence === pointer && !this.busy && this.#unreported.size === 0;
    return read && this.nodes.every((node) => node.connected && node.served === pointer && !node.refused);
  }

  poke(): void {
    if (this.#world.faults.strikes('poke lost', 0.5)) return;
    this.#world.after(this.#world.random.between(1, 20), () => this.#read());
  }

  /** What the look at the pointer each second would find, without a step for each second. */
  modelMoved(): void {
    this.#world.after(this.#world.random.between(1, 1000), () => this.#read());
  }

  setReadiness(service: string, version: string, readiness: 'ready' | 'none'): void {
    const versions = this.ready.get(service) ?? new Map<string, 'ready' | 'none'>();
    this.ready.set(service, versions.set(version, readiness));
    this.#world.tell(() => `${this.name}: ${service} ${version} is ${readiness}`);
    this.#report(`readiness/${service}`);
  }

  killWatcher(): void {
    this.#watcher?.crash('by a fault');
  }

  takeAway(node: Node, forMs: number): void {
    node.away = true;
    if (node.connected) node.disconnect();
    this.#report(node.name);
    this.#world.after(forMs, () => {
      node.away = false;
      this.#connect(node);
    });
  }

  /** What a node has refused it is brought again, as after its own restart. */
  refuseNothing(): void {
    for (const node of this.nodes) {
      node.forgive();
      this.#push(node);
    }
  }

  #startWatcher(): void {
    if (this.#watcher) return;
    this.#watchers += 1;
    const process = new Process(this.#world, {
      name: `${this.name}-xds-${this.#watchers}`,
      slow: false,
      onWritten: (partition, operations, writer) => this.#invariants.written(partition, operations, writer),
      onCrash: () => {
        this.#watcher = undefined;
        for (const node of this.nodes) node.disconnect();
        this.#world.after(this.#world.random.between(2_000, 60_000), () => this.#startWatcher());
      },
    });
    this.#watcher = process;
    this.#fragments = new Map();
    this.#sequence = 0;
    this.#hinted = 0;
    this.#reading = false;
    this.#reporting = false;
    this.#unreported = new Set([...this.ready.keys()].map((service) => `readiness/${service}`));
    this.#world.tell(() => `${process.name} starts`);
    this.#beat(process);
    this.#read();
    for (const node of this.nodes) this.#world.after(this.#world.random.between(0, 8_000), () => this.#connect(node));
    this.#writeReports();
  }

  #connect(node: Node): void {
    if (this.#watcher === undefined || node.away || node.connected) return;
    node.connect();
    this.#push(node);
    this.#report(node.name);
  }

  #beat(process: Process): void {
    if (!process.alive) return;
    const { now } = this.#world;
    const place = { mesh: this.#mesh, dataPlane: this.name };
    process.invoke(
      () => putWatcher(process.documents(), place, { via: process.name, aliveUntil: now + ALIVE_MS }, now),
      () => {},
      () => {},
      () => {},
    );
    this.#world.after(HEARTBEAT_MS, () => this.#beat(process));
  }

  #read(): void {
    const process = this.#watcher;
    if (!process || this.#reading) return;
    this.#reading = true;
    const documents = process.documents();
    const end = () => {
      if (this.#watcher === process) this.#reading = false;
    };
    process.invoke(
      async () => {
        const pointer = await readPointer(documents, this.#mesh);
        return pointer > this.#sequence ? await fragmentsSince(documents, this.#mesh, this.#sequence) : [];
      },
      (fragments) => {
        end();
        for (const fragment of fragments) {
          this.#fragments.set(fragment.service, fragment);
          this.#sequence = Math.max(this.#sequence, fragment.sequence);
        }
        if (fragments.length > 0) for (const node of this.nodes) this.#push(node);
      },
      () => {
        end();
        this.#world.after(1000, () => this.#read());
      },
      end,
    );
  }

  #push(node: Node): void {
    if (!node.connected) return;
    const { random } = this.#world;
    const lag = random.chance(0.05) ? random.between(500, 8_000) : random.between(2, 200);
    this.#world.after(lag, () => {
      if (!node.connected || this.#watcher === undefined) return;
      const changed = node.take([...this.#fragments.values()], this.#sequence);
      if (changed.length === 0) return;
      this.#report(node.name);
    });
  }

  #report(what: string): void {
    this.#unreported.add(what);
    this.#writeReports();
  }

  /** One after the other, each as it is then; what could not be written is tried again. */
  #writeReports(): void {
    const process = this.#watcher;
    if (!process || this.#reporting) return;
    const [what] = this.#unreported;
    if (what === undefined) return;
    this.#unreported.delete(what);
    this.#reporting = true;
    process.invoke(
      () => this.#write(process, what),
      () => {
        this.#reporting = false;
        this.nodes.find(({ name }) => name === what)?.reported();
        this.#hint(what);
        this.#writeReports();
      },
      () => {
        this.#unreported.add(what);
        this.#world.after(1000, () => {
          if (this.#watcher !== process) return;
          this.#reporting = false;
          this.#writeReports();
        });
      },
      () => {},
    );
  }

  #write(process: Process, what: string): Promise<void> {
    const place = { mesh: this.#mesh, dataPlane: this.name };
    const { now } = this.#world;
    const via = process.name;
    const node = this.nodes.find(({ name }) => name === what);
    if (node) return putNode(process.documents(), place, node.observed(via), now);
    const service = what.slice('readiness/'.length);
    const versions = Object.fromEntries(this.ready.get(service) ?? []);
    return putReadiness(process.documents(), place, { service, via, versions }, now);
  }

  /** To the app: look again. When a node refused, when the set looks complete, and when readiness changed. */
  #hint(what: string): void {
    const node = this.nodes.find(({ name }) => name === what);
    const present = this.nodes.filter((each) => each.connected);
    if (node && !node.refused && present.some(({ served }) => served < this.#sequence)) return;
    if (this.#world.faults.strikes('hint lost', 0.5)) return;
    const news = [...this.#fragments.values()].filter(({ sequence }) => sequence > this.#hinted);
    const services = node ? news.map(({ service }) => service) : [what.slice('readiness/'.length)];
    if (node && !node.refused) this.#hinted = this.#sequence;
    if (services.length === 0) return;
    this.#world.after(this.#world.random.between(1, 30), () => {
      this.#instances.ask(
        `observed ${services.join()}`,
        (app) => app.observed(this.#mesh, services),
        () => {},
        () => {},
      );
    });
  }
}
