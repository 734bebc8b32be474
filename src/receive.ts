/**
 * Deliveries from outside: an event or an alert is read, the services it means are found, each of their streams is given
 * the command under the same delivery id, and only then is the delivery acknowledged. What fits nothing is parked and said.
 */

import { type Alert, type OtherAlert, readAlert } from './intake/alerts.ts';
import { dataPlanesIn, readClusterChange } from './intake/cluster-changes.ts';
import { type DeliveredEvent, readEvent } from './intake/delivery.ts';
import { type Deployment, readDeployment } from './intake/deployments.ts';
import { servicesFor, servicesForAlert } from './intake/matching.ts';
import { keepable } from './intake/personal-claims.ts';
import { eventsOf } from './intake/queued-events.ts';
import { readVaultEvent } from './intake/vault-events.ts';
import type { Documents } from './journal/documents.ts';
import { park } from './journal/parked.ts';
import type { Answer, Delivery } from './journal/stream.ts';
import { receiveVaultEvent } from './receive-vault.ts';
import type { AdoptedMesh } from './reconcile/adopted-specs.ts';
import { oweLook } from './reconcile/owed-looks.ts';
import type { Tending } from './reconcile/tending.ts';
import type { ServiceCommand } from './rollouts/commands.ts';

export type Received =
  | { readonly kind: 'answered'; readonly answers: readonly Answer[] }
  /** It brings no version, and tells that data planes may have been changed: drift is looked for there. */
  | { readonly kind: 'looking'; readonly message: string }
  | { readonly kind: 'ignored'; readonly reason: string; readonly message: string }
  /** Kept under `id` with what is wrong; the sender is told, and need not send it again as it is. */
  | { readonly kind: 'parked'; readonly id: string; readonly reason: string; readonly message: string };

export interface ReceivingPorts {
  readonly documents: Documents;
  readonly now: () => number;
  readonly tending: Tending;
  readonly meshes: () => Promise<readonly AdoptedMesh[]>;
}

/**
 * `body` is parsed JSON, or the raw text where it was none. `again`: a person insists on a version that was taken back, and so on
 * an event that may have been answered already: with `again` it is another delivery.
 */
export async function receiveEvent(ports: ReceivingPorts, body: unknown, actor?: string, again = false): Promise<Received> {
  const reading = readEvent(body, ports.now());
  if (!reading.ok) return parkIt(ports, 'events', body, reading);
  const { deliveryId } = reading.event;
  const vault = readVaultEvent(reading.event);
  if (vault.kind === 'ignored') return vault;
  if (vault.kind === 'invalid') return parkIt(ports, 'events', body, vault, deliveryId);
  if (vault.kind === 'vault') {
    const news = await receiveVaultEvent(ports.tending, await ports.meshes(), vault);
    return news.kind === 'unfit' ? parkIt(ports, 'events', body, news, vault.deliveryId) : news;
  }
  const deployment = readDeployment(reading.event);
  const looking = await lookWhereChanged(ports, reading.event);
  if (deployment.kind === 'ignored') return looking ?? deployment;
  if (deployment.kind === 'invalid') return parkIt(ports, 'events', body, deployment, deliveryId);
  const targets = servicesFor(deployment, await ports.meshes());
  if (targets.length === 0) {
    if (looking) return looking;
    return parkIt(
      ports,
      'events',
      body,
      { reason: 'FitsNoService', message: `No adopted spec waits for ${describe(deployment)}.` },
      deliveryId,
    );
  }
  const answers = [];
  for (const { mesh, service, version, digest } of targets) {
    const place = placeOf(deployment);
    const release = digest === undefined ? { version } : { version, digest };
    const command: ServiceCommand = { type: 'Deploy', release, ...(place ? { place } : {}), ...(again ? { again } : {}) };
    answers.push(await ports.tending.service(mesh, service, deliveryOf(deployment, actor, again), command));
  }
  return { kind: 'answered', answers };
}

/** One after the other; a message whose third event fails comes again as a whole, and the first two get the answers they had. */
export async function receiveQueued(ports: ReceivingPorts, message: unknown): Promise<readonly Received[]> {
  const received: Received[] = [];
  for (const event of eventsOf(message)) received.push(await receiveEvent(ports, event));
  return received;
}

/** An event that comes twice is looked after twice, which harms nothing. */
async function lookWhereChanged({ documents, meshes, now }: ReceivingPorts, event: DeliveredEvent): Promise<Received | undefined> {
  const change = readClusterChange(event);
  const places = change ? dataPlanesIn(change, await meshes()) : [];
  if (!change || places.length === 0) return undefined;
  for (const place of places) await oweLook(documents, place, now());
  const where = places.map(({ mesh, dataPlane }) => `${dataPlane} of ${mesh}`).join(', ');
  return { kind: 'looking', message: `${change.operation || 'A change'} of ${change.aks}: drift is looked for on ${where}.` };
}

