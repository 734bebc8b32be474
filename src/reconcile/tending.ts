/**
 * Giving commands to streams and seeing their effects done: inline right after the commit, again when an alarm, a hint or
 * the sweep asks. The sweep is the only guarantee; everything else is speed.
 */
import type { Decision } from '../decision.ts';
import { type Appended, append, claimDue, loadHead } from '../journal/journal.ts';
import type { Answer, Delivery, PendingEffect } from '../journal/stream.ts';
import type { ServiceCommand } from '../rollouts/commands.ts';
import { nextDeadline } from '../rollouts/deadlines.ts';
import { decide } from '../rollouts/decide.ts';
import type { ServiceEvent } from '../rollouts/events.ts';
import { serviceStream, serviceStreamId } from '../rollouts/service-stream.ts';
import type { ServiceState } from '../rollouts/state.ts';
import { decideMesh, type MeshCommand, meshStream, meshStreamId } from '../spec/adoption.ts';
import { lockedBy, trustChangesIn } from './change-lock.ts';
import { type DriftLook, lookForDrift } from './drift.ts';
import { type EffectPorts, handOver, recheckId, runMeshEffects, runServiceEffects } from './effects.ts';
import { readinessNow } from './readiness.ts';
import type { TrustPorts } from './trust-effects.ts';
import { type TrustTending, trustTending } from './trust-tending.ts';
import type { Where } from './where.ts';

/** One sweep looks at no more than this at a time, and goes on while it finds as many. */
const SWEEP_PAGE = 100;
const SWEEP_PAGES = 50;
/** One slow webhook holds up no more than its own row of streams. */
const SWEEP_AT_ONCE = 10;
/** Then the next sweep goes on: no host that is to stop waits for one for long, and two never run side by side for ever. */
const SWEEP_MS = 45_000;
/** A commit whose answer was lost is asked for again at once, under the same delivery id: a way back waits for nobody. */
const TRIES = 3;
const DEADLINES_IN_A_ROW = 20;
/** What may take traffic back. */
const WAYS_BACK: readonly ServiceCommand['type'][] = ['AlertFired', 'Abort', 'Elapsed', 'Recheck'];
/** What may give a version more traffic by itself: what people ask for waits for no advice. */
const WAYS_UP: readonly ServiceCommand['type'][] = ['Deploy', 'Specify', 'Converged', 'AlertResolved', 'Elapsed', 'Recheck'];
/** An alarm that comes this much too early by the clock of the machine it reaches is set again. */
const CLOCKS_APART_MS = 1_000;
/** What is due but not for this code to do (a head of newer code) is asked for again after this, never at once. */
const LEFT_ALONE_MS = 1_000;

export interface TendingPorts extends Omit<EffectPorts, 'prompt' | 'govern'>, Omit<TrustPorts, 'promptTrust'> {
  /** Asks to be woken for `stream` at `at` (epoch ms). May be lost, late, or early. */
  readonly setAlarm: (stream: string, at: number) => Promise<void>;
}

export interface Tending {
  service(mesh: string, service: string, delivery: Delivery, command: ServiceCommand): Promise<Answer>;
  mesh(mesh: string, delivery: Delivery, command: MeshCommand): Promise<Answer>;
  trust: Pick<TrustTending, 'give' | 'isOfTheVault' | 'observed'>;
  /** Does what is due in one stream: deadlines that have come, effects nobody holds. */
  wake(stream: string): Promise<void>;
  /** Something was seen at a data plane that may concern this service. */
  observed(mesh: string, service: string): Promise<void>;
  /** Looks whether a data plane has what was decided; `undefined`: nothing is decided for it there. */
  drift(where: Where): Promise<DriftLook | undefined>;
  sweep(): Promise<{ readonly streams: number; readonly failed: number }>;
  /** Asks for every alarm anew: for a host whose queue has not outlived it. */
  renewAlarms(): Promise<void>;
}

