/**
 * Routes are written once the proxies have the clusters that they lead to. istiod pushes a new cluster and the routes that name it in one
 * go, and a proxy asks for the endpoints of the cluster only then: until they are there it answers 503 to whoever is sent to it. Once
 * it has asked, istiod answers before it pushes anything else to it, so that whatever is written then comes after.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import {
  type Cluster,
  ClusterUnavailable,
  type DesiredObject,
  type HowToApply,
  type ObjectName,
  type Refused,
  type ResourceKind,
} from '../kubernetes/cluster.ts';
import { saysTheSame } from '../kubernetes/ownership.ts';
import { type Connected, type ProxyStatus, readConnected, readSyncz } from './debug.ts';
import { askingIstiod, readyIstiods } from './istiods.ts';

/** istiod pushes when 100 ms have passed without a change, and a proxy asks at once. */
const ARRIVES_MS = 3_000;
const LOOK_MS = 25;
/** How long Istio says to wait with routes ("a few seconds") where nobody lets us see the proxies. */
const UNSEEN_MS = 2_000;
/** A way back does not wait for an istiod that hangs. */
const NOTE_MS = 500;
const NAMED = 10;

/** What leads requests to clusters, and what the clusters are made from. */
export interface Leading {
  readonly kind: ResourceKind;
  /** `whenMade`: they do not hang on what it says. */
  readonly from: { readonly kind: ResourceKind; readonly whenMade: boolean };
  /** How the names of the service's own clusters go on after the subset, `catalog.shop.svc.`: who has one is one that calls it. */
  readonly home: (name: ObjectName, spec: unknown) => string | undefined;
  /** Which clusters it sends requests to. */
  readonly targets: (name: ObjectName, spec: unknown) => readonly Target[];
  /** Whether istiod tells nobody of the change from one to the other. */
  readonly isUntold: (before: unknown, after: unknown) => boolean;
}

export interface Target {
  /** '' = none. */
  readonly subset: string;
  /** `catalog.shop.svc.` and whatever follows. */
  readonly host: string;
}

/** Routes that were written, and that proxies are not known to have heard of. */
export interface Unheard {
  readonly host: string;
  readonly before: Nonces;
  /** ms of `performance.now()` */
  readonly at: number;
}

/** `<istiod>/<proxy>`: what it had been sent last. */
type Nonces = ReadonlyMap<string, string>;

const unheardOf = new WeakMap<Cluster, Map<string, Unheard>>();

/** By what was written, of all services of this cluster: one and the same for as long as the process lives. */
export function unheard(cluster: Cluster): Map<string, Unheard> {
  const known = unheardOf.get(cluster) ?? new Map<string, Unheard>();
  unheardOf.set(cluster, known);
  return known;
}

export const leadsToHost = (cluster: string, host: string): boolean => (cluster.split('|')[3] ?? '').startsWith(host);

const isOf = (cluster: string, { subset, host }: Target): boolean =>
  cluster.startsWith('outbound|') && cluster.split('|')[2] === subset && leadsToHost(cluster, host);

/**
 * `cluster` for bringing one service once: what leads its requests is written only then, and remembered as `unheard` of. `apply`
 * throws `ClusterUnavailable` where proxies do not get the clusters in time.
 */
export function clustersFirst(cluster: Cluster, controlPlaneNamespace: string, leading: Leading): Cluster {
  const here: Here = { cluster, namespace: controlPlaneNamespace };
  let before: Nonces | undefined;
  const leadingTo = ({ metadata }: DesiredObject, spec: unknown): readonly Target[] => leading.targets(metadata, spec);

  async function lead(desired: DesiredObject, how: HowToApply): ReturnType<Cluster['apply']> {
    const there = await cluster.get(desired.kind, desired.metadata);
    const live = there.kind === 'found' ? there.object : undefined;
    const home = leading.home(desired.metadata, desired.content.spec);
    if (home === undefined || (live && saysTheSame(desired, live))) return cluster.apply(desired, how);
    const led = live ? leadingTo(desired, live.spec) : [];
    const added = leadingTo(desired, desired.content.spec).filter((target) => !led.some((each) => isDeepStrictEqual(each, target)));
    if (added.length > 0) await arrival(here, home, added, before);
    const nonces = await noncesInTime(here, ({ routes }) => routes?.sent);
    const outcome = await cluster.apply(desired, how);
    const untold = live !== undefined && leading.isUntold(live.spec, desired.content.spec);
    if (outcome.kind === 'applied' && nonces && !untold) {
      const { namespace, name } = desired.metadata;
      unheard(cluster).set(`${namespace}/${name}`, { host: home, before: nonces, at: performance.now() });
    }
    return outcome;
  }

  /** What it says anew may be on its way to be taken away, and still be there at the proxies. */
  async function offer(desired: DesiredObject, how: HowToApply): ReturnType<Cluster['apply']> {
    const there = await cluster.get(desired.kind, desired.metadata);
    const changesNothing = there.kind === 'found' && (leading.from.whenMade || saysTheSame(desired, there.object));
    if (!changesNothing) before = await noncesInTime(here, ({ clusters }) => clusters.sent);
    return cluster.apply(desired, how);
  }

  return {
    get: (kind, name) => cluster.get(kind, name),
    list: (kind, where) => cluster.list(kind, where),
    remove: (kind, object, fields) => cluster.remove(kind, object, fields),
    delete: (kind, object) => cluster.delete(kind, object),
    may: (permission) => cluster.may(permission),
    door: (to) => cluster.door(to),
    apply(desired, how) {
      if (how.dryRun || ![leading.kind, leading.from.kind].includes(desired.kind)) return cluster.apply(desired, how);
      return desired.kind === leading.kind ? lead(desired, how) : offer(desired, how);
    },
  };
}

