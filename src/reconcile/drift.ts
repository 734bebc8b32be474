/**
 * Looking for drift: what was decided for a service, against what a data plane has stored (`DataPlane.drift`), and, where that agrees,
 * against what its proxies serve (`DataPlane.observe`). Only what is at rest is compared: while something is owed to a data plane it is
 * brought there over and over anyway. A look is kept as an observation; its edge is a command. Not to be able to look is no agreement.
 */
import { z } from 'zod';
import type { Documents, JsonObject } from '../journal/documents.ts';
import { sha256 } from '../journal/hash.ts';
import { loadHead } from '../journal/journal.ts';
import { type Head, pendingKey } from '../journal/stream.ts';
import { type Difference, differenceSchema, isRestorable } from '../rollouts/difference.ts';
import { isKnown } from '../rollouts/drift.ts';
import { serviceStream, serviceStreamId } from '../rollouts/service-stream.ts';
import type { ServiceState } from '../rollouts/state.ts';
import type { DataPlane } from './data-plane.ts';
import type { EffectPorts } from './effects.ts';
import { wasBrought } from './first-bring.ts';
import { type Fragment, readFragment } from './model.ts';
import { type Where, whereId } from './where.ts';

/** What is owed for longer, with no rollout that waits for it, is looked at all the same. */
const SETTLES_MS = 5 * 60_000;
/** A proxy that is behind for shorter is on its way. */
const BEHIND_MS = 60_000;
const TRIES = 3;
const KEPT_MS = 24 * 3_600_000;

const lookSchema = z.object({
  service: z.string(),
  dataPlane: z.string(),
  /** Epoch ms. */
  at: z.number(),
  /** `settling`: something is on its way there. `unknown`: it could not be looked at. */
  outcome: z.enum(['none', 'drift', 'settling', 'unknown']),
  differences: z.array(differenceSchema),
  /** Why it is settling or unknown; of others, what could not be seen. */
  because: z.string().exactOptional(),
  /** Proxies that do not serve what is stored, and since when (epoch ms) they are seen so. */
  behind: z.record(z.string(), z.number()),
});
export type DriftLook = Readonly<z.infer<typeof lookSchema>>;
type Seen = Omit<DriftLook, 'service' | 'dataPlane' | 'at'>;

const partitionOf = (mesh: string): string => `drift/${mesh}`;

/** What was seen last of each service and data plane, in the order of looking. */
export async function driftLooks(documents: Documents, mesh: string, now: number): Promise<readonly DriftLook[]> {
  const found = await documents.list({ partition: partitionOf(mesh), kind: 'drift' });
  return found.filter(({ document }) => (document.expiresAt ?? 0) > now).map(({ document }) => lookSchema.parse(document.body));
}

/**
 * Looks, keeps what is seen, and tells the service's stream when it is new. `undefined`: nothing is decided for it there yet. What
 * fails is reported, and keeps nobody from looking elsewhere.
 */
export async function lookForDrift(ports: EffectPorts, where: Where): Promise<DriftLook | undefined> {
  try {
    return await look(ports, where);
  } catch (error) {
    const { service, dataPlane } = where;
    ports.report(`The drift of ${service} on ${dataPlane} could not be looked for or told.`, error);
    return { service, dataPlane, at: ports.now(), ...unknown(error instanceof Error ? error.message : String(error)) };
  }
}

async function look(ports: EffectPorts, where: Where): Promise<DriftLook | undefined> {
  const { documents, now } = ports;
  const { mesh, service, dataPlane } = where;
  const plane = await ports.dataPlane(mesh, dataPlane);
  const before = await readLook(documents, where);
  for (let tries = 1; ; tries += 1) {
    const { head } = await loadHead(documents, serviceStream, serviceStreamId(mesh, service));
    if (!head.state.spec?.dataPlanes.includes(dataPlane) || head.state.retired) return undefined;
    const fragment = await readFragment(documents, mesh, service);
    if (!fragment?.plan) return undefined;
    const compared = plane
      ? await seen(ports, head, fragment, plane, where, before)
      : unknown(`This build reaches no data plane ${dataPlane}.`);
    // What was written meanwhile looks like drift from what was to be there before.
    const moved = compared.outcome === 'drift' && (await isMoved(documents, where, fragment));
    if (moved && tries < TRIES) continue;
    const looked: DriftLook = { service, dataPlane, at: now(), ...(moved ? settling('It is being changed without pause.') : compared) };
    await keepLook(documents, mesh, looked);
    await tell(ports, where, head, looked);
    // What came again before its going was seen is news to nobody, and put back all the same.
    const { outcome, differences } = looked;
    const again = outcome === 'drift' && isKnown(head.state.drift[dataPlane], differences) && differences.some(isRestorable);
    if (again) await plane?.apply(fragment);
    return looked;
  }
}

