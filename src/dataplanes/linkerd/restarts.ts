/**
 * Restarts that make proxies read the roots anew: the control plane first, one Deployment after another, then workloads, some at a time, and only
 * those whose pods have other roots. Each call does what it can now and says what it waits for; the next one goes on from there.
 */
import { sameSet } from '../certificates.ts';
import type { Cluster, Refused } from '../kubernetes/cluster.ts';
import { type FindWorkload, restart, type Workload, workloadsIn } from '../kubernetes/workloads.ts';
import { type MeshedPod, meshedPods, nameOfPod, RESTARTED_FOR } from './meshed-pods.ts';
import { setOf, type TrustRoots } from './trust-roots.ts';

/** A tenth of the workloads at once, but no fewer than the first and no more than the second. */
const AT_ONCE = { share: 0.1, least: 3, most: 25 };
/** Identity gives leafs to the others; the injector gives roots to pods to come. */
const ORDER = ['identity', 'destination', 'proxy-injector'];
const NAMED = 5;
const AGAIN =
  'was restarted for the roots and began with other ones again: its template has them (`linkerd inject --manual`), or the injector';

export interface Fleet {
  readonly pods: readonly MeshedPod[];
  readonly find: FindWorkload;
}

/** `there`: as it was read before. Throws `ClusterUnavailable`. */
export async function fleetOf(cluster: Cluster, home: string, there: TrustRoots | 'absent'): Promise<Fleet | Refused> {
  // In this order: of a workload that is complete, no pod of before is left that is not ending.
  const workloads = await workloadsIn(cluster);
  if ('message' in workloads) return workloads;
  const meshed = await meshedPods(cluster, home, there);
  return 'message' in meshed ? meshed : { ...meshed, ...workloads };
}

/** `wait`: one sentence on what is under way; `done`: whoever is restarted here has the roots. */
export type Progress = { readonly kind: 'done' } | { readonly kind: 'wait'; readonly because: string };

const DONE: Progress = { kind: 'done' };
const wait = (because: string): Progress => ({ kind: 'wait', because });

/** `roots`: fingerprints of all that are to be trusted. */
export async function restartControlPlane(cluster: Cluster, fleet: Fleet, roots: readonly string[]): Promise<Progress> {
  const groups = groupsOf(fleet, ({ component }) => component !== undefined);
  for (const group of groups.toSorted((one, other) => rank(one) - rank(other))) {
    const { workload, pods, name } = group;
    const isBehind = pods.some((pod) => !hasRoots(pod, roots));
    if (!isBehind && (!workload || workload.complete)) continue;
    if (!workload) return wait(`${name} of the control plane has other roots and no Deployment that could be restarted; replace it.`);
    // One that cannot begin with what it has is waited for in vain.
    if (!isBehind || isRestartedFor(workload, roots)) {
      return wait(`${name} of the control plane ${workload.complete ? AGAIN : 'is being rolled out'}.`);
    }
    if (workload.notRestarted !== undefined) return wait(`${name} is not restarted, since ${workload.notRestarted}; restart it.`);
    return (await restarted(cluster, workload, roots)) ?? wait(`${name} is being restarted for the roots.`);
  }
  return DONE;
}

