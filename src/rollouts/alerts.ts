/**
 * Alerts as evidence: which one acts against a candidate, and which ones stand in the way of giving it more traffic.
 * An alert acts if it fired after the candidate first received traffic and looked at a window that overlaps that time.
 */
import { type Decision, unchanged } from '../decision.ts';
import type { FiredAlert, ServiceCommand, ServiceContext } from './commands.ts';
import { Draft } from './draft.ts';
import type { ServiceEvent } from './events.ts';
import { standingAlert } from './standing.ts';
import type { AlertRecord, ServiceState } from './state.ts';
import { reconsider } from './steps.ts';
import { wayBack } from './way-back.ts';

export function alertFired(state: ServiceState, alert: FiredAlert, context: ServiceContext): Decision<ServiceEvent> {
  const known = state.alerts[alert.id];
  // An alert that fires anew under its old id is a new one: the newest time of each kind counts, in whatever order they come.
  if (known?.firedAt !== undefined && known.firedAt >= alert.firedAt)
    return unchanged('KnownAlert', `The alert ${alert.rule} is known already.`);
  const record: AlertRecord = { ...known, rule: alert.rule, summary: alert.summary, firedAt: alert.firedAt };
  const draft = new Draft(state, context).record({ type: 'AlertNoted', id: alert.id, alert: record });
  const { rollout } = state;
  if (!rollout) {
    if (state.stable) draft.card('alert', { version: state.stable.version, text: alert.summary });
    return draft.accepted(`The alert ${alert.rule} is noted; nothing is rolling out.`);
  }
  const { phase } = rollout;
  if (phase.name === 'waiting') {
    if (phase.because !== 'AlertFiring' && standingAlert(draft.state, context.now)) {
      draft.record({ type: 'StartDelayed', because: 'AlertFiring', deadline: phase.deadline });
    }
    return draft.accepted(`The alert ${alert.rule} is noted; ${rollout.candidate.version} has no traffic yet and waits.`);
  }
  if (phase.name === 'returning' || phase.name === 'blocked') {
    return draft.accepted(`The alert ${alert.rule} is noted; ${rollout.candidate.version} is being taken back already.`);
  }
  if (!speaksAgainst(alert, rollout.exposedAt)) {
    return draft.accepted(
      `The alert ${alert.rule} is noted; it does not speak of the time since ${rollout.candidate.version} has traffic.`,
    );
  }
  wayBack(draft, { reason: 'AlertFired', message: `The alert ${alert.rule} fired: ${alert.summary}` });
  return draft.accepted(`The alert ${alert.rule} takes ${rollout.candidate.version} back.`);
}

export function alertResolved(state: ServiceState, command: ServiceCommand & { type: 'AlertResolved' }, context: ServiceContext) {
  const known = state.alerts[command.alertId];
  if (known?.resolvedAt !== undefined && known.resolvedAt >= command.resolvedAt)
    return unchanged('KnownAlert', `The end of the alert ${command.rule} is known already.`);
  const record: AlertRecord = { rule: command.rule, summary: '', ...known, resolvedAt: command.resolvedAt };
  const draft = new Draft(state, context).record({ type: 'AlertNoted', id: command.alertId, alert: record });
  reconsider(draft);
  return draft.accepted(`The alert ${command.rule} has ended.`);
}

/** An alert without a window is judged by the time it fired. */
function speaksAgainst(alert: FiredAlert, exposedAt: number | undefined): boolean {
  return exposedAt !== undefined && alert.firedAt >= exposedAt && (alert.window === undefined || alert.window.end >= exposedAt);
}
