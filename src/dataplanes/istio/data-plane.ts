/**
 * Istio in one cluster as a data plane: what is rendered is applied by server-side apply, seen at the proxies through istiod,
 * and what came before is taken away when it serves nobody.
 */

import type { Documents } from '../../journal/documents.ts';
import { type FidelityTable, isRefusal, judge } from '../../plan/fidelity.ts';
import type { ServicePlan } from '../../plan/plan.ts';
import type { Applied, DataPlane, Observation } from '../../reconcile/data-plane.ts';
import { decidedRevision, type Fragment } from '../../reconcile/model.ts';
import { type Bringing, bring, prune } from '../kubernetes/apply.ts';
import type { Cluster, Refused } from '../kubernetes/cluster.ts';
import { foreign, storedDrift } from '../kubernetes/drift.ts';
import { inTime } from '../kubernetes/in-time.ts';
import { ownerLabels } from '../kubernetes/objects.ts';
import { readinessIn } from '../kubernetes/readiness.ts';
import { splitAlone } from '../kubernetes/way-back.ts';
import { clustersFirst } from './clusters-first.ts';
import { dryRunCounts } from './dry-run.ts';
import { istioFidelityIn } from './fidelity.ts';
import { keptOutOfMesh, overruledBy, withoutEffect } from './findings.ts';
import { DESTINATION_RULE, RENDERED_KINDS, SELECTING_KINDS, SPLITS, VIRTUAL_SERVICE } from './kinds.ts';
import { type Look, observeProxies } from './observe.ts';
import { policiesOfOthers } from './policies-of-others.ts';
import { carried, expectedOf, leadsTo } from './pushed.ts';
import { renderIstio } from './render.ts';
import { hostOf, keepingSubsets, LEADING } from './subsets.ts';
import { readyWorkloadEntries } from './workload-entries.ts';

export interface IstioOptions {
  readonly cluster: Cluster;
  /** Where the mesh's model is. */
  readonly documents: Documents;
  /** Where istiod runs. */
  readonly controlPlaneNamespace: string;
  /** The value of `istio.io/rev`; left out: the default revision. */
  readonly revision?: string;
  /** Takes fields over that another manager owns. */
  readonly takeOver: boolean;
  /** False: what was applied counts as served. */
  readonly observe: boolean;
}

export function istioDataPlane({ cluster, documents, controlPlaneNamespace, revision, takeOver, observe }: IstioOptions): DataPlane {
  const bringingOf = ({ plan, ...of }: Fragment): Bringing => ({
    ...of,
    objects: plan === null ? [] : renderIstio(plan),
    kinds: RENDERED_KINDS,
    naming: [VIRTUAL_SERVICE],
    splits: SPLITS,
    selecting: SELECTING_KINDS,
    decided: () => decidedRevision(documents, of.mesh, of.service),
    force: takeOver,
    widened: keepingSubsets,
  });

  return {
    async apply(fragment, until): Promise<Applied> {
      const { plan } = fragment;
      const asked = inTime(clustersFirst(cluster, controlPlaneNamespace, LEADING), until);
      if (plan === null) return bring(asked, bringingOf(fragment));
      const lost = meaningLost(plan, istioFidelityIn(controlPlaneNamespace));
      const gate = async (): Promise<string | undefined> => lost ?? withoutEffect(asked, plan, controlPlaneNamespace);
      // What cannot be said cannot be rendered either.
      const brought = await bring(asked, {
        ...bringingOf(lost === undefined ? fragment : { ...fragment, plan: splitAlone(plan) }),
        gate,
      });
      if (brought.kind !== 'applied') return brought;
      // Refused once ours is there, so that it holds as soon as theirs is taken away.
      const others = await policiesOfOthers(asked, plan, controlPlaneNamespace);
      if ('message' in others) return { kind: 'refused', message: others.message };
      return others.length === 0 ? brought : { kind: 'refused', message: others.map(({ message }) => message).join(' ') };
    },

    async observe(fragment, _now, until): Promise<Observation> {
      if (!observe) return { kind: 'unobserved', reason: 'the mesh says `observe: false`' };
      const look = fragment.plan === null ? await goneFrom(cluster, fragment) : lookFor(fragment.plan);
      if (look.kind === 'served') return look;
      const seen = look.kind === 'look' ? await observeProxies(cluster, { ...look, controlPlaneNamespace, until }) : look;
      if (seen.kind === 'waiting' && seen.for.length === 0 && fragment.plan !== null && !until?.aborted) {
        const findings = await keptOutOfMesh(cluster, fragment.plan, revision);
        return { ...seen, because: [seen.because ?? '', ...findings].join(' ') };
      }
      if (seen.kind !== 'refused') return seen;
      const because = `It cannot be seen what is served: ${seen.message} Or say \`observe: false\` of this data plane, and what was applied counts.`;
      return { kind: 'waiting', for: [], because };
    },

    async drift(fragment) {
      const { plan } = fragment;
      if (plan === null) return [];
      const [stored, overruling, policies] = await Promise.all([
        storedDrift(cluster, bringingOf(fragment)),
        overruledBy(cluster, plan, controlPlaneNamespace),
        policiesOfOthers(cluster, plan, controlPlaneNamespace),
      ]);
      if ('message' in policies) throw new Error(policies.message);
      const others = overruling ? [overruling, ...policies] : policies;
      return [...stored, ...others.map(({ kind, object, message }) => foreign(kind, object, message))];
    },

    dryRun: async (plan) => ({ proxies: await dryRunCounts(cluster, plan) }),

    prune: (fragment, until) => prune(inTime(clustersFirst(cluster, controlPlaneNamespace, LEADING), until), bringingOf(fragment)),

    readiness: readinessIn(cluster, documents, readyWorkloadEntries),
  };
}

function meaningLost(plan: ServicePlan, fidelity: FidelityTable): string | undefined {
  const refusals = judge(plan, fidelity).filter(isRefusal);
  return refusals.length === 0 ? undefined : refusals.map(({ where, judgement }) => `${where}: ${judgement.sentence}`).join(' ');
}

type WhatToLookFor = Omit<Look, 'controlPlaneNamespace'> & { readonly kind: 'look' };

function lookFor(plan: ServicePlan): WhatToLookFor {
  const expected = expectedOf(renderIstio(plan));
  return {
    kind: 'look',
    host: `${plan.service}.${plan.namespace}.svc.`,
    someone: true,
    judge: (virtualHosts) => {
      const verdicts = expected.map((each) => carried(virtualHosts, each));
      if (verdicts.includes('no')) return 'no';
      return verdicts.includes('yes') ? 'yes' : 'apart';
    },
  };
}

/** Of a service that is gone: no route leads to the subsets that are left of it. */
async function goneFrom(cluster: Cluster, { mesh, service }: Fragment): Promise<WhatToLookFor | { readonly kind: 'served' } | Refused> {
  const rules = await cluster.list(DESTINATION_RULE, { labels: ownerLabels(mesh, service) });
  if (rules.kind === 'refused') return rules;
  const hosts = rules.objects.flatMap((rule) => hostOf(rule) ?? []);
  const [host] = hosts;
  if (host === undefined) return { kind: 'served' };
  const judge: Look['judge'] = (virtualHosts) => (hosts.some((each) => leadsTo(virtualHosts, each)) ? 'no' : 'apart');
  return { kind: 'look', host, someone: false, judge };
}
