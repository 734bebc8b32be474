/**
 * Doing what the journal says is owed: serving a plan on a data plane, looking at readiness, handing a spec to a service,
 * telling people. Every run may be the second one, may come late, and may end at any await; what it leaves is taken up
 * again. Results are settlements: done, or again at a time.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Documents } from '../journal/documents.ts';
import { loadHead, type Settlement, settle } from '../journal/journal.ts';
import type { PendingEffect } from '../journal/stream.ts';
import { planService } from '../plan/plan-service.ts';
import type { ServiceCommand } from '../rollouts/commands.ts';
import { serviceStream, serviceStreamId } from '../rollouts/service-stream.ts';
import type { ServiceState } from '../rollouts/state.ts';
import { meshStream, meshStreamId } from '../spec/adoption.ts';
import { readServiceSpec } from './adopted-specs.ts';
import type { DataPlane } from './data-plane.ts';
import { lookWhetherGone } from './drift.ts';
import { forgetBrought, keptBackBy } from './first-bring.ts';
import { type Fragment, readFragment, writeFragment } from './model.ts';
import { oweLook } from './owed-looks.ts';
import { allEnded, failed, retry, runAll, type SettlingPorts, tell } from './settling.ts';

const HANDED_OVER_AT_ONCE = 10;
/** Where nobody can see what is served, what came before is kept this long: proxies may still go by it. */
const UNSEEN_MS = 30_000;

export interface EffectPorts extends SettlingPorts {
  readonly documents: Documents;
  /** `undefined`: no such data plane in the adopted spec, or none that this build can reach. */
  readonly dataPlane: (mesh: string, name: string) => Promise<DataPlane | undefined>;
  /** Hands a mesh's trust what the adopted spec says of certificates. */
  readonly govern: (mesh: string) => Promise<void>;
  /** Gives a command of the app's own to a service's stream. */
  readonly prompt: (mesh: string, service: string, promptId: string, command: ServiceCommand) => Promise<void>;
}

/**
 * Runs what was claimed. A failure of one effect is reported, dated anew and never stops another; what has ended is settled
 * without waiting for the rest, so that nobody takes up a card that was sent while a data plane is slow.
 */
export async function runServiceEffects(
  ports: EffectPorts,
  mesh: string,
  service: string,
  claimed: readonly PendingEffect[],
): Promise<void> {
  const settled = async (running: Promise<readonly Settlement[]>): Promise<void> =>
    settle(ports.documents, serviceStream, serviceStreamId(mesh, service), await running);
  const serves = claimed.filter(({ kind }) => kind === 'serve');
  const others = claimed.filter(({ kind }) => kind !== 'serve');
  await allEnded([
    serveAll(ports, mesh, service, serves, settled),
    ...others.map((effect) => settled(runAll(ports, [effect], (each) => lookOrTell(ports, mesh, service, each)))),
  ]);
}

const lookOrTell = (ports: EffectPorts, mesh: string, service: string, effect: PendingEffect): Promise<Settlement> =>
  effect.kind === 'watch' ? watch(ports, mesh, service, effect) : tell(ports, mesh, service, effect);

/** Of the mesh's own stream: specs to hand over to services and to its trust, cards. */
export async function runMeshEffects(ports: EffectPorts, mesh: string, claimed: readonly PendingEffect[]): Promise<void> {
  const settled = async (running: Promise<readonly Settlement[]>): Promise<void> =>
    settle(ports.documents, meshStream, meshStreamId(mesh), await running);
  const specifies = claimed.filter(({ kind }) => kind === 'specify');
  const others = claimed.filter(({ kind }) => kind !== 'specify');
  const governOrTell = (effect: PendingEffect): Promise<Settlement> =>
    effect.kind === 'govern' ? govern(ports, mesh, effect) : tell(ports, mesh, undefined, effect);
  await allEnded([handOverAll(), ...others.map((effect) => settled(runAll(ports, [effect], governOrTell)))]);

  /** Settled together: the head of a mesh names all its services, and is not written once for each of them. */
  async function handOverAll(): Promise<void> {
    for (let index = 0; index < specifies.length; index += HANDED_OVER_AT_ONCE) {
      await settled(runAll(ports, specifies.slice(index, index + HANDED_OVER_AT_ONCE), (effect) => specify(ports, mesh, effect)));
    }
  }
}

