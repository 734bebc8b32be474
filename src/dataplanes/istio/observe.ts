/**
 * What proxies serve, asked of the istiods that push to them: which are connected, what each would be sent, and what it has
 * acknowledged. An object in the API server says nothing of that. A proxy that leaves is forgotten by istiod at once, and gets the
 * newest when it comes back.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import type { Observation } from '../../reconcile/data-plane.ts';
import type { Cluster, PodDoor, Refused } from '../kubernetes/cluster.ts';
import { inTime } from '../kubernetes/in-time.ts';
import { PODS } from '../kubernetes/kinds.ts';
import { type ProxyStatus, readConnections, readRoutes, readSyncz, type VirtualHost } from './debug.ts';

const DEBUG_PORT = 15_014;
const AT_ONCE = 8;
const NAMED = 10;
/** istiod first takes the new configuration for a proxy and then sends it: what was acknowledged is asked for this much later. */
const BETWEEN_MS = 250;

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
}

const podSchema = z.object({
  status: z.object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]) }).default({ conditions: [] }),
});

interface Seen {
  readonly proxy: string;
  readonly verdict: 'yes' | 'no' | 'apart' | 'unasked';
}

/** A refusal: nobody lets us look. Throws `ClusterUnavailable`. */
export async function observeProxies(cluster: Cluster, look: Look): Promise<Observation | Refused> {
  try {
    return await lookAround(inTime(cluster, look.until), look);
  } catch (error) {
    if (!look.until?.aborted) throw error;
    return {
      kind: 'waiting',
      for: [],
      because: 'The istiods could not be asked about their proxies in the time that there is for a look.',
    };
  }
}

async function lookAround(cluster: Cluster, look: Look): Promise<Observation | Refused> {
  const pods = await cluster.list(PODS, { namespace: look.controlPlaneNamespace, labels: { app: 'istiod' } });
  if (pods.kind === 'refused') return pods;
  const ready = pods.objects.filter((pod) =>
    podSchema.parse(pod).status.conditions.some(({ type, status }) => type === 'Ready' && status === 'True'),
  );
  if (ready.length === 0) {
    return { kind: 'waiting', for: [], because: `There is no ready pod labelled app=istiod in ${look.controlPlaneNamespace} to ask.` };
  }
  const looks: IstiodLook[] = [];
  for (const each of await Promise.all(ready.map(({ metadata }) => lookThrough(cluster, metadata.name, look)))) {
    if ('message' in each) return each;
    looks.push(each);
  }
  return together(looks, look);
}

interface IstiodLook {
  readonly seen: readonly Seen[];
  readonly statuses: readonly ProxyStatus[];
}

async function lookThrough(cluster: Cluster, pod: string, look: Look): Promise<IstiodLook | Refused> {
  const door = cluster.door({ namespace: look.controlPlaneNamespace, pod, port: DEBUG_PORT });
  try {
    const connected = await ask(door, '/debug/connections', readConnections);
    if ('message' in connected) return connected;
    const seen: Seen[] = [];
    const proxies = [...connected.value];
    for (let index = 0; index < proxies.length; index += AT_ONCE) {
      const some = proxies.slice(index, index + AT_ONCE);
      seen.push(...(await Promise.all(some.map(([proxy, connection]) => seenAt(door, proxy, connection, look)))));
    }
    // Whom it would be asked of has to be waited for anyway.
    if (seen.some(({ verdict }) => verdict === 'unasked')) return { seen, statuses: [] };
    if (seen.some(({ verdict }) => verdict === 'yes')) await pause(BETWEEN_MS);
    const statuses = await ask(door, '/debug/syncz', readSyncz);
    return 'message' in statuses ? statuses : { seen, statuses: statuses.value };
  } finally {
    door.close();
  }
}

async function seenAt(door: PodDoor, proxy: string, connection: string, { judge, until }: Look): Promise<Seen> {
  try {
    const dump = await ask(door, `/debug/config_dump?types=RDS&proxyID=${encodeURIComponent(connection)}`, readRoutes);
    // It may have left since it was listed.
    return { proxy, verdict: 'value' in dump ? judge(dump.value) : 'no' };
  } catch (error) {
    if (!until?.aborted) throw error;
    return { proxy, verdict: 'unasked' };
  }
}

async function ask<Value>(door: PodDoor, path: string, read: (body: string) => Value): Promise<{ readonly value: Value } | Refused> {
  const answer = await door.get(path);
  if (answer.kind === 'refused') return answer;
  if (answer.status === 200) return { value: read(answer.body) };
  const message = `istiod answers ${answer.status} to ${path}: ${answer.body.slice(0, 200)}`;
  return { kind: 'refused', status: answer.status, message };
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
