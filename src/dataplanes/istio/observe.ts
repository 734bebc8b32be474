/**
 * What proxies serve, asked of the istiods that push to them: which are connected, what each would be sent, and what it has
 * acknowledged. An object in the API server says nothing of that. A proxy that leaves is forgotten by istiod at once, and gets the
 * newest when it comes back.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Observation } from '../../reconcile/data-plane.ts';
import type { Cluster, Refused } from '../kubernetes/cluster.ts';
import { inTime } from '../kubernetes/in-time.ts';
import { leadsToHost, type Unheard, unheard } from './clusters-first.ts';
import { type Connected, type ProxyStatus, readConnected, readRoutes, readSyncz, type VirtualHost } from './debug.ts';
import { type Ask, askingIstiod, readyIstiods } from './istiods.ts';

const AT_ONCE = 8;
const NAMED = 10;
/** For how long a look waits until proxies have heard of what was just written: istiod pushes when nothing changed for 100 ms. */
const HEARS_MS = 1_500;
const LOOK_MS = 25;
/** istiod puts a push off by this much and no more, however much changes; what was not heard of by then is not waited for by nonce. */
const PUT_OFF_MS = 10_000;
/** Where nothing is known of what was written: an istiod that pushes nothing for so long is not about to. */
const QUIET_MS = 250;

/** `apart`: the service does not concern this proxy. */
export type Judge = (virtualHosts: readonly VirtualHost[]) => 'yes' | 'no' | 'apart';

export interface Look {
  readonly controlPlaneNamespace: string;
  /** What it takes for a proxy to serve what was applied. */
  readonly judge: Judge;
  /** How the names of the service's clusters end: tells which refusals of clusters are about it. */
  readonly host: string;
  /** Whether at least one proxy must be seen that it concerns. */
  readonly someone: boolean;
  /** Who is not asked by then is waited for. */
  readonly until?: AbortSignal | undefined;
  /** What was written to (`clustersFirst`), where that is not what is asked. */
  readonly written?: Cluster;
}

interface Seen {
  readonly proxy: string;
  readonly verdict: 'yes' | 'no' | 'apart' | 'unasked';
}

/** A refusal: nobody lets us look. Throws `ClusterUnavailable`. */
export async function observeProxies(cluster: Cluster, look: Look): Promise<Observation | Refused> {
  try {
    return await lookAround(inTime(cluster, look.until), look, unheard(look.written ?? cluster));
  } catch (error) {
    if (!look.until?.aborted) throw error;
    return {
      kind: 'waiting',
      for: [],
      because: 'The istiods could not be asked about their proxies in the time that there is for a look.',
    };
  }
}

async function lookAround(cluster: Cluster, look: Look, written: Map<string, Unheard>): Promise<Observation | Refused> {
  for (const [what, { at }] of written) if (performance.now() - at > PUT_OFF_MS) written.delete(what);
  const { controlPlaneNamespace: namespace } = look;
  const istiods = await readyIstiods(cluster, namespace);
  if ('message' in istiods) return istiods;
  if (istiods.pods.length === 0) {
    return { kind: 'waiting', for: [], because: `There is no ready pod labelled app=istiod in ${namespace} to ask.` };
  }
  const awaited = [...written];
  const looks: IstiodLook[] = [];
  const asked = istiods.pods.map((pod) =>
    askingIstiod(cluster, { namespace, pod }, (ask) => lookThrough({ ask, pod, awaited: awaited.map(([, each]) => each) }, look)),
  );
  for (const each of await Promise.all(asked)) {
    if ('message' in each) return each;
    looks.push(each);
  }
  if (looks.every(({ heard }) => heard)) for (const [what, each] of awaited) if (written.get(what) === each) written.delete(what);
  return together(looks, look);
}

interface IstiodLook {
  readonly seen: readonly Seen[];
  readonly statuses: readonly ProxyStatus[];
  /** All that was awaited has come to its proxies. */
  readonly heard: boolean;
}

interface Istiod {
  readonly ask: Ask;
  readonly pod: string;
  readonly awaited: readonly Unheard[];
}

/**
 * Dumps are asked for when istiod is not pushing: one of a proxy that has not had a change yet is kept by istiod as if it were the new
 * (`Start: time.Now()` in getConfigDumpByResourceType), and sent to whoever comes next in the very push that should bring the change.
 */
async function lookThrough(istiod: Istiod, look: Look): Promise<IstiodLook | Refused> {
  const { ask } = istiod;
  const connected = await ask('/debug/adsz', readConnected);
  if ('message' in connected) return connected;
  const hearing = await heard(istiod, connected.value);
  if ('message' in hearing) return hearing;
  if (hearing.late.size > 0) return { seen: notHeard(connected.value, hearing.late, look), statuses: hearing.statuses, heard: false };
  const seen: Seen[] = [];
  for (let index = 0; index < connected.value.length; index += AT_ONCE) {
    const some = connected.value.slice(index, index + AT_ONCE);
    seen.push(...(await Promise.all(some.map((each) => seenAt(ask, each, look)))));
  }
  // Whom it would be asked of has to be waited for anyway.
  if (seen.some(({ verdict }) => verdict === 'unasked')) return { seen, statuses: [], heard: true };
  const statuses = await ask('/debug/syncz', readSyncz);
  return 'message' in statuses ? statuses : { seen, statuses: statuses.value, heard: true };
}

