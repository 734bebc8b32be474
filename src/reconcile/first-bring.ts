/**
 * The first that a data plane is given of a service. Where traffic goes its own way until then, ours must not lead it to a version
 * that is known to have no ready endpoint there: that is kept back, and comes by itself once the version has one. Decision 0009.
 */
import type { Documents } from '../journal/documents.ts';
import type { DataPlane } from './data-plane.ts';
import type { EffectPorts } from './effects.ts';
import type { Fragment } from './model.ts';
import { type Where, whereId } from './where.ts';

const partitionOf = (mesh: string): string => `brought/${mesh}`;

/** Whether anything of the service was ever brought there, since it came to live there. */
export async function wasBrought(documents: Documents, where: Where): Promise<boolean> {
  return (await documents.read(partitionOf(where.mesh), whereId(where))) !== undefined;
}

/**
 * The versions that keep the fragment back; none: it may be brought, and from now on counts as brought. Unknown readiness keeps
 * nothing back: not every data plane can tell.
 */
export async function keptBackBy(
  { documents, now, report }: Pick<EffectPorts, 'documents' | 'now' | 'report'>,
  plane: DataPlane,
  { mesh, service, plan }: Fragment,
  dataPlane: string,
): Promise<readonly string[]> {
  // Where nothing is stored but the model there is no traffic that goes its own way.
  if (plan === null || !plane.drift || (await wasBrought(documents, { mesh, service, dataPlane }))) return [];
  const known = await plane.readiness(mesh, service, now(), true).catch((error) => {
    report(`The readiness of ${service} on ${dataPlane} could not be read.`, error);
    return undefined;
  });
  const split = plan.routes.at(-1)?.split ?? [];
  const without = split.filter(({ version, weight }) => weight > 0 && known?.[version] === 'none').map(({ version }) => version);
  if (without.length > 0) return without;
  // Before it is brought: to have kept back what is there already would be worse.
  const document = {
    partition: partitionOf(mesh),
    id: whereId({ service, dataPlane }),
    kind: 'brought',
    ordinal: 0,
    body: { service, dataPlane },
  };
  await documents.batch(partitionOf(mesh), [{ op: 'upsert', document }]);
  return [];
}

/** All of it is gone from there: what comes next is the first again. */
export async function forgetBrought(documents: Documents, where: Where): Promise<void> {
  await documents.batch(partitionOf(where.mesh), [{ op: 'delete', id: whereId(where) }]);
}
