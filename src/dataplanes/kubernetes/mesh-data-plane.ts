/**
 * A mesh on Kubernetes whose versions are Services of their own, as a data plane: what is rendered is applied by server-side apply,
 * for the port that the service's own Service leads to, and seen as the mesh's room sees it.
 */
import type { Documents, JsonObject } from '../../journal/documents.ts';
import { isRefusal, judge } from '../../plan/fidelity.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import type { Applied, DataPlane, Observation } from '../../reconcile/data-plane.ts';
import { decidedRevision, type Fragment } from '../../reconcile/model.ts';
import type { Renderer } from '../renderer.ts';
import { type Bringing, bring, prune } from './apply.ts';
import type { Cluster, KubernetesObject, Refused, ResourceKind } from './cluster.ts';
import { type Foreign, storedDrift } from './drift.ts';
import { inTime } from './in-time.ts';
import { type EndpointsBeside, readinessIn } from './readiness.ts';
import { retargeted, targetPortOf } from './target-port.ts';
import { type Split, splitAlone } from './way-back.ts';

export interface KubernetesOptions {
  readonly cluster: Cluster;
  /** Where the mesh's model is. */
  readonly documents: Documents;
  /** Takes fields over that another manager owns. */
  readonly takeOver: boolean;
  /** False: what was applied counts as served. */
  readonly observe: boolean;
}

export interface MeshRoom {
  readonly renderer: Renderer;
  /** Everything the renderer may render, in the order in which it is applied. */
  readonly kinds: readonly ResourceKind[];
  /** Those that name others: what is left over of them goes first. */
  readonly naming: readonly ResourceKind[];
  /** Of objects of one kind that are left over the lower goes first. */
  readonly orderOfLeaving?: (object: KubernetesObject) => number;
  /** How those of them that divide requests do it. */
  readonly splits: readonly Split[];
  /** The cluster in which what leads requests waits for what it leads to; left out: nothing has to wait. */
  readonly inOrder?: (cluster: Cluster, fragment: Fragment) => Cluster;
  /** Why what is rendered would not mean what it says in this cluster. */
  readonly withoutEffect?: (asked: Cluster, plan: ServicePlan) => Promise<string | undefined>;
  /** What others have there that takes its meaning from what is rendered. A refusal: it may not be read. */
  readonly foreign?: (asked: Cluster, plan: ServicePlan) => Promise<readonly Foreign[] | Refused>;
  /** Left out: nothing but pods is behind a Service. */
  readonly endpointsBeside?: EndpointsBeside;
  /** What is seen of a service; of one that is gone where `plan` is null. A refusal: nobody lets us look. */
  readonly see: (asked: Cluster, fragment: Fragment, until?: AbortSignal) => Promise<Observation | Refused>;
}

export function meshDataPlane({ cluster, documents, takeOver, observe }: KubernetesOptions, room: MeshRoom): DataPlane {
  const bringingOf = ({ plan: _plan, ...of }: Fragment, objects: readonly JsonObject[]): Bringing => ({
    ...of,
    objects,
    kinds: room.kinds,
    naming: room.naming,
    ...(room.orderOfLeaving ? { orderOfLeaving: room.orderOfLeaving } : {}),
    splits: room.splits,
    selecting: [],
    decided: () => decidedRevision(documents, of.mesh, of.service),
    force: takeOver,
    widened: asItIs,
  });
  const inOrder = (fragment: Fragment): Cluster => room.inOrder?.(cluster, fragment) ?? cluster;
  /** For the port that the service's own Service leads to. */
  const wantedOf = async (asked: Cluster, fragment: Fragment): Promise<Bringing | Refused> => {
    const { plan } = fragment;
    if (plan === null) return bringingOf(fragment, []);
    const target = await targetPortOf(asked, plan);
    return 'kind' in target ? target : bringingOf(fragment, retargeted(room.renderer.render(plan), target.port));
  };
  const notAtAll = (asked: Cluster, fragment: Fragment, plan: ServicePlan, message: string): Promise<Applied> =>
    bring(asked, { ...bringingOf(fragment, room.renderer.render(splitAlone(plan))), gate: async () => message });

  async function seenInTime(fragment: Fragment, until: AbortSignal | undefined): Promise<Observation | Refused> {
    try {
      return await room.see(inTime(cluster, until), fragment, until);
    } catch (error) {
      if (!until?.aborted) throw error;
      return { kind: 'waiting', for: [], because: 'Not all that says what is served could be asked in the time that there is for a look.' };
    }
  }

  return {
    async apply(fragment, until) {
      const { plan } = fragment;
      const asked = inTime(inOrder(fragment), until);
      const lost = plan === null ? undefined : meaningLost(plan, room.renderer);
      // What cannot be said cannot be rendered either.
      if (plan !== null && lost !== undefined) return notAtAll(asked, fragment, plan, lost);
      const wanted = await wantedOf(asked, fragment);
      if ('kind' in wanted)
        return plan === null ? { kind: 'refused', message: wanted.message } : notAtAll(asked, fragment, plan, wanted.message);
      const brought = await bring(asked, { ...wanted, gate: async () => (plan === null ? undefined : room.withoutEffect?.(asked, plan)) });
      if (plan === null || brought.kind === 'refused') return brought;
      // Refused once ours is there, so that it holds as soon as theirs is taken away.
      const others = (await room.foreign?.(asked, plan)) ?? [];
      if ('message' in others) return { kind: 'refused', message: others.message };
      return others.length === 0 ? brought : { kind: 'refused', message: others.map(({ message }) => message).join(' ') };
    },

    async observe(fragment, _now, until) {
      if (!observe) return { kind: 'unobserved', reason: 'the mesh says `observe: false`' };
      const seen = await seenInTime(fragment, until);
      if (seen.kind !== 'refused') return seen;
      const because = `It cannot be seen what is served: ${seen.message} Or say \`observe: false\` of this data plane, and what was applied counts.`;
      return { kind: 'waiting', for: [], because };
    },

    async drift(fragment) {
      const { plan } = fragment;
      if (plan === null) return [];
      const wanted = await wantedOf(cluster, fragment);
      if ('kind' in wanted) throw new Error(wanted.message);
      const overruled = await room.withoutEffect?.(cluster, plan);
      const others = (await room.foreign?.(cluster, plan)) ?? [];
      if ('message' in others) throw new Error(others.message);
      return [
        ...(await storedDrift(cluster, wanted)),
        ...(overruled === undefined ? [] : [{ kind: 'foreign', resource: plan.service, message: overruled } as const]),
        ...others,
      ];
    },

    async prune(fragment, until) {
      const asked = inTime(inOrder(fragment), until);
      const wanted = await wantedOf(asked, fragment);
      return 'kind' in wanted ? { kind: 'refused', message: wanted.message } : prune(asked, wanted);
    },

    readiness: readinessIn(cluster, documents, room.endpointsBeside),
  };
}

/** A version's Service stays beside those of others until it is pruned. */
const asItIs: Bringing['widened'] = (desired) => desired;

function meaningLost(plan: ServicePlan, { fidelity }: Renderer): string | undefined {
  const refusals = judge(plan, fidelity).filter(isRefusal);
  return refusals.length === 0 ? undefined : refusals.map(({ where, judgement }) => `${where}: ${judgement.sentence}`).join(' ');
}
