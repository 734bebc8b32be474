/**
 * Brings one service's objects to a cluster, make before break: everything is tried by a dry run first, so that nothing is half
 * applied; then written in order; what is no longer rendered is taken away by `prune`, once what replaced it is seen to be
 * served. Each write is over the very state it was decided on, and a lower revision never overwrites a higher one.
 */
import type { JsonObject } from '../../journal/documents.ts';
import type { Applied } from '../../reconcile/data-plane.ts';
import { type Cluster, ClusterUnavailable, type DesiredObject, type KubernetesObject, type Refused, type ResourceKind } from './cluster.ts';
import { ownerLabels } from './objects.ts';
import { isUpToDate, othersHoldPartOf, ownerOf, revisionOf, sameName, stamped, stampedAs } from './ownership.ts';

const TRIES = 5;

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

/** `again`: somebody else was faster, and what was seen counts no more. */
type Step = Applied | 'again';

/** Adds and changes. Throws `ClusterUnavailable`. */
export function bring(cluster: Cluster, bringing: Bringing): Promise<Applied> {
  return untilUndisturbed(cluster, bringing, async ({ pairs, leftOver }) => {
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
    const step = found.kind === 'found' ? await attempt(found) : found;
    if (step !== 'again') return step;
  }
  throw new ClusterUnavailable(`The objects of ${bringing.service} in ${bringing.mesh} are being changed by others without pause.`);
}

/** `applied`: a newer revision is there already, and nothing is left to do. */
export async function look(cluster: Cluster, bringing: Bringing): Promise<Found | Applied> {
  const owned = await ownedObjects(cluster, bringing);
  if ('message' in owned) return owned;
  if (owned.some(({ object }) => revisionOf(object) > bringing.revision)) return { kind: 'applied' };
  const isOf =
    (desired: DesiredObject) =>
    ({ kind, object }: Owned): boolean =>
      kind === desired.kind && sameName(object.metadata, desired.metadata);
  const wanted = bringing.objects.map((object) => stamped(object, bringing.revision, bringing.kinds));
  const pairs: Pair[] = [];
  for (const desired of wanted) {
    const mine = owned.find(isOf(desired));
    const live = mine ?? (await unlabelled(cluster, desired, bringing));
    if (live && 'message' in live) return live;
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

async function write(cluster: Cluster, { force }: Bringing, pairs: readonly Pair[]): Promise<Step> {
  const changed = pairs.filter(({ desired, live }) => !live || !isUpToDate(desired, live));
  // One alone is whole or not at all.
  const rounds = changed.length > 1 ? [true, false] : [false];
  for (const dryRun of rounds) {
    for (const { desired, live } of changed) {
      const over = live ? { resourceVersion: live.metadata.resourceVersion } : 'absent';
      const outcome = await cluster.apply(desired, { over, force, dryRun });
      if (outcome.kind === 'moved') return 'again';
      if (outcome.kind !== 'applied') return { kind: 'refused', message: outcome.message };
    }
  }
  return { kind: 'applied' };
}

/** What names others goes before them. An object that holds what others put there is let go of, not deleted. */
async function takeAway(cluster: Cluster, { kinds, force }: Bringing, leftOver: readonly Owned[]): Promise<Step> {
  for (const { kind, object } of leftOver.toSorted((a, b) => kinds.indexOf(b.kind) - kinds.indexOf(a.kind))) {
    const { namespace, name, resourceVersion } = object.metadata;
    const nothing: DesiredObject = { kind, metadata: { namespace, name, labels: {}, annotations: {} }, content: {} };
    const outcome = othersHoldPartOf(object)
      ? await cluster.apply(nothing, { over: { resourceVersion }, force, dryRun: false })
      : await cluster.delete(kind, object);
    if (outcome.kind === 'moved') return 'again';
    if (outcome.kind === 'refused' || outcome.kind === 'conflict') return { kind: 'refused', message: outcome.message };
  }
  return { kind: 'applied' };
}
