/**
 * A small world for the use cases: the real app over a memory store, Envoys whose reports are written as the xds server
 * writes them, a channel that keeps what people are told, and a clock that stands still.
 */
import { expect } from 'vitest';
import { MemoryDocuments } from '../src/adapters/memory-documents.ts';
import { type Adapters, type App, createApp } from '../src/app.ts';
import { envoyDataPlane } from '../src/dataplanes/envoy/observe.ts';
import type { Documents } from '../src/journal/documents.ts';
import type { Channel, Notice, Sent } from '../src/notifications/channel.ts';
import { readPointer } from '../src/reconcile/model.ts';
import { putNode, putReadiness, putWatcher } from '../src/reconcile/observations.ts';
import type { SpecFile } from '../src/spec/read-spec.ts';

export const T0 = Date.parse('2026-11-22T14:00:00Z');
export const MINUTE = 60_000;
const HEADER = 'apiVersion: meshwright.dev/v1\n';

export function meshFile(mesh: string, dataPlanes: readonly string[] = ['edge']): SpecFile {
  const lines = dataPlanes.map((name) => `  - { name: ${name}, kind: envoy }\n`).join('');
  return { path: `${mesh}.yaml`, text: `${HEADER}kind: Mesh\nname: ${mesh}\ndataPlanes:\n${lines}` };
}

/** A service with v1 stable; `fields` are further lines of YAML. */
export const serviceFile = (name: string, fields = 'rollout: canary'): SpecFile => ({
  path: `${name}.yaml`,
  text: `${HEADER}kind: Service\nname: ${name}\nport: 8080\nstable: v1\n${fields}\n`,
});

export const deployment = (id: string, service: string, version: string, more: Record<string, unknown> = {}) => ({
  specversion: '1.0',
  id,
  source: '/ci',
  type: 'Meshwright.Deployment.Requested',
  time: new Date(T0).toISOString(),
  data: { service, version, ...more },
});

export class World {
  readonly documents: Documents;
  readonly app: App;
  now = T0;
  readonly cards: Notice[] = [];
  readonly problems: string[] = [];
  readonly alarms: { readonly stream: string; readonly at: number }[] = [];
  readonly pokes: { readonly dataPlane: string; readonly sequence: number }[] = [];
  /** What the channel answers. */
  answer: (notice: Notice) => Sent = () => ({ kind: 'sent' });
  readonly #adapters: Partial<Adapters>;

  constructor(adapters: Partial<Adapters> = {}) {
    this.documents = adapters.documents ?? new MemoryDocuments();
    this.#adapters = adapters;
    this.app = this.instance();
  }

  /** One more process over the same store, or over another way to it. */
  instance(documents: Documents = this.documents, more: Partial<Adapters> = {}): App {
    const channel: Channel = {
      send: async (notice) => {
        this.cards.push(notice);
        return this.answer(notice);
      },
    };
    return createApp({
      now: () => this.now,
      setAlarm: async (stream, at) => {
        this.alarms.push({ stream, at });
      },
      connect: (_mesh, { name, kind }) =>
        kind === 'envoy'
          ? envoyDataPlane(documents, name, (_poked, sequence) => this.pokes.push({ dataPlane: name, sequence }))
          : undefined,
      channel: () => channel,
      report: (problem) => this.problems.push(problem),
      ...this.#adapters,
      ...more,
      documents,
    });
  }

  async apply(...files: readonly SpecFile[]): Promise<this> {
    expect(await this.app.apply(files, { actor: 'kim' })).toMatchObject({ ok: true });
    return this;
  }

  /** Each data plane's one Envoy has taken up everything there is, and the versions named are ready. */
  async report(
    mesh: string,
    versions: Readonly<Record<string, 'ready' | 'none'>> = { v1: 'ready', v2: 'ready', v3: 'ready' },
  ): Promise<void> {
    const adopted = (await this.app.meshes()).find((each) => each.mesh === mesh);
    const served = await readPointer(this.documents, mesh);
    const services = adopted?.services.map(({ name }) => name) ?? [];
    for (const { name: dataPlane } of adopted?.spec.dataPlanes ?? []) {
      const place = { mesh, dataPlane };
      await putWatcher(this.documents, place, { via: 'x1', aliveUntil: this.now + 30_000 }, this.now);
      await putNode(this.documents, place, { node: `${dataPlane}-1`, via: 'x1', served }, this.now);
      for (const service of services)
        await putReadiness(this.documents, place, { service, via: 'x1', versions: { ...versions } }, this.now);
    }
  }

  /** Reports, and the hint that something was seen. */
  async seen(mesh: string, versions?: Readonly<Record<string, 'ready' | 'none'>>): Promise<void> {
    await this.report(mesh, versions);
    const adopted = (await this.app.meshes()).find((each) => each.mesh === mesh);
    await this.app.observed(mesh, adopted?.services.map(({ name }) => name) ?? []);
  }

  async after(ms: number): Promise<void> {
    this.now += ms;
    await this.app.sweep();
  }

  /** Time passes while the Envoys go on reporting, then the sweep comes; nothing else wakes anybody. */
  async tick(mesh: string, ms = MINUTE): Promise<void> {
    this.now += ms;
    await this.report(mesh);
    await this.app.sweep();
  }

  async split(service: string, mesh = 'shop'): Promise<Record<string, number>> {
    const status = await this.app.service(mesh, service);
    return Object.fromEntries((status?.split ?? []).map(({ version, weight }) => [version, weight]));
  }

  async owed(service: string, mesh = 'shop'): Promise<readonly string[]> {
    return ((await this.app.service(mesh, service))?.pending ?? []).map(({ what }) => what).sort();
  }

  topics(): readonly string[] {
    return this.cards.map(({ topic }) => topic);
  }
}

/** A mesh `shop` on one data plane with one service, served everywhere. */
export async function shop(adapters: Partial<Adapters> = {}, fields?: string): Promise<World> {
  const world = new World(adapters);
  await world.apply(meshFile('shop'), serviceFile('catalog', fields));
  await world.seen('shop');
  return world;
}
