/**
 * Keeping one mesh's data planes at the model: looks at the pointer each second and when poked, takes in what changed,
 * and keeps endpoints under their leases. Everything that is read or written can fail; what is served stays served.
 */
import type { Documents, JsonObject } from '../journal/documents.ts';
import { type Fragment, fragmentsSince, readEndpoints, readPointer, type UnreadableFragment, writeEndpoints } from '../reconcile/model.ts';
import { type ModelledTrust, readTrust } from '../reconcile/model-trust.ts';
import { DataPlaneView } from './data-plane-view.ts';
import type { EncodeResource } from './protobuf.ts';
import {
  emptyRegistry,
  type Registry,
  type RegistryCommand,
  type RegistryNotice,
  readinessOf,
  restoreRegistry,
  updateRegistry,
} from './registry.ts';

/** After our own start, silence is our own fault for this long: the longest lease that is given. */
export const LONGEST_LEASE_MS = 60_000;

type Versions = Readonly<Record<string, 'ready' | 'none'>>;

export interface MeshWatchOptions {
  readonly mesh: string;
  readonly documents: Documents;
  readonly encode: EncodeResource;
  readonly now: () => number;
  /** What Envoys report with whom a service in `shadow` would refuse. */
  readonly refusalsToken?: string;
  /** Something that nodes are served has changed. */
  readonly onChange: () => void;
  /** Writes it where it is asked for. Where that rejects, it is told again with the next look at the leases. */
  readonly onReadiness: (dataPlane: string, service: string, versions: Versions) => Promise<void>;
  /** Endpoints are kept though they are silent; said once for as long as it lasts. */
  readonly onNotice: (dataPlane: string, notice: RegistryNotice) => void;
  readonly report: (problem: string, error?: unknown) => void;
}

interface DataPlane {
  readonly view: DataPlaneView;
  registry: Registry;
  /** Of each service, as last told. */
  readonly told: Map<string, string>;
  /** Of each service: the telling under way. Two tellings may not pass each other. */
  readonly telling: Map<string, Promise<void>>;
}

/** No words are like these: they are told again, whatever they are. */
const UNTOLD = '';

export class MeshWatch {
  readonly #options: MeshWatchOptions;
  readonly #dataPlanes = new Map<string, DataPlane>();
  readonly #suspendedUntil: number;
  #sequence = 0;
  #trust: ModelledTrust | undefined;
  #turn: Promise<void> = Promise.resolve();
  #waiting = false;

  constructor(options: MeshWatchOptions) {
    this.#options = options;
    this.#suspendedUntil = options.now() + LONGEST_LEASE_MS;
  }

  view(dataPlane: string): DataPlaneView | undefined {
    return this.#dataPlanes.get(dataPlane)?.view;
  }

  /** Whom workloads are to trust and who signs, as far as it is known here. */
  trust(): ModelledTrust | undefined {
    return this.#trust;
  }

  dataPlanes(): readonly string[] {
    return [...this.#dataPlanes.keys()];
  }

  /** Begins to keep a data plane; its endpoints come from the model. */
  async adopt(dataPlane: string): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#dataPlanes.has(dataPlane)) return;
      const { documents, mesh, encode, report, refusalsToken } = this.#options;
      const stored = await readEndpoints(documents, mesh, dataPlane);
      const registry = stored ? restoreRegistry(stored, this.#suspendedUntil) : emptyRegistry(this.#suspendedUntil);
      const view = new DataPlaneView(mesh, dataPlane, encode, report, refusalsToken);
      const sequence = await readPointer(documents, mesh);
      const { fragments, unreadable } = await this.#changedSince(0);
      await this.#readTrust();
      if (this.#trust) view.trust(this.#trust);
      view.update(fragments, registry, sequence, unreadable);
      this.#dataPlanes.set(dataPlane, { view, registry, told: new Map(), telling: new Map() });
      this.#options.onChange();
    });
  }

