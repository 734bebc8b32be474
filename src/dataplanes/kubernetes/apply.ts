/**
 * Brings one service's objects to a cluster. Requests are first taken from whom the plan gives none; then make before break: what
 * changes is tried by a dry run first, so that nothing is half applied, and written in order; what is no longer rendered is taken
 * away by `prune`, once what replaced it is seen to be served. Each write is over the very state it was decided on, and a lower
 * revision never overwrites a higher one: each object carries the newest, so that none of them can be written by who looked before.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { Applied } from '../../reconcile/data-plane.ts';
import { besideMessage, type FieldBeside, fieldsBeside } from './beside.ts';
import { type Cluster, ClusterUnavailable, type DesiredObject, type KubernetesObject, type Refused, type ResourceKind } from './cluster.ts';
import { otherOwnerOf } from './managed-fields.ts';
import { ownerLabels } from './objects.ts';
import { isUpToDate, othersHoldPartOf, ownerOf, revisionOf, sameName, saysTheSame, stamped, stampedAs } from './ownership.ts';
import { type Split, takenBack } from './way-back.ts';

const TRIES = 5;
const AT_ONCE = 8;

export interface Bringing {
  readonly mesh: string;
  readonly service: string;
  readonly revision: number;
  /** In the order in which they are applied, each before those that name it. Empty: the service is gone. */
  readonly objects: readonly JsonObject[];
  /** Every kind that the mesh's renderer may render. */
  readonly kinds: readonly ResourceKind[];
  /** Those of `kinds` that name others: what is left over of them goes first. */
  readonly naming: readonly ResourceKind[];
  /** Of objects of one kind that are left over the lower goes first. */
  readonly orderOfLeaving?: (object: KubernetesObject) => number;
  /** Those of `kinds` that divide requests. */
  readonly splits: readonly Split[];
  /** Those of `kinds` whose objects hold for a whole namespace where they select nothing. */
  readonly selecting: readonly ResourceKind[];
  /** The newest revision that is decided here; 0: none is. */
  readonly decided: () => Promise<number>;
  /** Why it may not be brought; asked once requests are taken from whom the plan gives none. */
  readonly gate?: () => Promise<string | undefined>;
  /** Takes fields from other managers. */
  readonly force: boolean;
  /** What must be there beside `desired` for as long as proxies may still go by `live`. */
  readonly widened: (desired: DesiredObject, live: KubernetesObject) => DesiredObject;
}

/** An object as it is to be, and as it is. */
interface Pair {
  readonly desired: DesiredObject;
  readonly live: KubernetesObject | undefined;
}

interface Owned {
  readonly kind: ResourceKind;
  readonly object: KubernetesObject;
}

interface Found {
  readonly kind: 'found';
  readonly pairs: readonly Pair[];
  /** Ours, and no longer rendered. */
  readonly leftOver: readonly Owned[];
}

/** They carry a later revision than the one that is to be brought. */
interface Overtaken {
  readonly kind: 'overtaken';
  readonly by: number;
}

type Refusal = Extract<Applied, { kind: 'refused' }>;

/** `again`: somebody else was faster, and what was seen counts no more. */
type Step = Applied | 'again';

/** Adds and changes. Throws `ClusterUnavailable`. */
export function bring(cluster: Cluster, bringing: Bringing): Promise<Applied> {
  return untilUndisturbed(cluster, bringing, async ({ pairs, leftOver }) => {
    const taken = await takeRequests(cluster, bringing, pairs);
    if (taken) return taken;
    const refusal = await bringing.gate?.();
    if (refusal !== undefined) return { kind: 'refused', message: refusal };
    const widened = pairs.map(({ desired, live }) => ({
      desired: live ? stampedAs(bringing.widened(desired, live), bringing.revision) : desired,
      live,
    }));
    const written = await write(cluster, bringing, widened);
    if (written === 'again' || written.kind === 'refused') return written;
    return takeAway(
      cluster,
      bringing,
      leftOver.filter(({ kind }) => bringing.naming.includes(kind)),
    );
  });
}

/** Takes away what only served what came before; for when `bringing` is seen to be served. Throws `ClusterUnavailable`. */
export function prune(cluster: Cluster, bringing: Bringing): Promise<Applied> {
  return untilUndisturbed(cluster, bringing, async ({ pairs, leftOver }) => {
    const written = await write(cluster, bringing, pairs);
    if (written === 'again' || written.kind === 'refused') return written;
    return takeAway(cluster, bringing, leftOver);
  });
}

