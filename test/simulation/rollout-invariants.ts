/**
 * What one decision about a service may do, said without looking at how it is decided: weights, rejected versions, alerts,
 * clocks, dead versions. Each is judged at the commit, from the state before and after and what the world knows.
 */
import type { ServiceEvent } from '../../src/rollouts/events.ts';
import { type Release, type Rollout, releaseKey, type ServiceState } from '../../src/rollouts/state.ts';
import { type Process, STALE_MS } from './process.ts';
import type { World } from './world.ts';

/** An alert as it was sent (epoch ms). */
export interface SentAlert {
  readonly firedAt: number;
  readonly windowEnd: number | undefined;
}

/** A process whose calls all went well decides on what is no older. */
const UNDISTURBED_MS = 5_000;

export interface Known {
  readonly alerts: ReadonlyMap<string, SentAlert>;
  /** Ids of deliveries in which a person insisted on a version that was taken back. */
  readonly insisted: ReadonlySet<string>;
  /** ms; undefined: not known to be dead on every data plane. */
  readonly knownDeadFor: (service: string, version: string, dataPlanes: readonly string[]) => number | undefined;
  /** Epoch ms. */
  readonly lastKnownDead: (service: string, version: string, dataPlanes: readonly string[]) => number;
  /** Nodes that should have been waited for. */
  readonly notServing: (service: string, revision: number, dataPlanes: readonly string[]) => readonly string[];
}

export interface Decided {
  readonly service: string;
  /** For messages. */
  readonly where: string;
  readonly events: readonly ServiceEvent[];
  readonly before: ServiceState;
  readonly after: ServiceState;
  readonly at: number;
  readonly actor: string;
  readonly deliveryId: string;
  readonly evidence: Readonly<Record<string, string | number | boolean | null>> | undefined;
  readonly writer: Process;
}

export interface RolloutMemory {
  readonly rollouts: Map<number, { weight: number; takenBack: boolean }>;
  readonly rejected: Set<string>;
}

export function judge(world: World, known: Known, decided: Decided, memory: RolloutMemory): void {
  weightsSumUp(world, decided);
  weightsRise(world, decided, memory);
  nothingRejectedReturns(world, decided, memory, known);
  if (decided.after.specVersion < decided.before.specVersion) world.violate('no older spec comes into force', decided.where);
  alertsAct(world, decided, known);
  clocksStartWhenServed(world, decided, known);
  nothingDeadGetsMore(world, decided, known);
}

const weight = (state: ServiceState, version: string): number => state.split.find((share) => share.version === version)?.weight ?? 0;
const dataPlanesOf = ({ before, after }: Decided): readonly string[] => (after.spec ?? before.spec)?.dataPlanes ?? [];
const goesBack = ({ phase }: Rollout): boolean => phase.name === 'returning' || phase.name === 'blocked';

function weightsSumUp(world: World, { where, after, events }: Decided): void {
  const sum = after.split.reduce((total, share) => total + share.weight, 0);
  const names = new Set(after.split.map(({ version }) => version));
  const right = after.split.length === 0 ? after.retired || !after.stable : sum === 100;
  if (!right || names.size !== after.split.length) {
    world.violate(
      'weights sum to 100, each version once',
      `${where} ${events.map(({ type }) => type).join()} ${JSON.stringify(after.split)}`,
    );
  }
}

function weightsRise(world: World, { where, after, events, before }: Decided, memory: RolloutMemory): void {
  for (const event of events) {
    if (event.type !== 'TrafficReturned' || !before.rollout) continue;
    memory.rollouts.set(before.rollout.id, { weight: 0, takenBack: true });
  }
  const { rollout } = after;
  if (!rollout) return;
  const known = memory.rollouts.get(rollout.id) ?? { weight: 0, takenBack: false };
  const now = weight(after, rollout.candidate.version);
  if (known.takenBack && now > 0) world.violate('what is taken back stays back', `${where} ${rollout.candidate.version} has ${now}`);
  else if (now < known.weight) world.violate('weights only rise while a rollout goes on', `${where} from ${known.weight} to ${now}`);
  if (known.takenBack && rollout.phase.name !== 'returning') world.violate('a way back is not undone', `${where} ${rollout.phase.name}`);
  memory.rollouts.set(rollout.id, { ...known, weight: now });
}

