/**
 * What meshwright asks of its store, counted on the app itself over a store in memory: each timer's turn by how many services there are, and a
 * rollout from the event to its end. Request units are those that Microsoft states for documents of the size that was read or written.
 */
import { Charged } from '../../bench/request-units.ts';
import { type App, createApp } from '../../src/app.ts';
import { envoyDataPlane } from '../../src/dataplanes/envoy/observe.ts';
import { readPointer } from '../../src/reconcile/model.ts';
import { putNode, putReadiness, putWatcher } from '../../src/reconcile/observations.ts';

const MESH = 'costs';
const PLACE = { mesh: MESH, dataPlane: 'edge' };
const T0 = Date.UTC(2026, 0, 5, 12);
const MINUTE = 60_000;
export const STEPS = [10, 25, 50, 75, 100];

/** Request units of one turn: `base` and for each service. */
export interface Turn {
  readonly base: number;
  readonly each: number;
}

export interface Operations {
  readonly turns: Readonly<Record<string, Turn>>;
  readonly rollout: { readonly units: number; readonly commits: number };
}

class World {
  now = T0;
  readonly documents = new Charged();
  readonly app: App;

  constructor() {
    this.app = createApp({
      documents: this.documents,
      now: () => this.now,
      setAlarm: async () => {},
      connect: (_mesh, { name }) => envoyDataPlane(this.documents, name, () => {}),
      channel: () => undefined,
      anchors: { write: async () => 'written' },
      auditLog: { send: async () => {} },
      report: (problem, error) => {
        throw new Error(problem, { cause: error });
      },
    });
  }

  async adopt(services: number): Promise<void> {
    const head = 'apiVersion: meshwright.dev/v1\n';
    const steps = STEPS.map((weight) => `{ weight: ${weight}, hold: 5m, deadline: 1h }`).join(', ');
    const files = Array.from({ length: services }, (_each, index) => ({
      path: `s${index}.yaml`,
      text: `${head}kind: Service\nname: ${nameOf(index)}\nport: 8080\nstable: v1\nrollout: { strategy: canary, steps: [${steps}] }\n`,
    }));
    const mesh = { path: 'mesh.yaml', text: `${head}kind: Mesh\nname: ${MESH}\ndataPlanes: [{ name: edge, kind: envoy }]\n` };
    const applied = await this.app.apply([mesh, ...files], { actor: 'costs' });
    if (!applied.ok) throw new Error(applied.problems.map(({ message }) => message).join(' '));
    await this.seen(Array.from(files.keys()));
  }

  /** Every proxy serves what was decided last, and every version is ready. */
  async seen(services: readonly number[]): Promise<void> {
    await putWatcher(this.documents, PLACE, { via: 'x1', aliveUntil: this.now + 10 * MINUTE }, this.now);
    await putNode(this.documents, PLACE, { node: 'edge-1', via: 'x1', served: await readPointer(this.documents, MESH) }, this.now);
    for (const index of services) {
      const ready = { service: nameOf(index), via: 'x1', versions: { v1: 'ready', v2: 'ready' } } as const;
      await putReadiness(this.documents, PLACE, ready, this.now);
    }
    await this.app.observed(MESH, services.map(nameOf));
  }

  async charged(turn: () => Promise<unknown>): Promise<number> {
    this.documents.forget();
    await turn();
    return this.documents.units;
  }
}

const nameOf = (index: number): string => `service-${String(index).padStart(4, '0')}`;

/** The timers that read the store, by the name of their function. */
const TURNS: Readonly<Record<string, (app: App) => Promise<unknown>>> = {
  sweep: (app) => app.sweep(),
  driftTimer: (app) => app.lookForDrift(),
  owedDriftTimer: (app) => app.lookWhereOwed(),
  shadowTimer: (app) => app.strictness.lookAtAll(),
  measure: (app) => Promise.all([app.rotating.measured(), app.status()]),
  certificateInventory: (app) => app.rotating.takeInventory(),
  streamJournal: (app) => app.streamJournal(),
  anchorJournal: (app) => app.archive.anchor(),
};

/** Counted with few and with many services; in between and beyond it is a line. */
export async function operations(few = 10, many = 60): Promise<Operations> {
  const [small, large] = [await turnsWith(few), await turnsWith(many)];
  const turns = Object.fromEntries(
    Object.keys(TURNS).map((name) => {
      const each = ((large[name] ?? 0) - (small[name] ?? 0)) / (many - few);
      return [name, { each, base: (small[name] ?? 0) - each * few }];
    }),
  );
  return { turns, rollout: await rollout() };
}

async function turnsWith(services: number): Promise<Readonly<Record<string, number>>> {
  const world = new World();
  await world.adopt(services);
  // The first turn after an adoption finds what was owed; what comes after is what it costs each time.
  const found: Record<string, number> = {};
  for (const time of ['first', 'then'])
    for (const [name, turn] of Object.entries(TURNS)) {
      world.now += MINUTE;
      const units = await world.charged(() => turn(world.app));
      if (time === 'then') found[name] = units;
    }
  return found;
}

/** From the event to the end, each step seen at once: what is read and written, and how many commits there are. */
async function rollout(): Promise<Operations['rollout']> {
  const world = new World();
  await world.adopt(1);
  const before = (await world.app.history(MESH, nameOf(0), 0, 1_000)).length;
  const data = { mesh: MESH, service: nameOf(0), version: 'v2' };
  const event = {
    specversion: '1.0',
    id: 'e1',
    source: '/costs',
    type: 'Meshwright.Deployment.Requested',
    time: new Date(T0).toISOString(),
    data,
  };
  let units = await world.charged(() => world.app.receiveEvent(event));
  for (let turn = 0; turn < 3 * STEPS.length; turn += 1) {
    world.now += 5 * MINUTE + 1_000;
    units += await world.charged(() => world.seen([0]));
    units += await world.charged(() => world.app.sweep());
  }
  const status = await world.app.service(MESH, nameOf(0));
  if (status?.stable !== 'v2' || status.rollout)
    throw new Error(`The rollout that is counted did not come to its end: ${JSON.stringify(status)}`);
  return { units, commits: (await world.app.history(MESH, nameOf(0), 0, 1_000)).length - before };
}