export function tending(ports: TendingPorts): Tending {
  const { documents, now } = ports;
  const trust = trustTending({ ...ports, lockedBy: (mesh) => lockedBy(documents, mesh), afterCommit, patiently });
  const effects: EffectPorts = {
    ...ports,
    govern: trust.govern,
    async prompt(mesh, service, promptId, command) {
      await giveService(mesh, service, { id: promptId, actor: 'meshwright', recordRefusal: false }, command);
    },
  };

  async function giveService(mesh: string, service: string, delivery: Delivery, command: ServiceCommand): Promise<Answer> {
    const stream = serviceStreamId(mesh, service);
    const decideAt = async (state: ServiceState, version: number, at: number): Promise<Decision<ServiceEvent>> => {
      const mayGoUp = WAYS_UP.includes(command.type) && (state.rollout !== undefined || command.type === 'Deploy');
      const [readiness, why] = await Promise.all([readinessNow(ports, mesh, service, state), mayGoUp ? trustAdvises(mesh) : undefined]);
      return decide(state, command, { now: at, version: version + 1, ...readiness, ...(why === undefined ? {} : { trustChanges: why }) });
    };
    const racing = { ...delivery, wayBack: WAYS_BACK.includes(command.type) };
    const appended = await patiently(() => append(documents, serviceStream, stream, racing, now, decideAt));
    await afterCommit(stream, appended, (claimed) => runServiceEffects(effects, mesh, service, claimed));
    // The first delivery may have died between its commit and its effects: what it owes is not left to the sweep.
    if (delivery.recordRefusal && appended.answer.repeated && appended.answer.outcome === 'accepted') await observed(mesh, service);
    return appended.answer;
  }

  /** It is advice: where it cannot be asked for, nothing waits. */
  const trustAdvises = (mesh: string): Promise<string | undefined> =>
    trustChangesIn(documents, mesh).catch((error: unknown) => {
      ports.report(`Whether a rotation of ${mesh} is changing its trust could not be read.`, error);
      return undefined;
    });

  /** What a mesh has adopted counts at once: a delivery may overtake the hand-over of the spec it was matched by. */
  async function giveFromOutside(mesh: string, service: string, delivery: Delivery, command: ServiceCommand): Promise<Answer> {
    const { state } = (await loadHead(documents, serviceStream, serviceStreamId(mesh, service))).head;
    if (!state.spec || state.retired) await handOver(effects, mesh, service);
    return giveService(mesh, service, delivery, command);
  }

  async function giveMesh(mesh: string, delivery: Delivery, command: MeshCommand): Promise<Answer> {
    const stream = meshStreamId(mesh);
    const appended = await patiently(() => append(documents, meshStream, stream, delivery, now, (state) => decideMesh(state, command)));
    await afterCommit(stream, appended, (claimed) => runMeshEffects(effects, mesh, claimed));
    return appended.answer;
  }

  /** What fails here is owed, not lost: it stays pending in the head. */
  async function afterCommit<State>(
    stream: string,
    appended: Appended<State>,
    run: (claimed: readonly PendingEffect[]) => Promise<void>,
  ): Promise<void> {
    if (!appended.head) return;
    try {
      if (appended.claimed.length > 0) await run(appended.claimed);
      await setAlarm(stream);
    } catch (error) {
      ports.report(`What ${stream} owes could not be done at once; the sweep takes it up.`, error);
    }
  }

  const wakeAtOf = async (stream: string): Promise<number | undefined> => (await documents.read(stream, 'head'))?.document.wakeAt;

  async function setAlarm(stream: string): Promise<void> {
    const wakeAt = await wakeAtOf(stream);
    if (wakeAt !== undefined) await ports.setAlarm(stream, wakeAt);
  }

  async function wake(stream: string): Promise<void> {
    if (await tend(stream)) return setAlarm(stream);
    // Whoever did the work has set the next alarm: one that finds nothing ends, or every commit would add one that never does.
    const [wakeAt, at] = [await wakeAtOf(stream), now()];
    if (wakeAt === undefined || wakeAt >= at + CLOCKS_APART_MS) return;
    await ports.setAlarm(stream, wakeAt > at ? wakeAt : at + LEFT_ALONE_MS);
  }

  /** Whether there was an effect to take up. */
  async function tend(stream: string): Promise<boolean> {
    const [kind, mesh, service] = stream.split('/');
    if (kind === 'mesh' && mesh) {
      const claimed = await claimDue(documents, meshStream, stream, now());
      if (claimed.length > 0) await runMeshEffects(effects, mesh, claimed);
      return claimed.length > 0;
    }
    if (kind === 'trust' && mesh) return trust.tend(mesh);
    if (kind !== 'service' || !mesh || !service) return false;
    await passDeadlines(mesh, service);
    const claimed = await claimDue(documents, serviceStream, stream, now());
    if (claimed.length > 0) await runServiceEffects(effects, mesh, service, claimed);
    return claimed.length > 0;
  }

  async function passDeadlines(mesh: string, service: string): Promise<void> {
    for (let passed = 0; passed < DEADLINES_IN_A_ROW; passed += 1) {
      const { head } = await loadHead(documents, serviceStream, serviceStreamId(mesh, service));
      const deadline = nextDeadline(head.state);
      if (!deadline || deadline.at > now()) return;
      const id = `deadline/${serviceStreamId(mesh, service)}/${deadline.name}/${deadline.at}`;
      const delivery = { id, actor: 'meshwright', recordRefusal: false };
      await giveService(mesh, service, delivery, { type: 'Elapsed', deadline: deadline.name, dueAt: deadline.at });
    }
  }

  /** Looking is harmless, so it asks nobody who holds the effects; they are settled only where they are done. */
  async function observed(mesh: string, service: string): Promise<void> {
    const stream = serviceStreamId(mesh, service);
    const { head } = await loadHead(documents, serviceStream, stream);
    if (!head.state.spec) return;
    const serves = Object.values(head.pending).filter(({ kind }) => kind === 'serve');
    if (serves.length > 0) {
      await runServiceEffects(effects, mesh, service, serves);
      // These effects are dated anew, and whatever a commit in there leads to comes after them: no alarm there is knows of either.
      await setAlarm(stream).catch((error) => ports.report(`No alarm could be set for ${stream}; the sweep takes it up.`, error));
    }
    if (head.state.rollout) await effects.prompt(mesh, service, recheckId(mesh, service, head.version), { type: 'Recheck' });
  }

  async function sweep(): Promise<{ streams: number; failed: number }> {
    const tended = new Set<string>();
    const ends = now() + SWEEP_MS;
    let failed = 0;
    for (let page = 1; page <= SWEEP_PAGES && now() < ends; page += 1) {
      // Each page looks further: streams that stay due, because they fail, must not hide the others.
      const asked = page * SWEEP_PAGE;
      const due = await documents.due(now(), asked);
      const fresh = due.map(({ partition }) => partition).filter((partition) => !tended.has(partition));
      for (let index = 0; index < fresh.length && now() < ends; index += SWEEP_AT_ONCE) {
        const row = fresh.slice(index, index + SWEEP_AT_ONCE);
        failed += (await Promise.all(row.map(wakeOrReport))).filter((well) => !well).length;
        for (const partition of row) tended.add(partition);
      }
      if (due.length < asked) break;
    }
    await documents.removeExpired(now(), SWEEP_PAGE * SWEEP_PAGES);
    return { streams: tended.size, failed };
  }

  async function renewAlarms(): Promise<void> {
    const waiting = await documents.due(Number.MAX_SAFE_INTEGER, SWEEP_PAGE * SWEEP_PAGES);
    await Promise.all(waiting.map(({ partition, wakeAt }) => ports.setAlarm(partition, wakeAt)));
  }

  async function wakeOrReport(stream: string): Promise<boolean> {
    try {
      // Nothing that is left alone gets an alarm here: each sweep would add one, and the next sweep comes anyway.
      if (await tend(stream)) await setAlarm(stream);
      return true;
    } catch (error) {
      ports.report(`The sweep could not tend ${stream}; it tries again in the next one.`, error);
      return false;
    }
  }

  return {
    service: giveFromOutside,
    mesh: giveMesh,
    trust,
    wake,
    observed,
    drift: (where) => lookForDrift(effects, where),
    sweep,
    renewAlarms,
  };
}

async function patiently<Result>(attempt: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (tries >= TRIES) throw error;
    }
  }
}
