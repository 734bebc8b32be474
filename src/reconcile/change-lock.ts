/**
 * The mesh-wide change lock, advisory: while a rollout is between two weights, who signs and whom workloads trust stay as they are, and while
 * a change of those is not seen everywhere, nothing gets more traffic: what goes wrong has one cause. It delays no way back, and no adding of
 * trust. Neither waits for one that waits: a rotation waits once it is seen everywhere, and a rollout between two weights not at all.
 */
import type { Documents } from '../journal/documents.ts';
import { loadHead } from '../journal/journal.ts';
import { serviceStream, serviceStreamId } from '../rollouts/service-stream.ts';
import type { ServiceState } from '../rollouts/state.ts';
import { meshStream, meshStreamId } from '../spec/adoption.ts';
import { isGated } from '../trust/evolve.ts';
import type { TrustState } from '../trust/state.ts';
import { trustStream, trustStreamId } from '../trust/trust-stream.ts';

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
  return movesTraffic(service, (await loadHead(documents, serviceStream, serviceStreamId(mesh, service))).head.state);
}

export function movesTraffic(service: string, { rollout }: ServiceState): string | undefined {
  const isMoving = rollout?.phase.name === 'shifting' || rollout?.phase.name === 'returning';
  return isMoving ? `${service} is between two weights` : undefined;
}

/** Why nothing of a mesh is to get more traffic now, as a sentence; `undefined`: nothing speaks against it. */
export async function trustChangesIn(documents: Documents, mesh: string): Promise<string | undefined> {
  return trustChanges((await loadHead(documents, trustStream, trustStreamId(mesh))).head.state);
}

/** From the write of a phase until all were seen once to have it; soaking writes nothing, and may take days. */
export function trustChanges({ rotation }: TrustState): string | undefined {
  if (!rotation || !isGated(rotation.phase) || rotation.phase.name === 'soaking' || rotation.phase.passedAt !== undefined) return undefined;
  return `The rotation ${rotation.id} is ${rotation.phase.name}: what it changed is not seen everywhere yet.`;
}
