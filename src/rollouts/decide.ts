/**
 * The one decision function of a service's stream: state, command and context in, events and effects (or a refusal) out.
 * Pure: clock, version and readiness come in with the context.
 */
import { type Decision, refused, unchanged } from '../decision.ts';
import { alertFired, alertResolved } from './alerts.ts';
import { byHand } from './by-hand.ts';
import type { ServiceCommand, ServiceContext } from './commands.ts';
import { elapsed } from './deadlines.ts';
import { deploy } from './deployments.ts';
import { Draft } from './draft.ts';
import { noteDrift } from './drift.ts';
import type { ServiceEvent } from './events.ts';
import type { Phase, ServiceState } from './state.ts';
import { converged, goOnIfServed, reconsider } from './steps.ts';

export function decide(state: ServiceState, command: ServiceCommand, context: ServiceContext): Decision<ServiceEvent> {
  if (command.type === 'Specify') return specify(state, command, context);
  if (command.type === 'Retire') return retire(state, command, context);
  if (!state.spec || state.retired) return refused('UnknownService', 'No adopted spec names this service; apply one that does.');
  switch (command.type) {
    case 'Deploy':
      return deploy(state, command, context);
    case 'AlertFired':
      return alertFired(state, command.alert, context);
    case 'AlertResolved':
      return alertResolved(state, command, context);
    case 'Pause':
    case 'Resume':
    case 'Promote':
    case 'Abort':
      return byHand(state, command, context);
    case 'Elapsed':
      return elapsed(state, command, context);
    case 'Converged': {
      const draft = new Draft(state, context);
      converged(draft, command);
      return draft.accepted(
        command.unobserved === undefined
          ? `${command.dataPlane} serves what was decided.`
          : `${command.dataPlane} was given what was decided (observed: no; ${command.unobserved}).`,
      );
    }
    case 'Recheck': {
      const draft = new Draft(state, context);
      reconsider(draft);
      return draft.accepted('Readiness was looked at again.');
    }
    case 'KeptBack': {
      const { dataPlane, version } = command;
      if (!state.spec.dataPlanes.includes(dataPlane)) return unchanged('NotItsDataPlane', `${state.spec.name} is not on ${dataPlane}.`);
      const draft = new Draft(state, context).record({ type: 'FirstKeptBack', dataPlane, version });
      return draft
        .card('kept-back', { version, what: dataPlane })
        .accepted(`${dataPlane} is given nothing until ${version} is ready there.`);
    }
    case 'NoteDrift':
      return noteDrift(state, command, context);
    case 'Rejected':
      return planRejected(state, command, context);
  }
}

function specify(state: ServiceState, command: ServiceCommand & { type: 'Specify' }, context: ServiceContext): Decision<ServiceEvent> {
  const { spec, specVersion } = command;
  if (specVersion <= state.specVersion) return unchanged('OlderSpec', 'This or a newer spec is in force already.');
  const draft = new Draft(state, context).record({ type: 'ServiceSpecified', spec, specVersion });
  const first = state.stable ?? (spec.stable === undefined ? undefined : { version: spec.stable });
  if (first && draft.state.split.length === 0) draft.record({ type: 'StableEstablished', release: first });
  draft.serve();
  for (const dataPlane of state.spec?.dataPlanes ?? []) if (!spec.dataPlanes.includes(dataPlane)) draft.leave(dataPlane);
  goOnIfServed(draft);
  return draft.accepted(`The spec of ${spec.name} is in force.`);
}

function retire(state: ServiceState, command: ServiceCommand & { type: 'Retire' }, context: ServiceContext): Decision<ServiceEvent> {
  if (command.specVersion <= state.specVersion || state.retired) return unchanged('OlderSpec', 'This or a newer spec is in force already.');
  const draft = new Draft(state, context).record({ type: 'ServiceRetired', specVersion: command.specVersion }).serve();
  return draft.accepted('The service is no longer part of the mesh.');
}

/** A refusal stops the way up; it does not take the mesh back. The step's deadline does that, if nothing changes. */
function planRejected(
  state: ServiceState,
  command: ServiceCommand & { type: 'Rejected' },
  context: ServiceContext,
): Decision<ServiceEvent> {
  const { dataPlane, message } = command;
  const { rollout } = state;
  const phase = rollout?.phase;
  if (!rollout || !phase || !isNewRefusal(state, phase, command))
    return unchanged('NothingToStop', 'Nothing new waits for this data plane.');
  const { version } = rollout.candidate;
  const draft = new Draft(state, context).record({ type: 'PlanRejected', dataPlane, message });
  draft.card('stuck', { version, text: `${dataPlane} refused it: ${message}`, until: phase.deadline });
  return draft.accepted(
    phase.name === 'shifting' ? `${dataPlane} refused the weight of ${version}.` : `${dataPlane} refused what takes ${version} back.`,
  );
}

/** On the way up one refusal is enough to stop it; on the way back each data plane's is news, once. */
function isNewRefusal({ spec }: ServiceState, phase: Phase, { dataPlane, revision }: ServiceCommand & { type: 'Rejected' }): boolean {
  if (!spec?.dataPlanes.includes(dataPlane)) return false;
  switch (phase.name) {
    case 'shifting':
      return revision >= phase.revision && phase.refusal === undefined;
    case 'returning':
      return revision >= phase.revision && phase.refusals?.[dataPlane] === undefined && !phase.served.includes(dataPlane);
    case 'blocked':
      return phase.refusals?.[dataPlane] === undefined;
    default:
      return false;
  }
}