  async #changedSince(sequence: number): Promise<{ fragments: readonly Fragment[]; unreadable: readonly UnreadableFragment[] }> {
    const { documents, mesh } = this.#options;
    const unreadable: UnreadableFragment[] = [];
    const fragments = await fragmentsSince(documents, mesh, sequence, (fragment) => unreadable.push(fragment));
    return { fragments, unreadable };
  }

  /** What cannot be read leaves what was known, and keeps nobody from the services. */
  async #readTrust(): Promise<void> {
    const { documents, mesh, report } = this.#options;
    const unreadable = (message: string) => report(`Whom the workloads of ${mesh} trust is not understood; it stays as it was: ${message}`);
    this.#trust = (await readTrust(documents, mesh, unreadable)) ?? this.#trust;
  }

  /** Reads what is newer than what is known. Calls that come while one runs are one more run. */
  async look(): Promise<void> {
    if (this.#waiting) return;
    this.#waiting = true;
    await this.#inTurn(async () => {
      this.#waiting = false;
      const { documents, mesh } = this.#options;
      const pointer = await readPointer(documents, mesh);
      if (pointer <= this.#sequence) return;
      const { fragments, unreadable } = await this.#changedSince(this.#sequence);
      await this.#readTrust();
      for (const { view, registry } of this.#dataPlanes.values()) {
        if (this.#trust) view.trust(this.#trust);
        view.update(fragments, registry, pointer, unreadable);
      }
      this.#sequence = pointer;
      this.#options.onChange();
    });
  }

  /**
   * Registers, renews, reports or takes away endpoints. What changes who is served is stored before it is served, so that
   * a restart finds it; rejects when it cannot be stored, and the endpoint may come again.
   */
  async endpoints(dataPlane: string, commands: readonly RegistryCommand[]): Promise<void> {
    await this.adopt(dataPlane);
    await this.#inTurn(() => this.#apply(dataPlane, commands));
  }

  /** To be called each second: leases that have run out, and words about it. */
  async expire(): Promise<void> {
    await this.#inTurn(async () => {
      for (const [dataPlane, { view }] of this.#dataPlanes) await this.#apply(dataPlane, [{ kind: 'expire', planned: view.versions() }]);
    });
  }

  /** What was told of readiness ends some day: it is told again with the next look at the leases. */
  tellAgain(): void {
    for (const { told } of this.#dataPlanes.values()) told.clear();
  }

  async #apply(dataPlane: string, commands: readonly RegistryCommand[]): Promise<void> {
    const kept = this.#dataPlanes.get(dataPlane);
    if (!kept) return;
    const { documents, mesh, now, onNotice } = this.#options;
    let { registry } = kept;
    const notices: RegistryNotice[] = [];
    let changed = false;
    for (const command of commands) {
      const change = updateRegistry(registry, command, now());
      registry = change.registry;
      changed ||= change.changed;
      notices.push(...change.notices);
    }
    if (changed) {
      const body: JsonObject = JSON.parse(JSON.stringify(registry));
      const sequence = await writeEndpoints(documents, mesh, dataPlane, body);
      kept.registry = registry;
      kept.view.update([], registry, Math.max(kept.view.sequence, this.#nextIfAlone(kept.view, sequence)));
      this.#options.onChange();
      void this.look();
    } else {
      kept.registry = registry;
    }
    // Not before it is stored: what could not be is looked at, and said, again.
    for (const notice of notices) onNotice(dataPlane, notice);
    this.#tellReadiness(dataPlane, kept);
  }

  /** Our own write is served at once if nothing else came between; otherwise the look that follows takes in both. */
  #nextIfAlone(view: DataPlaneView, sequence: number): number {
    return sequence === view.sequence + 1 ? sequence : view.sequence;
  }

  #tellReadiness(dataPlane: string, kept: DataPlane): void {
    const readiness = readinessOf(kept.registry, this.#options.now());
    const services = new Set([...kept.view.services(), ...readiness.keys(), ...kept.told.keys()]);
    for (const service of services) {
      const known = [...(readiness.get(service) ?? [])].flatMap(([version, word]) =>
        word === 'unknown' ? [] : [[version, word] as const],
      );
      const versions = Object.fromEntries(known);
      const words = JSON.stringify(versions);
      if (words === (kept.told.get(service) ?? '{}')) continue;
      kept.told.set(service, words);
      this.#tell(dataPlane, kept, service, versions);
    }
  }

  #tell(dataPlane: string, kept: DataPlane, service: string, versions: Versions): void {
    const { onReadiness, report } = this.#options;
    const told = (kept.telling.get(service) ?? Promise.resolve())
      .then(() => onReadiness(dataPlane, service, versions))
      .catch((error: unknown) => {
        kept.told.set(service, UNTOLD);
        report(`The readiness of ${service} could not be written; it is tried again.`, error);
      });
    kept.telling.set(service, told);
  }

  /** One thing at a time, each whatever became of the one before. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}
