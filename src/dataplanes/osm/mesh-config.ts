/**
 * What the MeshConfig says of the whole mesh and is not ours to write: where it would make a plan mean something else, the plan is
 * not applied.
 */
import { z } from 'zod';
import type { ServicePlan } from '../../plan/plan.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import { MESH_CONFIG } from './kinds.ts';

const NAME = 'osm-mesh-config';
const specSchema = z.object({
  traffic: z.object({ enablePermissiveTrafficPolicyMode: z.boolean().default(false) }).prefault({}),
  featureFlags: z.object({ enableEgressPolicy: z.boolean().default(true) }).prefault({}),
});

/** `undefined`: it leaves the plan its meaning. What cannot be read is not taken for harmless. Throws `ClusterUnavailable`. */
export async function overruledBy(cluster: Cluster, namespace: string, { security, egress }: ServicePlan): Promise<string | undefined> {
  if (!security && !egress) return undefined;
  const found = await cluster.get(MESH_CONFIG, { namespace, name: NAME });
  const where = `MeshConfig ${namespace}/${NAME}`;
  if (found.kind === 'refused') return `${where} could not be read, and with it who may call whom: ${found.message}`;
  if (found.kind === 'absent') return `There is no ${where}: say with \`controlPlaneNamespace\` where osm-controller runs.`;
  const { traffic, featureFlags } = specSchema.parse(found.object.spec);
  if (security && traffic.enablePermissiveTrafficPolicyMode) {
    return `${where} has \`enablePermissiveTrafficPolicyMode\` on: everybody may call everybody, whatever \`allow\` says. Switch it off once every service has its \`allow\`, or leave \`mtls\` out.`;
  }
  if (egress && !featureFlags.enableEgressPolicy) return `${where} has \`enableEgressPolicy\` off: switch it on, or leave \`egress\` out.`;
  return undefined;
}
