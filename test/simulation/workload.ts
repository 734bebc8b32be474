/**
 * What happens in a history besides faults: specs, deployments, alerts, people, versions that die and nodes that go. Two
 * families: `anything`, and `pushes`, where only pushes to registries happen and so their order alone must decide the end.
 */
import { z } from 'zod';
import type { ByHand } from '../../src/app.ts';
import type { Received } from '../../src/receive.ts';
import type { DataPlane } from './envoys.ts';
import type { Invariants } from './invariants.ts';
import {
  alertPayload,
  EVENT_SOURCE,
  eventDelivery,
  type Push,
  pushEvent,
  requestEvent,
  specFiles,
  type WrittenService,
} from './payloads.ts';
import type { Parcel, Post, Reply } from './post.ts';
import { FORCED } from './rollout-invariants.ts';
import type { World } from './world.ts';

export type Family = 'anything' | 'pushes';

const NAMES = ['catalog', 'basket', 'checkout'] as const;
const WEIGHTS = [[10, 50, 100], [25, 100], [5, 25, 50, 100], [20, 100], [1, 100], [10, 50, 100], [40, 100], [100]] as const;
const deliveryIdSchema = z.object({ id: z.string() });

/** How often each thing happens, beside the others. */
const FREQUENCIES = {
  push: 24,
  request: 14,
  again: 6,
  alert: 22,
  resolve: 10,
  unmatched: 3,
  garbage: 2,
  hand: 12,
  apply: 9,
  die: 9,
  recover: 4,
  away: 6,
  watcher: 3,
  dislike: 3,
} as const;

export class Workload {
  readonly family: Family;
  /** Every push that was sent, for the end. */
  readonly pushes: Push[] = [];
  readonly #world: World;
  readonly #post: Post;
  readonly #invariants: Invariants;
  readonly #dataPlanes: readonly DataPlane[];
  #services: readonly WrittenService[];
  #meshPlanes: readonly string[];
  #ids = 0;
  readonly #versions = new Map<string, string[]>();
  readonly #firing: { id: string; service: string; firedAt: number }[] = [];

  readonly #actions: Readonly<Record<keyof typeof FREQUENCIES, () => void>> = {
    push: () => this.#push(),
    request: () => this.#request(this.#newVersion(this.#service()), {}),
    again: () => {
      const service = this.#service();
      this.#request(this.#world.random.pick(this.#versions.get(service) ?? ['v1']), { again: this.#world.random.chance(0.5) });
    },
    alert: () => this.#alert(this.#service(), this.#world.now - this.#world.random.pick([0, 0, 1_000, 60_000])),
    resolve: () => this.#resolve(),
    unmatched: () => this.#sendAlert(`nobody-${this.#next()}`, 'nobody-errors', this.#world.now, undefined, undefined),
    garbage: () =>
      this.#sendEvent('nonsense', { specversion: '1.0', id: this.#next(), source: EVENT_SOURCE, type: 'Some.Other.Event' }, {}),
    hand: () => this.#byHand(this.#service()),
    apply: () => this.#changeSpec(),
    die: () => this.#readinessChanges(true),
    recover: () => this.#readinessChanges(false),
    away: () => this.#nodeGoes(),
    watcher: () => {
      if (this.#world.faults.strikes('watcher down', 1)) this.#world.random.pick(this.#dataPlanes).killWatcher();
    },
    dislike: () => this.#nodeDislikes(),
  };

