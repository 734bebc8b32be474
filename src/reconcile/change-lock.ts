/**
 * The mesh-wide change lock, advisory: while a rollout is between two weights, who signs and whom workloads trust stay as they are, so
 * that what goes wrong has one cause. It delays no way back, and no adding of trust.
 */
import type { Documents } from '../journal/documents.ts';
import { loadHead } from '../journal/journal.ts';
import { serviceStream, serviceStreamId } from '../rollouts/service-stream.ts';
import { meshStream, meshStreamId } from '../spec/adoption.ts';

const AT_ONCE = 50;

/** Why a change of trust waits, as the end of a sentence; `undefined`: it need not. */
export async function lockedBy(documents: Documents, mesh: string): Promise<string | undefined> {
  const services = Object.keys((await loadHead(documents, meshStream, meshStreamId(mesh))).head.state.services);
  for (let index = 0; index < services.length; index += AT_ONCE) {
    const some = services.slice(index, index + AT_ONCE);
    const reasons = await Promise.all(some.map((service) => movingTraffic(documents, mesh, service)));
    const found = reasons.find((reason) => reason !== undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function movingTraffic(documents: Documents, mesh: string, service: string): Promise<string | undefined> {
  const { rollout } = (await loadHead(documents, serviceStream, serviceStreamId(mesh, service))).head.state;
  const isMoving = rollout?.phase.name === 'shifting' || rollout?.phase.name === 'returning';
  return isMoving ? `${service} is between two weights` : undefined;
}