async function untilUndisturbed(cluster: Cluster, bringing: Bringing, attempt: (found: Found) => Promise<Step>): Promise<Applied> {
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const found = await look(cluster, bringing);
    if (found.kind === 'refused') return found;
    // Asked after the look: who finds nothing because the service was retired meanwhile does not make it anew.
    const decided = await bringing.decided();
    if (found.kind === 'overtaken' && found.by > decided) return { kind: 'refused', message: writtenByAnother(bringing.service) };
    // Whoever brings the newer one sees to it.
    if (found.kind === 'overtaken' || decided > bringing.revision) return { kind: 'applied' };
    const step = await attempt(found);
    if (step !== 'again') return step;
  }
  throw new ClusterUnavailable(`The objects of ${bringing.service} in ${bringing.mesh} are being changed by others without pause.`);
}

/** Of objects with a revision that was never decided here. */
export const writtenByAnother = (service: string): string =>
  `The objects of ${service} carry a later revision than there is here, so that nothing is written over them: another meshwright writes them, or the state of this one is older than they are. Let one of them go, or delete the objects.`;

export async function look(cluster: Cluster, bringing: Bringing): Promise<Found | Overtaken | Refusal> {
  const owned = await ownedObjects(cluster, bringing);
  if ('message' in owned) return { kind: 'refused', message: owned.message };
  const newest = Math.max(0, ...owned.map(({ object }) => revisionOf(object)));
  if (newest > bringing.revision) return { kind: 'overtaken', by: newest };
  const isOf =
    (desired: DesiredObject) =>
    ({ kind, object }: Owned): boolean =>
      kind === desired.kind && sameName(object.metadata, desired.metadata);
  const wanted = bringing.objects.map((object) => stamped(object, bringing.revision, bringing.kinds));
  const pairs: Pair[] = [];
  for (const desired of wanted) {
    const mine = owned.find(isOf(desired));
    const live = mine ?? (await unlabelled(cluster, desired, bringing));
    if (live && 'message' in live) return { kind: 'refused', message: live.message };
    pairs.push({ desired, live: live?.object });
  }
  return { kind: 'found', pairs, leftOver: owned.filter((each) => !wanted.some((desired) => isOf(desired)(each))) };
}

async function ownedObjects(cluster: Cluster, { mesh, service, kinds }: Bringing): Promise<readonly Owned[] | Refused> {
  const lists = await Promise.all(
    kinds.map(async (kind) => ({ kind, listed: await cluster.list(kind, { labels: ownerLabels(mesh, service) }) })),
  );
  const owned: Owned[] = [];
  for (const { kind, listed } of lists) {
    // Of a kind that is not installed there is nothing to take away; whether it is missed, its own apply says.
    if (listed.kind === 'refused' && listed.status !== 404) return listed;
    if (listed.kind === 'listed') owned.push(...listed.objects.map((object) => ({ kind, object })));
  }
  return owned;
}

/** What has the name of `desired` and not our labels. */
async function unlabelled(cluster: Cluster, desired: DesiredObject, { mesh, service }: Bringing): Promise<Owned | Refused | undefined> {
  const { kind, metadata } = desired;
  const there = await cluster.get(kind, metadata);
  if (there.kind === 'absent') return undefined;
  if (there.kind === 'refused') return there;
  const owner = ownerOf(there.object);
  if (owner === undefined || (owner.mesh === mesh && owner.service === service)) return { kind, object: there.object };
  const message = `${kind.kind} ${metadata.namespace}/${metadata.name} is of ${owner.service} in mesh ${owner.mesh}; give one of them another name or namespace.`;
  return { kind: 'refused', status: 409, message };
}

/** `undefined`: there was nothing to take. Every object is tried, since each is whole by itself. */
async function takeRequests(cluster: Cluster, { splits, revision, force }: Bringing, pairs: readonly Pair[]): Promise<Step | undefined> {
  let step: Step | undefined;
  for (const { desired, live } of pairs) {
    const taken = live && takenBack(desired, live, splits);
    if (!taken) continue;
    const outcome = await cluster.apply(stampedAs(taken, revision), { over: live.metadata, force, dryRun: false });
    if (outcome.kind === 'applied' || outcome.kind === 'moved') step ??= 'again';
    else step = { kind: 'refused', message: outcome.message };
  }
  return step;
}