  constructor(world: World, family: Family, post: Post, invariants: Invariants, dataPlanes: readonly DataPlane[]) {
    this.#world = world;
    this.family = family;
    this.#post = post;
    this.#invariants = invariants;
    this.#dataPlanes = dataPlanes;
    this.#meshPlanes = dataPlanes.map(({ name }) => name);
    invariants.streams.onStepBegun = (service) => this.#stepBegun(service);
    invariants.streams.onReturn = (service) => this.#returning(service);
    const shared = family === 'anything' && world.random.chance(0.2);
    this.#services = NAMES.slice(0, world.random.weighted({ '1': 5, '2': 4, '3': 1 }) === '1' ? 1 : world.random.between(2, 3)).map(
      (name) => this.#drawService(name, shared ? 'shared' : name),
    );
  }

  /** Puts the whole history on the agenda. Answers when (epoch ms) the last of it begins. */
  begin(): number {
    const { random } = this.#world;
    for (const { name, stable } of this.#services) if (stable) this.#runs(name, stable, 0);
    this.#apply();
    const length = random.between(3, 10) * 60_000;
    const count = random.between(3, 10);
    this.#world.after(random.between(1_000, 30_000), () => this.#push());
    for (let index = 0; index < count; index += 1) this.#world.after(random.between(1_000, length), () => this.#act());
    return this.#world.now + length;
  }

  /** What mostly happens to a step: somebody is not content with it. */
  #stepBegun(service: string): void {
    const { random, faults } = this.#world;
    if (!faults.on || this.family === 'pushes') return;
    if (random.chance(0.12)) this.#world.after(random.between(50, 20_000), () => this.#alert(service, this.#world.now));
    if (random.chance(0.06)) this.#world.after(random.between(50, 10_000), () => this.#byHand(service));
  }

  /** People and pushes that do not know yet that it goes back. */
  #returning(service: string): void {
    const { random, faults } = this.#world;
    if (!faults.on || this.family === 'pushes') return;
    if (random.chance(0.3)) this.#world.after(random.between(0, 500), () => this.#byHand(service));
    if (random.chance(0.2)) this.#world.after(random.between(0, 500), () => this.#push());
  }

  /** Everything that was down comes up, and nobody refuses anything any more. */
  heal(): void {
    for (const dataPlane of this.#dataPlanes) {
      dataPlane.refuseNothing();
      for (const [service, versions] of dataPlane.ready) {
        for (const [version, readiness] of versions) if (readiness === 'none') dataPlane.setReadiness(service, version, 'ready');
      }
    }
  }

  get services(): readonly WrittenService[] {
    return this.#services;
  }

  #drawService(name: string, repository: string): WrittenService {
    const { random } = this.#world;
    const patient = this.family === 'pushes';
    const holdSeconds = random.pick([0, 5, 20, 30]);
    return {
      name,
      repository,
      stable: random.chance(0.85) ? 'v1' : undefined,
      steps: random.pick(WEIGHTS).map((weight) => ({
        weight,
        holdSeconds,
        deadlineSeconds: patient ? 7_200 : holdSeconds + random.pick([60, 180, 300]),
      })),
      waitSeconds: patient ? 7_200 : random.pick([60, 180]),
      timeoutSeconds: 5,
      dataPlanes: undefined,
    };
  }

  #act(): void {
    if (this.family === 'pushes') {
      this.#push();
      return;
    }
    const action = this.#world.random.weighted(FREQUENCIES);
    this.#actions[action]();
  }

  #next(): string {
    this.#ids += 1;
    return `d${this.#ids}`;
  }

  #service(): string {
    return this.#world.random.pick(this.#services.length > 0 ? this.#services.map(({ name }) => name) : ['catalog']);
  }

  #newVersion(service: string): string {
    const versions = this.#versions.get(service) ?? [];
    const version = `v${versions.length + 1}`;
    this.#runs(service, version, this.#world.random.between(0, this.#world.random.chance(0.2) ? 90_000 : 3_000));
    return version;
  }

  /** It comes up on every data plane, not at the same time. */
  #runs(service: string, version: string, within: number): void {
    this.#versions.set(service, [...(this.#versions.get(service) ?? []), version]);
    for (const dataPlane of this.#dataPlanes) {
      this.#world.after(this.#world.random.between(0, within), () => dataPlane.setReadiness(service, version, 'ready'));
    }
  }

  #push(): void {
    const { random, now } = this.#world;
    const service = random.pick(this.#services.length > 0 ? this.#services : [this.#drawService('catalog', 'catalog')]);
    const last = this.pushes.filter(({ repository }) => repository === service.repository).at(-1);
    const versions = this.#versions.get(service.name) ?? [];
    // Where order is to decide alone, no push says again what an earlier one said.
    const known = this.family === 'anything' && random.chance(0.15) && versions.length > 0;
    const tag = known ? random.pick(versions) : this.#newVersion(service.name);
    const time = last && random.chance(0.3) ? last.time : now - random.between(0, 60_000);
    const digest =
      this.pushes.find((push) => push.tag === tag && push.repository === service.repository && random.chance(0.7))?.digest ??
      `sha256:${random.hex(12)}`;
    const push = { id: this.#next(), repository: service.repository, tag, digest, time };
    this.pushes.push(push);
    this.#sendEvent(`push ${push.repository}:${tag} ${digest} at ${time}`, pushEvent(push), {});
  }

  #request(version: string, options: { again?: boolean }): void {
    const service = this.#service();
    this.#sendEvent(
      `request ${service} ${version}${options.again ? ' again' : ''}`,
      requestEvent(this.#next(), service, version, this.#world.now),
      options,
    );
  }

  #sendEvent(summary: string, event: object, options: { again?: boolean }): void {
    const { id } = deliveryIdSchema.parse(event);
    const what = `event ${id} ${summary}`;
    const deliveryId = eventDelivery(id, options.again);
    if (options.again) this.#invariants.insisted.add(deliveryId);
    this.#post.send({ what, deliveryId, ask: async (app) => replyTo(await app.receiveEvent(event, options)) });
  }

  #alert(service: string, firedAt: number): void {
    const { random } = this.#world;
    const id = `alert-${this.#next()}`;
    const windowEnd = random.chance(0.5) ? firedAt - random.pick([0, 0, 30_000, 300_000]) : undefined;
    this.#firing.push({ id, service, firedAt });
    this.#sendAlert(id, `${service}-errors`, firedAt, windowEnd, undefined);
  }

  #resolve(): void {
    const [first] = this.#firing;
    if (!first) return;
    this.#firing.shift();
    this.#sendAlert(first.id, `${first.service}-errors`, first.firedAt, undefined, Math.max(first.firedAt, this.#world.now));
  }

  #sendAlert(id: string, rule: string, firedAt: number, windowEnd: number | undefined, resolvedAt: number | undefined): void {
    const fired = resolvedAt === undefined;
    if (fired) this.#invariants.alerts.set(id, { firedAt, windowEnd });
    const payload = alertPayload({
      id,
      rule,
      firedAt,
      ...(fired ? {} : { resolvedAt }),
      ...(windowEnd === undefined ? {} : { windowEnd }),
    });
    const deliveryId = JSON.stringify(['alert', id, fired ? 'fired' : 'resolved', fired ? firedAt : resolvedAt]);
    const what = `alert ${id} ${rule} ${fired ? 'fired' : 'resolved'}`;
    this.#post.send({ what, deliveryId, ask: async (app) => replyTo(await app.receiveAlert(payload)) });
  }

  #byHand(service: string): void {
    const { random } = this.#world;
    const id = `hand-${this.#next()}`;
    const commands: readonly ByHand[] = [
      { type: 'Pause' },
      { type: 'Pause' },
      { type: 'Resume' },
      { type: 'Resume' },
      { type: 'Promote' },
      { type: 'Abort' },
      { type: 'Abort', force: true, reason: FORCED },
    ];
    const command = random.pick(commands);
    const ask: Parcel['ask'] = async (app) => {
      const answer = await app.byHand('shop', service, { id, actor: 'a person' }, command);
      return { answers: answer ? [answer] : [] };
    };
    this.#post.send({ what: `${command.type} ${service}`, deliveryId: id, ask });
  }

  #changeSpec(): void {
    const { random } = this.#world;
    const all = this.#dataPlanes.map(({ name }) => name);
    const kind = random.weighted({ timeout: 3, steps: 3, without: 2, everything: 2, planes: 4 });
    if (kind === 'timeout') this.#services = this.#services.map((each) => ({ ...each, timeoutSeconds: random.between(1, 30) }));
    if (kind === 'steps') this.#services = this.#services.map((each) => ({ ...each, steps: this.#drawService(each.name, '').steps }));
    if (kind === 'without') this.#services = this.#services.slice(0, -1);
    if (kind === 'everything') {
      this.#services = NAMES.slice(0, 2).map((name) => this.#services.find((each) => each.name === name) ?? this.#drawService(name, name));
      this.#meshPlanes = all;
    }
    if (kind === 'planes') {
      const some = random.chance(0.5) ? all.slice(0, 1) : all;
      if (random.chance(0.5)) this.#services = this.#services.map((each) => ({ ...each, dataPlanes: some }));
      else {
        this.#meshPlanes = some;
        this.#services = this.#services.map((each) => ({ ...each, dataPlanes: undefined }));
      }
    }
    this.#apply();
    // Who changes one thing often changes another right after, before the first is everywhere.
    if (random.chance(0.4) && this.#world.faults.on) this.#world.after(random.between(50, 4_000), () => this.#changeSpec());
  }

  #apply(): void {
    const planes = this.#meshPlanes;
    const services = this.#services.map((each) => ({ ...each, dataPlanes: each.dataPlanes?.filter((name) => planes.includes(name)) }));
    const files = specFiles(planes, services);
    const ask: Parcel['ask'] = async (app) => {
      const applied = await app.apply(files, { actor: 'a person' });
      if (!applied.ok) this.#world.violate('a right spec is adopted', JSON.stringify(applied.problems));
      return { answers: applied.ok ? [applied.answer] : [] };
    };
    this.#post.send({ what: `apply ${services.map(({ name }) => name).join()} on ${planes.join()}`, ask });
  }

  #readinessChanges(dies: boolean): void {
    const { random, faults } = this.#world;
    const service = this.#service();
    const versions = this.#versions.get(service) ?? ['v1'];
    const version = random.chance(0.4) ? (versions[0] ?? 'v1') : random.pick(versions);
    if (dies && !faults.strikes('version down', 1)) return;
    for (const dataPlane of this.#dataPlanes) {
      if (dies && random.chance(0.1)) continue;
      this.#world.after(random.between(0, 500), () => dataPlane.setReadiness(service, version, dies ? 'none' : 'ready'));
      if (dies) this.#world.after(random.between(20_000, 400_000), () => dataPlane.setReadiness(service, version, 'ready'));
    }
  }

  #nodeGoes(): void {
    if (!this.#world.faults.strikes('node away', 1)) return;
    const dataPlane = this.#world.random.pick(this.#dataPlanes);
    dataPlane.takeAway(this.#world.random.pick(dataPlane.nodes), this.#world.random.between(500, 120_000));
  }

  #nodeDislikes(): void {
    const { random } = this.#world;
    const node = random.pick(random.pick(this.#dataPlanes).nodes);
    node.dislikes = this.#newVersion(this.#service());
    this.#request(node.dislikes, {});
  }
}

function replyTo(received: Received): Reply {
  if (received.kind === 'answered') return { answers: received.answers };
  return received.kind === 'parked' ? { answers: [], parked: received.id } : { answers: [] };
}