/** Each data plane is settled by itself: one that is slow or away keeps no other from being known to be done. */
async function serveAll(
  ports: EffectPorts,
  mesh: string,
  service: string,
  effects: readonly PendingEffect[],
  settled: (running: Promise<readonly Settlement[]>) => Promise<void>,
): Promise<void> {
  if (effects.length === 0) return;
  let fragment: Fragment;
  try {
    const restores = effects.every(({ data }) => data?.restores === true);
    fragment = (restores ? await published(ports.documents, mesh, service) : undefined) ?? (await publish(ports.documents, mesh, service));
  } catch (error) {
    return settled(Promise.resolve(effects.map((effect) => failed(ports, effect, error))));
  }
  await allEnded(
    effects.map(async (effect) => {
      await settled(runAll(ports, [effect], (each) => serve(ports, onDataPlane(fragment, each.target), each)));
      if (effect.data?.restores) await lookWhetherGone(ports, { mesh, service, dataPlane: effect.target });
    }),
  );
}

/** What is published already, where it is what the head says at rest: what is put back on one data plane is no new revision to the others. */
async function published(documents: Documents, mesh: string, service: string): Promise<Fragment | undefined> {
  const { head } = await loadHead(documents, serviceStream, serviceStreamId(mesh, service));
  const fragment = await readFragment(documents, mesh, service);
  return !head.state.rollout && isDeepStrictEqual(fragment?.plan, planOf(mesh, head.state)) ? fragment : undefined;
}

/** Writes what the head says now into the read model; where that holds something later, answers with that. */
export async function publish(documents: Documents, mesh: string, service: string): Promise<Fragment> {
  const { head } = await loadHead(documents, serviceStream, serviceStreamId(mesh, service));
  const plan = planOf(mesh, head.state);
  const waits = head.state.rollout?.phase.name !== 'returning';
  const written = await writeFragment(documents, { mesh, service, revision: head.version, plan }, waits);
  const later = written.revision > head.version ? await readFragment(documents, mesh, service) : undefined;
  return later ?? { mesh, service, plan, ...written };
}

const planOf = (mesh: string, state: ServiceState) =>
  state.spec && !state.retired && state.split.length > 0 ? planService(mesh, state.spec, { split: state.split }) : null;

/** Where the service does not live, there is no plan for it. */
const onDataPlane = (fragment: Fragment, name: string): Fragment =>
  fragment.plan?.dataPlanes.includes(name) ? fragment : { ...fragment, plan: null };

async function serve(ports: EffectPorts, fragment: Fragment, effect: PendingEffect): Promise<Settlement> {
  const { mesh, service, revision } = fragment;
  const dataPlane = await ports.dataPlane(mesh, effect.target);
  if (!dataPlane) {
    // One that left the mesh has nobody to be served; one that this build cannot reach yet is still owed.
    const { head } = await loadHead(ports.documents, meshStream, meshStreamId(mesh));
    const named = head.state.spec?.dataPlanes.some(({ name }) => name === effect.target) ?? false;
    return named ? retry(ports, effect, `This build reaches no data plane ${effect.target}.`) : { effect, outcome: 'done' };
  }
  const without = await keptBackBy(ports, dataPlane, fragment, effect.target);
  if (without.length > 0) return keepBack(ports, fragment, effect, without);
  const applied = await dataPlane.apply(fragment);
  const seen = applied.kind === 'refused' ? applied : await dataPlane.observe(fragment, ports.now());
  const tell = (word: string, command: ServiceCommand): Promise<void> =>
    ports.prompt(mesh, service, `${word}/${mesh}/${service}/${effect.target}/${revision}`, command);
  switch (seen.kind) {
    case 'served':
      await tell('converged', { type: 'Converged', dataPlane: effect.target, revision });
      return prune(ports, fragment, effect, dataPlane);
    case 'unobserved': {
      await tell('converged', { type: 'Converged', dataPlane: effect.target, revision, unobserved: seen.reason });
      const at = effect.since + UNSEEN_MS;
      return at > ports.now() ? { effect, outcome: 'retry', at } : prune(ports, fragment, effect, dataPlane);
    }
    case 'waiting':
      return retry(ports, effect, seen.because);
    case 'refused':
    case 'rejected': {
      const message = seen.kind === 'refused' ? seen.message : `${seen.node}: ${seen.message}`;
      await tell('rejected', { type: 'Rejected', dataPlane: effect.target, revision, message });
      return retry(ports, effect, message);
    }
  }
}