interface Hearing {
  readonly late: ReadonlySet<string>;
  readonly statuses: readonly ProxyStatus[];
}

/** Waits until all that was awaited is acknowledged by whom it concerns, or refused; where nothing was, until istiod is quiet. */
async function heard({ ask, pod, awaited }: Istiod, connected: readonly Connected[]): Promise<Hearing | Refused> {
  const end = performance.now() + HEARS_MS;
  let last = '';
  for (;;) {
    const statuses = await ask('/debug/syncz', readSyncz);
    if ('message' in statuses) return statuses;
    const late = new Set(
      connected
        .filter(({ proxy, clusters }) => {
          const routes = statuses.value.find((status) => status.proxy === proxy)?.routes;
          const concerning = awaited.filter(({ host }) => clusters.some((each) => leadsToHost(each, host)));
          const isOld = concerning.some(({ before }) => routes?.sent === before.get(`${pod}/${proxy}`));
          return routes && concerning.length > 0 && (isOld || (!routes.acknowledged && routes.error === ''));
        })
        .map(({ proxy }) => proxy),
    );
    const now = JSON.stringify(statuses.value);
    const isQuiet = awaited.length > 0 ? late.size === 0 : now === last;
    if (isQuiet || performance.now() > end) return { late, statuses: statuses.value };
    last = now;
    await pause(awaited.length > 0 ? LOOK_MS : QUIET_MS);
  }
}

/** Of those that call the service; where only others are late, nobody is asked either. */
function notHeard(connected: readonly Connected[], late: ReadonlySet<string>, { host }: Look): readonly Seen[] {
  const callers = connected.filter(({ clusters }) => clusters.some((each) => leadsToHost(each, host)));
  const isLate = callers.some(({ proxy }) => late.has(proxy));
  return callers.map(({ proxy }) => ({ proxy, verdict: late.has(proxy) ? 'no' : isLate ? 'yes' : 'unasked' }));
}

async function seenAt(ask: Ask, { proxy, connection }: Connected, { judge, until }: Look): Promise<Seen> {
  try {
    const dump = await ask(`/debug/config_dump?types=RDS&proxyID=${encodeURIComponent(connection)}`, readRoutes);
    // It may have left since it was listed.
    return { proxy, verdict: 'value' in dump ? judge(dump.value) : 'no' };
  } catch (error) {
    if (!until?.aborted) throw error;
    return { proxy, verdict: 'unasked' };
  }
}

function together(looks: readonly IstiodLook[], { host, someone }: Look): Observation {
  const statuses = new Map(looks.flatMap(({ statuses }) => statuses).map((status) => [status.proxy, status]));
  const counted = looks.flatMap(({ seen }) => seen).filter(({ verdict }) => verdict !== 'apart');
  for (const { proxy } of counted) {
    const message = refusalOf(statuses.get(proxy), host);
    if (message !== undefined) return { kind: 'rejected', node: proxy, message };
  }
  const unasked = counted.filter(({ verdict }) => verdict === 'unasked');
  if (unasked.length > 0) {
    const late = [...counted.filter(({ verdict }) => verdict === 'no'), ...unasked];
    const because = `${unasked.length} of ${connectedTo(looks)} proxies could not be asked in the time that there is for a look.`;
    return { kind: 'waiting', for: namesOf(late), because };
  }
  const behind = counted.filter(({ proxy, verdict }) => verdict === 'no' || statuses.get(proxy)?.routes?.acknowledged !== true);
  if (behind.length === 0 && (counted.length > 0 || !someone)) return { kind: 'served' };
  return { kind: 'waiting', for: namesOf(behind), because: whyWaiting(looks, counted.length, behind) };
}

const namesOf = (some: readonly Seen[]): readonly string[] => some.slice(0, NAMED).map(({ proxy }) => proxy);
const connectedTo = (looks: readonly IstiodLook[]): number => looks.reduce((sum, { seen }) => sum + seen.length, 0);

/** One answer refuses all routes of a proxy; of its clusters, each by name. */
function refusalOf(status: ProxyStatus | undefined, host: string): string | undefined {
  if (status?.routes && !status.routes.acknowledged && status.routes.error !== '') return status.routes.error;
  if (status && !status.clusters.acknowledged && status.clusters.error.includes(host)) return status.clusters.error;
  return undefined;
}

function whyWaiting(looks: readonly IstiodLook[], counted: number, behind: readonly Seen[]): string {
  const connected = connectedTo(looks);
  if (connected === 0) return 'No proxy is connected to istiod.';
  if (counted === 0) return `None of the ${connected} connected proxies has a route for it; is there a Service of its name and port?`;
  return `Not served yet by ${behind.length} of ${counted} proxies: ${namesOf(behind).join(', ')}${behind.length > NAMED ? ', …' : ''}.`;
}
