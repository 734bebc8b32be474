/**
 * Whom a dry run of an AuthorizationPolicy would have refused, as the service's own sidecars count it: each is asked at Envoy's admin
 * door, through a port-forward. Istio counts requests and not callers; only the debug log of `rbac` names those. The counter's name:
 * `RBACShadowRulesAllowStatPrefix` (pilot/pkg/security/authz/model); sidecars keep it by default (pkg/bootstrap/config.go).
 */
import { z } from 'zod';
import type { ServicePlan } from '../../plan/plan.ts';
import type { DryRunCount } from '../../reconcile/data-plane.ts';
import type { Cluster, KubernetesObject } from '../kubernetes/cluster.ts';
import { PODS } from '../kubernetes/kinds.ts';

const ADMIN_PORT = 15_000;
const PATH = `/stats?usedonly&filter=${encodeURIComponent('istio_dry_run_allow_\\.?shadow_denied$')}`;
const AT_ONCE = 4;

const podSchema = z.looseObject({
  spec: z.looseObject({
    containers: z.array(z.object({ name: z.string() })).default([]),
    initContainers: z.array(z.object({ name: z.string() })).default([]),
  }),
  status: z.looseObject({ phase: z.string().default('') }).default({ phase: '' }),
});

/** Since each proxy started. Throws where not all of them can be asked: what one has counted is not nothing. */
export async function dryRunCounts(cluster: Cluster, { namespace, selector }: ServicePlan): Promise<readonly DryRunCount[]> {
  const listed = await cluster.list(PODS, { namespace, labels: selector });
  if (listed.kind === 'refused') throw new Error(listed.message);
  const pods = listed.objects.filter(runsProxy);
  const counts: DryRunCount[] = [];
  for (let index = 0; index < pods.length; index += AT_ONCE) {
    counts.push(...(await Promise.all(pods.slice(index, index + AT_ONCE).map((pod) => countAt(cluster, pod)))));
  }
  return counts;
}

function runsProxy(pod: KubernetesObject): boolean {
  const { spec, status } = podSchema.parse(pod);
  const ended = status.phase === 'Succeeded' || status.phase === 'Failed';
  return !ended && [...spec.containers, ...spec.initContainers].some(({ name }) => name === 'istio-proxy');
}

async function countAt(cluster: Cluster, { metadata: { namespace, name } }: KubernetesObject): Promise<DryRunCount> {
  const door = cluster.door({ namespace, pod: name, port: ADMIN_PORT });
  try {
    const answer = await door.get(PATH);
    if (answer.kind === 'refused') throw new Error(answer.message);
    if (answer.status !== 200)
      throw new Error(`The proxy of ${namespace}/${name} answers ${answer.status} when it is asked what it counted.`);
    return { proxy: `${name}.${namespace}`, wouldRefuse: sumOf(answer.body) };
  } finally {
    door.close();
  }
}

/** Of lines such as `http.inbound_0.0.0.0_8080.rbac.istio_dry_run_allow_shadow_denied: 40`. */
const sumOf = (body: string): number =>
  body.split('\n').reduce((sum, line) => sum + (Number(/: (\d+)$/.exec(line.trim())?.[1] ?? 0) || 0), 0);