/** Whether something newer than the fragment is, or is being, brought to the data planes. */
async function isMoved(documents: Documents, { mesh, service, dataPlane }: Where, { revision }: Fragment): Promise<boolean> {
  const { head } = await loadHead(documents, serviceStream, serviceStreamId(mesh, service));
  const owed = head.pending[pendingKey('serve', dataPlane)];
  return (owed !== undefined && owed.revision > revision) || (await readFragment(documents, mesh, service))?.revision !== revision;
}

/** Only whether it is gone: for right after what drifted was put back. */
export async function lookWhetherGone(ports: EffectPorts, where: Where): Promise<void> {
  const { head } = await loadHead(ports.documents, serviceStream, serviceStreamId(where.mesh, where.service));
  const [fragment, plane] = [
    await readFragment(ports.documents, where.mesh, where.service),
    await ports.dataPlane(where.mesh, where.dataPlane),
  ];
  if (!fragment?.plan || !plane || !head.state.drift[where.dataPlane]) return;
  const compared = await seen(ports, head, fragment, plane, where, undefined);
  if (compared.outcome !== 'none') return;
  const looked: DriftLook = { service: where.service, dataPlane: where.dataPlane, at: ports.now(), ...compared };
  await keepLook(ports.documents, where.mesh, looked);
  await tell(ports, where, head, looked);
}

async function tell(ports: EffectPorts, { mesh, service, dataPlane }: Where, head: Head<ServiceState>, look: DriftLook): Promise<void> {
  const { outcome, differences } = look;
  if ((outcome !== 'none' && outcome !== 'drift') || isKnown(head.state.drift[dataPlane], differences)) return;
  const id = `drift/${mesh}/${service}/${dataPlane}/${head.version}/${sha256(JSON.stringify(differences)).slice(0, 16)}`;
  await ports.prompt(mesh, service, id, { type: 'NoteDrift', dataPlane, differences });
}

async function seen(
  { documents, now, report }: EffectPorts,
  { state, pending }: Head<ServiceState>,
  fragment: Fragment,
  plane: DataPlane,
  { mesh, service, dataPlane }: Where,
  before: DriftLook | undefined,
): Promise<Seen> {
  const owed = pending[pendingKey('serve', dataPlane)];
  const first = owed !== undefined && plane.drift !== undefined && !(await wasBrought(documents, { mesh, service, dataPlane }));
  if (owed && (first || state.rollout !== undefined || now() - owed.since < SETTLES_MS)) {
    return settling(owed.error ?? 'What was decided is being brought there.');
  }
  try {
    const stored = owed ? [] : ((await plane.drift?.(fragment)) ?? []);
    if (stored.length > 0) return { outcome: 'drift', differences: [...stored], behind: {} };
    return await servedBy(plane, fragment, now(), before?.behind ?? {});
  } catch (error) {
    report(`It could not be seen whether ${service} drifted on ${dataPlane}.`, error);
    return unknown(error instanceof Error ? error.message : String(error));
  }
}

async function servedBy(plane: DataPlane, fragment: Fragment, now: number, before: DriftLook['behind']): Promise<Seen> {
  const observed = await plane.observe(fragment, now);
  switch (observed.kind) {
    case 'served':
      return { outcome: 'none', differences: [], behind: {} };
    case 'unobserved': {
      const because = `What proxies serve is not seen: ${observed.reason}.`;
      return plane.drift ? { outcome: 'none', differences: [], because, behind: {} } : unknown(because);
    }
    case 'rejected':
      return { outcome: 'drift', differences: [{ kind: 'behind', resource: observed.node, message: observed.message }], behind: {} };
    case 'waiting': {
      if (observed.for.length === 0) return unknown(observed.because ?? 'No proxy is seen there.');
      const behind = Object.fromEntries(observed.for.map((node) => [node, before[node] ?? now]));
      const long = Object.entries(behind).filter(([, since]) => now - since >= BEHIND_MS);
      if (long.length === 0) return { ...settling(`Not served yet by ${observed.for.join(', ')}.`), behind };
      const message = 'it does not serve what was decided, though that is stored; see whether it is still connected, and what it says.';
      return { outcome: 'drift', differences: long.map(([resource]): Difference => ({ kind: 'behind', resource, message })), behind };
    }
  }
}

const unknown = (because: string): Seen => ({ outcome: 'unknown', differences: [], because, behind: {} });
const settling = (because: string): Seen => ({ outcome: 'settling', differences: [], because, behind: {} });

async function readLook(documents: Documents, where: Where): Promise<DriftLook | undefined> {
  const found = await documents.read(partitionOf(where.mesh), whereId(where));
  return found && lookSchema.parse(found.document.body);
}

async function keepLook(documents: Documents, mesh: string, look: DriftLook): Promise<void> {
  const partition = partitionOf(mesh);
  const body: JsonObject = JSON.parse(JSON.stringify(look));
  const document = {
    partition,
    id: whereId(look),
    kind: 'drift',
    ordinal: look.at,
    expiresAt: look.at + KEPT_MS,
    body,
  };
  await documents.batch(partition, [{ op: 'upsert', document }]);
}