/** Nothing is written yet; it is tried again by itself, and said once. */
async function keepBack(
  ports: EffectPorts,
  { mesh, service }: Fragment,
  effect: PendingEffect,
  without: readonly string[],
): Promise<Settlement> {
  const version = without.join(' and ');
  const id = `kept-back/${mesh}/${service}/${effect.target}/${effect.revision}`;
  await ports.prompt(mesh, service, id, { type: 'KeptBack', dataPlane: effect.target, version });
  return retry(ports, effect, `${version} has no ready endpoint there; nothing is written until it has one.`);
}

/** What is served leaves what came before it unused; what cannot be taken away is still owed. */
async function prune(ports: EffectPorts, fragment: Fragment, effect: PendingEffect, dataPlane: DataPlane): Promise<Settlement> {
  const { mesh, service, plan } = fragment;
  const pruned = await dataPlane.prune?.(fragment);
  if (pruned?.kind === 'refused') return retry(ports, effect, pruned.message);
  const where = { mesh, service, dataPlane: effect.target };
  if (plan === null && dataPlane.drift) await forgetBrought(ports.documents, where);
  // Whoever answers our writes by writing over them has done so by the time of the look. What is put back is looked at by itself.
  if (plan !== null && dataPlane.drift && !effect.data?.restores) await oweLook(ports.documents, where, ports.now());
  return { effect, outcome: 'done' };
}

/** Looks at readiness for as long as the state hangs on it. */
async function watch(ports: EffectPorts, mesh: string, service: string, effect: PendingEffect): Promise<Settlement> {
  const stream = serviceStreamId(mesh, service);
  const before = await loadHead(ports.documents, serviceStream, stream);
  await ports.prompt(mesh, service, recheckId(mesh, service, before.head.version), { type: 'Recheck' });
  const { head } = await loadHead(ports.documents, serviceStream, stream);
  return hangsOnReadiness(head.state) ? retry(ports, effect) : { effect, outcome: 'done' };
}

/** One look at one state: two that look at the same version decide once. */
export const recheckId = (mesh: string, service: string, version: number): string => `recheck/${mesh}/${service}/${version}`;

function hangsOnReadiness(state: ServiceState): boolean {
  const phase = state.rollout?.phase;
  return phase?.name === 'waiting' || phase?.name === 'blocked' || (phase?.name === 'holding' && phase.overdue);
}

async function govern(ports: EffectPorts, mesh: string, effect: PendingEffect): Promise<Settlement> {
  await ports.govern(mesh);
  return { effect, outcome: 'done' };
}

async function specify(ports: EffectPorts, mesh: string, effect: PendingEffect): Promise<Settlement> {
  await handOver(ports, mesh, effect.target);
  return { effect, outcome: 'done' };
}

/** Hands a service its part of the adopted spec, or retires it; harmless where it has it already. */
export async function handOver(ports: EffectPorts, mesh: string, service: string): Promise<void> {
  const { head } = await loadHead(ports.documents, meshStream, meshStreamId(mesh));
  const { specVersion, services } = head.state;
  const hash = Object.hasOwn(services, service) ? services[service] : undefined;
  const command: ServiceCommand = hash
    ? { type: 'Specify', spec: await readServiceSpec(ports.documents, mesh, hash), specVersion }
    : { type: 'Retire', specVersion };
  await ports.prompt(mesh, service, `specify/${mesh}/${service}/${specVersion}`, command);
}