/** Whoever cannot be restarted here is not waited for: that is for those who look at the fleet, see `whyBehind`. */
export async function restartWorkloads(cluster: Cluster, fleet: Fleet, roots: readonly string[]): Promise<Progress> {
  const all = groupsOf(fleet, ({ component }) => component === undefined);
  const groups = all.flatMap(({ workload, pods }) => (workload && workload.notRestarted === undefined ? [{ workload, pods }] : []));
  const underWay = groups.filter(({ workload }) => isRestartedFor(workload, roots) && !workload.complete);
  // Whoever is being rolled out by somebody else is restarted after that.
  const next = groups.filter(({ workload, pods }) => !isRestartedFor(workload, roots) && pods.some((pod) => !hasRoots(pod, roots)));
  if (underWay.length === 0 && next.length === 0) return DONE;
  const { share, least, most } = AT_ONCE;
  const room = Math.min(most, Math.max(least, Math.ceil(groups.length * share))) - underWay.length;
  const begun: Workload[] = [];
  for (const { workload } of next.filter(({ workload }) => !workload.rolling).slice(0, Math.max(0, room))) {
    const moved = await restarted(cluster, workload, roots);
    if (moved) return moved;
    begun.push(workload);
  }
  const busy = [...underWay.map(({ workload }) => workload), ...begun].map(({ name }) => name);
  const left = next.length - begun.length;
  const held = next.find(({ workload }) => workload.rolling)?.workload.name;
  const those =
    busy.length > 0 ? `${named(busy)} ${busy.length === 1 ? 'is' : 'are'} being restarted for the roots` : `${held} is being rolled out`;
  return wait(`${those}; ${left} more ${left === 1 ? 'workload has' : 'workloads have'} other roots.`);
}

/** Why nobody here gives a pod the roots, and what to do; `undefined`: it will have them, or has. */
export function whyBehind(pod: MeshedPod, find: FindWorkload, roots: readonly string[]): string | undefined {
  if (hasRoots(pod, roots)) return undefined;
  const { owner, leaving } = pod;
  if (leaving) return 'it is ending';
  if (!owner) return 'it began with other roots and nothing would make it anew: replace it';
  const workload = find(owner);
  if (!workload) return `it began with other roots and comes from ${owner.kind} ${owner.name}, which is not restarted here: restart it`;
  if (workload.notRestarted !== undefined) {
    return `it began with other roots, and ${workload.name} is not restarted here, since ${workload.notRestarted}: restart it when that may be`;
  }
  if (workload.complete && isRestartedFor(workload, roots)) return AGAIN;
  return pod.roots === undefined ? 'which roots it began with is not known until it is restarted' : undefined;
}

export const hasRoots = ({ roots: has }: MeshedPod, roots: readonly string[]): boolean => has !== undefined && sameSet(has, roots);

interface Group {
  readonly workload: Workload | undefined;
  readonly component: string | undefined;
  readonly name: string;
  readonly pods: readonly MeshedPod[];
}

function groupsOf({ pods, find }: Fleet, belongs: (pod: MeshedPod) => boolean): readonly Group[] {
  const groups = new Map<
    string,
    { readonly workload: Workload | undefined; readonly component: string | undefined; readonly pods: MeshedPod[] }
  >();
  for (const pod of pods.filter((each) => !each.leaving && belongs(each))) {
    const workload = pod.owner && find(pod.owner);
    const name = workload?.name ?? `Pod ${pod.namespace}/${pod.pod}`;
    const group = groups.get(name) ?? { workload, component: pod.component, pods: [] };
    group.pods.push(pod);
    groups.set(name, group);
  }
  return [...groups].map(([name, group]) => ({ name, ...group }));
}

function rank({ component = '' }: Group): number {
  const at = ORDER.indexOf(component);
  return at < 0 ? ORDER.length : at;
}

const isRestartedFor = ({ annotations }: Workload, roots: readonly string[]): boolean => annotations[RESTARTED_FOR] === setOf(roots);

async function restarted(cluster: Cluster, workload: Workload, roots: readonly string[]): Promise<Progress | undefined> {
  const outcome = await restart(cluster, workload, { [RESTARTED_FOR]: setOf(roots) });
  if (outcome.kind === 'applied' || outcome.kind === 'moved') return undefined;
  return wait(`${workload.name} could not be restarted: ${outcome.message}`);
}

function named(all: readonly string[]): string {
  return all.length > NAMED ? `${all.slice(0, NAMED).join(', ')} and ${all.length - NAMED} more` : all.join(', ');
}

export const podsNamed = (pods: readonly MeshedPod[]): string => named(pods.map(nameOfPod));