export async function receiveAlert(ports: ReceivingPorts, body: unknown): Promise<Received> {
  const alert = readAlert(body);
  if (alert.kind === 'invalid') return parkIt(ports, 'alerts', body, alert);
  const meshes = await ports.meshes();
  if (alert.kind === 'other') return fitsNothing(ports, alert, body, meshes);
  const targets = servicesForAlert(alert, meshes);
  if (targets.length === 0) return fitsNothing(ports, alert, body, meshes);
  const answers = [];
  for (const { mesh, service } of targets) {
    answers.push(await ports.tending.service(mesh, service, alertDelivery(alert), alertCommand(alert)));
    if (!alert.momentary) continue;
    // Nobody will say that it is over: it would stand in the way of every rollout from now on.
    const over = { ...alertDelivery(alert), id: `${alert.deliveryId}/over` };
    await ports.tending.service(mesh, service, over, {
      type: 'AlertResolved',
      alertId: alert.alertId,
      rule: alert.rule,
      resolvedAt: alert.firedAt,
    });
  }
  return { kind: 'answered', answers };
}

/** Recorded in every mesh's journal, so that its people hear of it, and parked so that it can be sent again. */
async function fitsNothing(
  ports: ReceivingPorts,
  alert: Alert | OtherAlert,
  body: unknown,
  meshes: readonly AdoptedMesh[],
): Promise<Received> {
  const { rule, condition, summary } = alert;
  const reason = alert.kind === 'other' ? 'UnsupportedAlertType' : 'FitsNoService';
  const message =
    alert.kind === 'other'
      ? `The alert ${rule} is of the type ${alert.signalType} (${alert.monitoringService}), which speaks against no version; it is recorded.`
      : `The alert ${rule} fits no service; name its rule, dimension or target under "alerts" in a spec, or give it the custom property meshwright.service.`;
  if (condition === 'fired') {
    const what = `The alert ${rule}`;
    for (const { mesh } of meshes) await ports.tending.mesh(mesh, alertDelivery(alert), { type: 'NoteUnmatched', what, summary });
  }
  return parkIt(ports, 'alerts', body, { reason, message }, alert.deliveryId);
}

async function parkIt(
  ports: ReceivingPorts,
  door: string,
  content: unknown,
  wrong: { readonly reason: string; readonly message: string },
  deliveryId?: string,
): Promise<Received> {
  const { reason, message } = wrong;
  const id = await park(
    ports.documents,
    { door, reason, message, content: keepable(content), ...(deliveryId === undefined ? {} : { deliveryId }) },
    ports.now(),
  );
  return { kind: 'parked', id, reason, message };
}

function alertCommand(alert: Alert): ServiceCommand {
  const { alertId, rule, firedAt, window, summary } = alert;
  if (alert.condition === 'resolved') return { type: 'AlertResolved', alertId, rule, resolvedAt: alert.resolvedAt ?? firedAt };
  return { type: 'AlertFired', alert: { id: alertId, rule, firedAt, summary, ...(window ? { window } : {}) } };
}

const alertDelivery = (alert: Alert | OtherAlert): Delivery => ({
  id: alert.deliveryId,
  actor: `alert ${alert.rule}`,
  evidence: { alert: alert.alertId, rule: alert.rule, condition: alert.condition, firedAt: alert.firedAt, summary: alert.summary },
  recordRefusal: true,
});

function deliveryOf(deployment: Deployment, actor: string | undefined, again: boolean): Delivery {
  const { from, deliveryId } = deployment;
  const id = again ? JSON.stringify(['again', deliveryId]) : deliveryId;
  const evidence = { from: from.kind, what: describe(deployment), occurredAt: deployment.occurredAt };
  return { id, actor: actor ?? (from.kind === 'request' ? 'deployment request' : from.kind), evidence, recordRefusal: true };
}

/** Only pushes to one repository have an order of their own; what people and CI/CD ask for is never too old. */
function placeOf({ from, occurredAt }: Deployment): { repository: string; at: number; tie: string } | undefined {
  return from.kind === 'registry' ? { repository: from.repository, at: occurredAt, tie: `${from.digest}/${from.tag}` } : undefined;
}

function describe({ from }: Deployment): string {
  switch (from.kind) {
    case 'registry':
      return `${from.repository}:${from.tag}`;
    case 'resource':
      return from.resourceId;
    case 'request':
      return `${from.service} ${from.version}`;
  }
}