interface Here {
  readonly cluster: Cluster;
  readonly namespace: string;
}

/**
 * Resolves once every proxy that calls the service has all of them, and has them anew if it had others `before`. Who has acknowledged
 * what it was sent, and does not get them for all that, goes by a DestinationRule of its own namespace, and is not waited for.
 */
async function arrival(here: Here, home: string, added: readonly Target[], before: Nonces | undefined): Promise<void> {
  const end = performance.now() + ARRIVES_MS;
  for (;;) {
    // In this order: a proxy takes back what it has asked for of a cluster before it acknowledges that the cluster is gone.
    const taken = await nonces(here, ({ clusters: { sent, acknowledged, error } }) => (acknowledged || error !== '' ? sent : undefined));
    const connected = await connectedTo(here);
    if ('message' in connected || !taken) return pause(UNSEEN_MS);
    const callers = connected.proxies.filter(({ clusters }) => clusters.some((each) => leadsToHost(each, home)));
    const behind = callers.filter(({ proxy, istiod }) => !isAnew(taken, before, `${istiod}/${proxy}`));
    const without = callers.filter(({ clusters }) => !added.every((target) => clusters.some((each) => isOf(each, target))));
    if (behind.length === 0 && without.length === 0) return;
    if (performance.now() > end && behind.length === 0) return;
    if (performance.now() > end) {
      const names = behind.slice(0, NAMED).map(({ proxy }) => proxy);
      throw new ClusterUnavailable(
        `No routes are written to what ${behind.length} proxies do not know yet (${names.join(', ')}); they are as soon as it is known.`,
      );
    }
    await pause(LOOK_MS);
  }
}

const isAnew = (now: Nonces, before: Nonces | undefined, proxy: string): boolean => {
  const nonce = now.get(proxy);
  return nonce !== undefined && nonce !== before?.get(proxy);
};

interface At extends Connected {
  readonly istiod: string;
}

async function connectedTo(here: Here): Promise<{ readonly proxies: readonly At[] } | Refused> {
  const all = await askingAll(here, '/debug/adsz', readConnected);
  if ('message' in all) return all;
  return { proxies: all.answers.flatMap(({ istiod, value }) => value.map((each) => ({ ...each, istiod }))) };
}

async function nonces(here: Here, nonceOf: (status: ProxyStatus) => string | undefined): Promise<Nonces | undefined> {
  const all = await askingAll(here, '/debug/syncz', readSyncz);
  if ('message' in all) return undefined;
  return new Map(
    all.answers.flatMap(({ istiod, value }) =>
      value.flatMap((status): [string, string][] => {
        const nonce = nonceOf(status);
        return nonce === undefined ? [] : [[`${istiod}/${status.proxy}`, nonce]];
      }),
    ),
  );
}

/** `undefined`: that cannot be known, and is no reason to keep anything waiting. */
async function noncesInTime(here: Here, nonceOf: (status: ProxyStatus) => string | undefined): Promise<Nonces | undefined> {
  const inTime = new AbortController();
  try {
    return await Promise.race([nonces(here, nonceOf), pause(NOTE_MS, undefined, { signal: inTime.signal })]);
  } catch {
    return undefined;
  } finally {
    inTime.abort();
  }
}

async function askingAll<Value>(
  { cluster, namespace }: Here,
  path: string,
  read: (body: string) => Value,
): Promise<{ readonly answers: readonly { readonly istiod: string; readonly value: Value }[] } | Refused> {
  const istiods = await readyIstiods(cluster, namespace);
  if ('message' in istiods) return istiods;
  const answers: { readonly istiod: string; readonly value: Value }[] = [];
  for (const istiod of istiods.pods) {
    const answer = await askingIstiod(cluster, { namespace, pod: istiod }, (ask) => ask(path, read));
    if ('message' in answer) return answer;
    answers.push({ istiod, value: answer.value });
  }
  return { answers };
}