function nothingRejectedReturns(world: World, decided: Decided, memory: RolloutMemory, known: Known): void {
  const { where, after, before, events } = decided;
  for (const event of events) {
    if (event.type === 'TrafficReturned' && before.rollout) memory.rejected.add(releaseKey(before.rollout.candidate));
    if (event.type !== 'RejectionLifted') continue;
    if (!known.insisted.has(decided.deliveryId)) world.violate('only a person lifts a rejection', `${where} ${decided.deliveryId}`);
    for (const key of event.keys) memory.rejected.delete(key);
  }
  const served: (Release | undefined)[] = [after.stable, after.rollout?.candidate];
  for (const release of served) {
    if (release && memory.rejected.has(releaseKey(release)) && weight(after, release.version) > 0) {
      world.violate('nothing reaches a rejected version', `${where} ${releaseKey(release)}`);
    }
  }
}

function speaks(alert: SentAlert | undefined, exposedAt: number | undefined): boolean {
  if (!alert || exposedAt === undefined || alert.firedAt < exposedAt) return false;
  return alert.windowEnd === undefined || alert.windowEnd >= exposedAt;
}

function alertsAct(world: World, decided: Decided, known: Known): void {
  const { events, before, after, where, evidence } = decided;
  const noted = events.find((event) => event.type === 'AlertNoted');
  const fired = noted?.type === 'AlertNoted' && evidence?.condition === 'fired' ? noted.id : undefined;
  const { rollout, stable } = before;
  const inTheWay = fired !== undefined && rollout !== undefined && speaks(known.alerts.get(fired), rollout.exposedAt);
  const backNow = after.rollout === undefined || after.rollout.id !== rollout?.id || goesBack(after.rollout);
  if (inTheWay && !backNow) world.violate('an alert against a candidate takes it back at once', `${where} ${after.rollout?.phase.name}`);
  const returned = events.find((event) => event.type === 'TrafficReturned' || event.type === 'ReturnBlocked');
  if (fired !== undefined && returned && !inTheWay) world.violate('only an alert about the candidate takes it back', `${where} ${fired}`);
  if (returned?.type === 'ReturnBlocked' && stable) {
    const last = known.lastKnownDead(decided.service, stable.version, dataPlanesOf(decided));
    if (decided.at - last > STALE_MS) world.violate('a way back waits only for a stable version known to be dead', where);
  }
  const begins = events.some((event) => event.type === 'StepBegun' && event.step === 0);
  if (begins && decided.actor === 'meshwright' && !byHand(events)) {
    const standing = Object.entries(before.alerts).find(
      ([, { firedAt, resolvedAt }]) => firedAt !== undefined && (resolvedAt === undefined || resolvedAt < firedAt),
    );
    if (standing) world.violate('a firing alert stands in the way of a start', `${where} ${standing[0]}`);
  }
}

const byHand = (events: readonly ServiceEvent[]): boolean => events.some((event) => event.type === 'StepBegun' && event.promoted);

function clocksStartWhenServed(world: World, decided: Decided, known: Known): void {
  const { events, before, where, service } = decided;
  const phase = before.rollout?.phase;
  const done = events.find((event) => event.type === 'StepHeld' || event.type === 'RolledBack' || event.type === 'RolloutSucceeded');
  if (!done) return;
  if (phase?.name !== 'shifting' && phase?.name !== 'returning') {
    if (done.type !== 'RolloutSucceeded') world.violate(`${done.type} follows what had to be served`, `${where} ${phase?.name}`);
    return;
  }
  const unseen = (done.type === 'RolledBack' && done.unseen) || [];
  if (unseen.length > 0 && decided.actor === 'meshwright') world.violate('only a person ends a way back that is not seen', where);
  const counted = dataPlanesOf(decided).filter((dataPlane) => !unseen.includes(dataPlane));
  const missing = known.notServing(service, phase.revision, counted);
  if (missing.length > 0) world.violate(`${done.type} only when every node that counts serves it`, `${where} ${missing.join()}`);
}

function nothingDeadGetsMore(world: World, decided: Decided, known: Known): void {
  const { before, after, events, where, service, writer } = decided;
  // What could not be read is unknown, and unknown does not stop a way back; what was read slowly is old.
  if (world.now - writer.disturbedAt < STALE_MS) return;
  const established = events.some(({ type }) => type === 'StableEstablished');
  const forced = events.some((event) => event.type === 'TrafficReturned' && event.cause.message === FORCED);
  if (established || forced) return;
  for (const { version, weight: now } of after.split) {
    if (now <= weight(before, version)) continue;
    const dead = known.knownDeadFor(service, version, dataPlanesOf(decided));
    if (dead !== undefined && dead > UNDISTURBED_MS) {
      world.violate('no new traffic for a version known to be dead', `${where} ${version} dead for ${dead} ms`);
    }
  }
}

/** The reason a person of the workload gives for an abort that is to happen in any case. */
export const FORCED = 'in any case';