async function write(cluster: Cluster, { force, revision }: Bringing, pairs: readonly Pair[]): Promise<Step> {
  const mixed = pairs.flatMap(({ desired, live }) => mixedUp(desired, live));
  if (mixed.length > 0 && !force) {
    return { kind: 'refused', message: mixed.map(({ desired, fields }) => besideMessage(desired, fields)).join(' ') };
  }
  const stale = pairs.filter(({ desired, live }) => !live || !isUpToDate(desired, live));
  const [raised, changed] = [stale.filter(isRaised), stale.filter((pair) => !isRaised(pair))];
  const one = async ({ desired, live }: Pair, dryRun: boolean): Promise<Step> => {
    const outcome = await cluster.apply(desired, { over: live?.metadata ?? 'absent', force, dryRun });
    if (outcome.kind === 'moved') return 'again';
    return outcome.kind === 'applied' ? outcome : { kind: 'refused', message: outcome.message };
  };
  // One alone is whole or not at all.
  const tried = changed.length > 1 ? await severalAtOnce(changed, (pair) => one(pair, true)) : DONE;
  if (!isDone(tried)) return tried;
  for (const pair of changed) {
    const written = await one(pair, false);
    if (!isDone(written)) return written;
  }
  const all = await severalAtOnce(raised, (pair) => one(pair, false));
  return isDone(all) ? takeOut(cluster, revision, mixed) : all;
}

/** An object that others have put fields into. */
interface Mixed {
  readonly desired: DesiredObject;
  readonly live: KubernetesObject;
  readonly fields: readonly FieldBeside[];
}

function mixedUp(desired: DesiredObject, live: KubernetesObject | undefined): readonly Mixed[] {
  const fields = live ? fieldsBeside(desired, live) : [];
  return live && fields.length > 0 ? [{ desired, live, fields }] : [];
}

/** Once ours stands, so that what is taken out is never all that held. */
async function takeOut(cluster: Cluster, revision: number, mixed: readonly Mixed[]): Promise<Step> {
  for (const { desired } of mixed) {
    const there = await cluster.get(desired.kind, desired.metadata);
    if (there.kind === 'refused') return { kind: 'refused', message: there.message };
    if (there.kind === 'absent' || revisionOf(there.object) !== revision) return 'again';
    for (const { live, fields } of mixedUp(desired, there.object)) {
      const paths = fields.map(({ path }) => path);
      const outcome = await cluster.remove(desired.kind, live, paths);
      if (outcome.kind === 'moved') return 'again';
      if (outcome.kind === 'refused') return { kind: 'refused', message: outcome.message };
    }
  }
  return DONE;
}

const DONE: Step = { kind: 'applied' };
const isDone = (step: Step): boolean => step !== 'again' && step.kind === 'applied';
/** Nothing of it changes but the revision. */
const isRaised = ({ desired, live }: Pair): boolean => live !== undefined && saysTheSame(desired, live);

/** The first in order that is not done counts. */
async function severalAtOnce(pairs: readonly Pair[], run: (pair: Pair) => Promise<Step>): Promise<Step> {
  for (let index = 0; index < pairs.length; index += AT_ONCE) {
    const failed = (await Promise.all(pairs.slice(index, index + AT_ONCE).map(run))).find((step) => !isDone(step));
    if (failed) return failed;
  }
  return DONE;
}

/**
 * What names others goes before them. An object that holds what others put there is let go of, not deleted; but for one that would
 * select nothing any more.
 */
async function takeAway(cluster: Cluster, bringing: Bringing, leftOver: readonly Owned[]): Promise<Step> {
  const { kinds, orderOfLeaving, force } = bringing;
  const place = ({ object }: Owned): number => orderOfLeaving?.(object) ?? 0;
  const inOrder = leftOver.toSorted((a, b) => kinds.indexOf(b.kind) - kinds.indexOf(a.kind) || place(a) - place(b));
  for (const { kind, object } of inOrder) {
    const { namespace, name } = object.metadata;
    const nothing: DesiredObject = { kind, metadata: { namespace, name, labels: {}, annotations: {} }, content: {} };
    const outcome = isLeftToOthers(bringing, { kind, object })
      ? await cluster.apply(nothing, { over: object.metadata, force, dryRun: false })
      : await cluster.delete(kind, object);
    if (outcome.kind === 'moved') return 'again';
    if (outcome.kind === 'refused' || outcome.kind === 'conflict') return { kind: 'refused', message: outcome.message };
  }
  return DONE;
}

const isLeftToOthers = ({ selecting }: Bringing, { kind, object }: Owned): boolean =>
  othersHoldPartOf(object) && (!selecting.includes(kind) || otherOwnerOf(object, ['spec', 'selector']) !== undefined);
