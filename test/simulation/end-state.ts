/** What must be true once nothing goes wrong any more and everything had its time: all is done, said, and as it was decided. */

import { documentIdOf } from '../../src/journal/hash.ts';
import { verifyChain } from '../../src/journal/history.ts';
import { foldCommits, loadHead } from '../../src/journal/journal.ts';
import { refusalBodySchema } from '../../src/journal/stream.ts';
import { fragmentsSince } from '../../src/reconcile/model.ts';
import { serviceStream } from '../../src/rollouts/service-stream.ts';
import { meshStream } from '../../src/spec/adoption.ts';
import type { DataPlane } from './envoys.ts';
import { type Invariants, planOf } from './invariants.ts';
import { eventDelivery, type Push } from './payloads.ts';
import type { Post } from './post.ts';
import type { Workload } from './workload.ts';
import type { World } from './world.ts';

export interface Ended {
  readonly world: World;
  readonly invariants: Invariants;
  readonly post: Post;
  readonly dataPlanes: readonly DataPlane[];
  readonly workload: Workload;
}

export async function checkEnd(ended: Ended): Promise<void> {
  await chainsHold(ended);
  await modelSaysWhatWasDecided(ended);
  await specsAreHandedOver(ended);
  await answersAreRecorded(ended);
  const unsent = ended.invariants.cardsUnsent();
  if (unsent.length > 0) ended.world.violate('people are told', unsent.join());
  if (ended.workload.family === 'pushes') newestPushWins(ended);
}

/** What is left to do, in words; empty when all is at rest. */
export function unfinished({ invariants, post, dataPlanes, world }: Ended, busy: boolean): string[] {
  const left = [...invariants.streams.pending.map((key) => `pending ${key}`)];
  if (post.outstanding > 0) left.push(`${post.outstanding} deliveries`);
  for (const [service, { rollout }] of invariants.streams.services) if (rollout) left.push(`${service} is ${rollout.phase.name}`);
  if (busy) left.push('an instance is busy');
  for (const dataPlane of dataPlanes) if (!dataPlane.atRest(invariants.pointer)) left.push(`${dataPlane.name} is not at rest`);
  if (left.length === 0 && world.faults.on) left.push('faults are on');
  return left;
}

async function chainsHold({ world, invariants }: Ended): Promise<void> {
  for (const name of invariants.streams.names) {
    const service = name.startsWith('service/');
    const chain = await (service ? verifyChain(world.store, serviceStream, name) : verifyChain(world.store, meshStream, name));
    if (!chain.holds) world.violate('the chain of hashes holds', chain.message);
    const [head, folded] = service
      ? [(await loadHead(world.store, serviceStream, name)).head, await foldCommits(world.store, serviceStream, name)]
      : [(await loadHead(world.store, meshStream, name)).head, await foldCommits(world.store, meshStream, name)];
    if (inOrder(head.state) !== inOrder(folded.state)) world.violate('replay reaches the head', name);
  }
}

async function modelSaysWhatWasDecided({ world, invariants, dataPlanes }: Ended): Promise<void> {
  const fragments = await fragmentsSince(world.store, 'shop', 0);
  for (const [service, state] of invariants.streams.services) {
    const plan = planOf(state);
    const fragment = fragments.find((each) => each.service === service);
    if (inOrder(fragment?.plan ?? null) !== inOrder(plan)) world.violate('every fragment says what was decided', service);
  }
  const newest = Math.max(0, ...fragments.map(({ sequence }) => sequence));
  for (const { nodes } of dataPlanes) {
    for (const node of nodes) {
      const behind = fragments.filter(({ service, sequence }) => node.accepted.get(service)?.sequence !== sequence);
      if (behind.length > 0 || node.served !== newest) {
        world.violate('every node serves the newest', `${node.name} is at ${node.served} of ${newest}`);
      }
    }
  }
}

async function specsAreHandedOver({ world, invariants }: Ended): Promise<void> {
  const { state } = (await loadHead(world.store, meshStream, 'mesh/shop')).head;
  for (const [service, { spec, retired }] of invariants.streams.services) {
    if (service in state.services === retired) world.violate('a spec reaches its services', `${service} retired: ${retired}`);
    const adopted = await world.store.read('spec/shop', state.services[service] ?? '');
    if (!retired && inOrder(spec) !== inOrder(adopted?.document.body)) world.violate('the newest spec is in force', service);
    if (spec && !retired && spec.dataPlanes.some((name) => !state.spec?.dataPlanes.some((each) => each.name === name))) {
      world.violate('a service lives on data planes of its mesh', service);
    }
  }
  for (const service in state.services) {
    if (!invariants.streams.services.some(([name]) => name === service)) world.violate('a spec reaches its services', service);
  }
}

/** An answer that was given is an answer that is kept. */
async function answersAreRecorded({ world, invariants, post }: Ended): Promise<void> {
  for (const { parcel, reply } of post.answered) {
    if (reply.parked !== undefined && !(await world.store.read('parked', reply.parked)))
      world.violate('what is parked is kept', parcel.what);
    const { deliveryId } = parcel;
    if (deliveryId === undefined) continue;
    for (const answer of reply.answers) {
      if (answer.outcome === 'accepted') {
        if (!invariants.streams.hasCommit(answer.stream, deliveryId)) world.violate('what was accepted is committed', parcel.what);
        continue;
      }
      const found = await world.store.read(answer.stream, documentIdOf(deliveryId));
      const kept = found && found.document.kind === 'refusal' ? refusalBodySchema.parse(found.document.body) : undefined;
      if (kept?.reason !== answer.reason || kept.message !== answer.message) world.violate('a refusal is kept', parcel.what);
    }
  }
}

/** Where nothing but pushes happened, the newest of a repository is what serves, in whatever order they came. */
function newestPushWins({ world, invariants, workload, post }: Ended): void {
  // What came before its service was in any spec is parked, and counts only if it came once more.
  const heard = new Set(post.answered.flatMap(({ parcel, reply }) => (reply.answers.length === 0 ? [] : [parcel.deliveryId])));
  for (const { name, repository } of workload.services) {
    const pushes = workload.pushes.filter((push) => push.repository === repository && heard.has(eventDelivery(push.id)));
    const newest = pushes.reduce<(typeof pushes)[number] | undefined>(
      (best, push) => (best && comparePlaces(best, push) >= 0 ? best : push),
      undefined,
    );
    const serves = invariants.streams.services.find(([service]) => service === name)?.[1].stable;
    if (newest && (serves?.version !== newest.tag || (serves.digest !== undefined && serves.digest !== newest.digest))) {
      world.violate(
        'the newest push serves in the end',
        `${name}: ${serves?.version}@${serves?.digest} instead of ${newest.tag}@${newest.digest}`,
      );
    }
  }
}

const inOrder = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

/** By source time, then by what distinguishes equal times; written down here again so that it is not the code's own order. */
function comparePlaces(a: Push, b: Push): number {
  if (a.time !== b.time) return a.time - b.time;
  const [left, right] = [`${a.digest}/${a.tag}`, `${b.digest}/${b.tag}`];
  return left === right ? 0 : left < right ? -1 : 1;
}
