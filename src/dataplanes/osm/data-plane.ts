/** Open Service Mesh in one cluster as a data plane: applied as objects, observed at the sidecars themselves. */
import type { ServicePlan } from '../../plan/plan.ts';
import type { DataPlane, Observation } from '../../reconcile/data-plane.ts';
import type { Fragment } from '../../reconcile/model.ts';
import type { Cluster, Refused } from '../kubernetes/cluster.ts';
import { SERVICES } from '../kubernetes/kinds.ts';
import { type KubernetesOptions, meshDataPlane } from '../kubernetes/mesh-data-plane.ts';
import { ownerLabels, versionServiceName } from '../kubernetes/objects.ts';
import { NAMING, RENDERED_KINDS, TRAFFIC_SPLIT } from './kinds.ts';
import { overruledBy } from './mesh-config.ts';
import { observeSidecars, servesExactly } from './observe.ts';
import { osmRenderer } from './renderer.ts';
import { twins } from './twins.ts';

export interface OsmOptions extends KubernetesOptions {
  /** Where osm-controller runs. */
  readonly controlPlaneNamespace: string;
}

export function osmDataPlane({ controlPlaneNamespace, ...options }: OsmOptions): DataPlane {
  async function see(asked: Cluster, fragment: Fragment): Promise<Observation | Refused> {
    const { plan } = fragment;
    if (plan === null) return seeGone(asked, fragment);
    return observeSidecars(asked, {
      host: hostOf(plan.service, plan.namespace),
      judge: servesExactly(weightsOf(plan)),
      someone: !nobodyMayCall(plan),
    });
  }

  /** Of a service that is gone: no sidecar leads to the Services of its versions. */
  async function seeGone(asked: Cluster, { mesh, service }: Fragment): Promise<Observation | Refused> {
    const left = await asked.list(SERVICES, { labels: ownerLabels(mesh, service) });
    if (left.kind === 'refused') return left;
    const names = left.objects.map(({ metadata }) => metadata.name);
    const [first] = left.objects;
    if (!first) return { kind: 'served' };
    const leadsThere = (weights: object): boolean => names.some((name) => name in weights);
    return observeSidecars(asked, {
      host: hostOf(service, first.metadata.namespace),
      judge: (outbound) => (outbound !== undefined && leadsThere(outbound) ? 'no' : 'apart'),
      someone: false,
    });
  }

  return meshDataPlane(options, {
    renderer: osmRenderer,
    kinds: RENDERED_KINDS,
    naming: NAMING,
    splits: [{ kind: TRAFFIC_SPLIT, destinations: 'backends' }],
    foreign: twins,
    withoutEffect: (asked, plan) => overruledBy(asked, controlPlaneNamespace, plan),
    see,
  });
}

const hostOf = (service: string, namespace: string): string => `${service}.${namespace}.svc.cluster.local`;

/** Then no sidecar is told of the service. */
const nobodyMayCall = ({ security }: ServicePlan): boolean => security?.stage === 'strict' && security.allow.length === 0;

function weightsOf(plan: ServicePlan): Readonly<Record<string, number>> {
  const split = plan.routes.at(-1)?.split ?? [];
  return Object.fromEntries(
    split.filter(({ weight }) => weight > 0).map(({ version, weight }) => [versionServiceName(plan, version), weight]),
  );
}
