/**
 * Plain Envoy as a data plane: applying is poking the xds server (it reads the model by itself, also when the poke is
 * lost), observing is reading what that server saw of each node, and heard of whom it would refuse.
 */
import type { Documents } from '../../journal/documents.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import type { Applied, DataPlane, DryRun, Observation } from '../../reconcile/data-plane.ts';
import type { Fragment } from '../../reconcile/model.ts';
import { type NodeObservation, nodesOf, type RefusalsObservation, readinessOf, refusalsOf } from '../../reconcile/observations.ts';
import { qualifiedName } from './naming.ts';

/** A node that has been gone this long no longer counts for a rollout. */
export const GONE_MS = 30_000;
const NAMED = 10;
/** So long is what a node that went away would refuse not known: it may serve on without a word. */
export const AWAY_MS = 3_600_000;

/** `poke` tells the xds server that the mesh's model has moved; it may fail silently. */
export function envoyDataPlane(documents: Documents, dataPlane: string, poke: (mesh: string, sequence: number) => void): DataPlane {
  return {
    async apply(fragment: Fragment): Promise<Applied> {
      poke(fragment.mesh, fragment.sequence);
      return { kind: 'applied' };
    },

    async observe(fragment: Fragment, now: number): Promise<Observation> {
      const seen = await nodesOf(documents, { mesh: fragment.mesh, dataPlane }, now);
      const counted = seen.filter(({ goneAt }) => goneAt === undefined || now - goneAt < GONE_MS);
      const name = fragment.plan === null ? undefined : qualifiedName(fragment.plan);
      const behind = counted.filter(({ served }) => served < fragment.sequence);
      // What a node that is behind goes without may be of before this fragment.
      const refusing = counted.find((node) => !behind.includes(node) && name !== undefined && node.without?.includes(name));
      if (refusing) return { kind: 'rejected', node: refusing.node, message: refusing.rejected?.message ?? `It does not take ${name}.` };
      if (counted.length > 0 && behind.length === 0) return { kind: 'served' };
      return { kind: 'waiting', for: behind.slice(0, NAMED).map(({ node }) => node) };
    },

    async dryRun(plan, { sequence, now }): Promise<DryRun> {
      const place = { mesh: plan.mesh, dataPlane };
      const nodes = await nodesOf(documents, place, now);
      const before = nodes.filter(({ service, goneAt = now }) => service === plan.service && now - goneAt < AWAY_MS);
      const heard = await refusalsOf(documents, place, plan.service, now);
      const reported = new Set(heard.map(({ node }) => node));
      const silent = before.filter(({ node }) => !reported.has(node)).map(({ node }) => ({ proxy: node, wouldRefuse: 0 }));
      const unseen = unseenOf(plan, sequence, before);
      return {
        proxies: [...heard.map((each) => ({ proxy: each.node, counter: counterOf(each), wouldRefuse: each.refused })), ...silent],
        callers: callersOf(heard),
        ...(unseen === undefined ? {} : { unseen }),
      };
    },

    readiness: (mesh, service, now) => readinessOf(documents, { mesh, dataPlane }, service, now),
  };
}

/** Where a node is here, and has the plan, it has told whom it would refuse: its silence says that there was nobody. */
function unseenOf(plan: ServicePlan, sequence: number, before: readonly NodeObservation[]): string | undefined {
  const away = before.filter(({ goneAt }) => goneAt !== undefined);
  if (away.length > 0)
    return `${named(away)} not connected to the xds server, and may serve on unheard: start it again, or wait an hour if it is gone for good.`;
  if (before.length === 0)
    return `No Envoy before a workload of ${plan.service} is connected to the xds server, so that nobody is heard of: start one, or wait for it.`;
  const name = qualifiedName(plan);
  const behind = before.filter(({ served, without }) => served < sequence || without?.includes(name));
  if (behind.length > 0)
    return `${named(behind)} not at the newest plan of ${plan.service}, and may not tell whom that refuses: wait until it is.`;
  return undefined;
}

function named(nodes: readonly NodeObservation[]): string {
  const names = nodes.slice(0, NAMED).map(({ node }) => node);
  const more = nodes.length > NAMED ? ` and ${nodes.length - NAMED} more` : '';
  return `${names.join(', ')}${more} ${nodes.length === 1 ? 'is' : 'are'}`;
}

const counterOf = ({ via, since }: RefusalsObservation): string => `${via}/${since}`;

/** Over all nodes. */
function callersOf(heard: readonly RefusalsObservation[]): NonNullable<DryRun['callers']> {
  const all = heard.flatMap((each) => each.callers.map(({ caller, refused }) => ({ caller, counter: counterOf(each), refused })));
  return [...Map.groupBy(all, ({ caller, counter }) => JSON.stringify([caller, counter])).values()].flatMap((same) => {
    const [first] = same;
    return first
      ? [{ caller: first.caller, counter: first.counter, wouldRefuse: same.reduce((sum, { refused }) => sum + refused, 0) }]
      : [];
  });
}
