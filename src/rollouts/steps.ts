/**
 * How a rollout goes on: convergence starts a step's clock, the clock's end asks whether anything speaks against the next
 * weight, and the last step's end makes the candidate stable. Absence of evidence never advances a step.
 */
import type { ServiceCommand } from './commands.ts';
import type { Draft } from './draft.ts';
import { adviceAgainst, obstacleTo } from './standing.ts';
import { beginStep, startQueued, tryBegin } from './start.ts';
import type { Phase, Rollout } from './state.ts';
import { finishReturn, wayBack } from './way-back.ts';

/** A data plane was seen to serve `revision` or newer. Nothing is recorded when nobody waits for it. */
export function converged(draft: Draft, { dataPlane, revision, unobserved }: ServiceCommand & { type: 'Converged' }): void {
  const { spec, rollout } = draft.state;
  const phase = rollout?.phase;
  if (!spec?.dataPlanes.includes(dataPlane)) return;
  if (phase?.name !== 'shifting' && phase?.name !== 'returning') return;
  if (revision < phase.revision || phase.served.includes(dataPlane)) return;
  const type = phase.name === 'shifting' ? 'StepServedBy' : 'ReturnServedBy';
  draft.record({ type, dataPlane, ...(unobserved === undefined ? {} : { unobserved }) });
  goOnIfServed(draft);
}

/** Starts the clock, or ends the way back, once every data plane of the spec serves it. */
export function goOnIfServed(draft: Draft): void {
  const { spec, rollout } = draft.state;
  const phase = rollout?.phase;
  if (!spec || !rollout || (phase?.name !== 'shifting' && phase?.name !== 'returning')) return;
  if (!spec.dataPlanes.every((dataPlane) => phase.served.includes(dataPlane))) return;
  if (phase.name === 'returning') finishReturn(draft);
  else if (phase.promoted) succeed(draft, rollout);
  else startClock(draft, rollout, phase);
}

function startClock(draft: Draft, rollout: Rollout, phase: Phase & { name: 'shifting' }): void {
  const holdMs = rollout.steps[phase.step]?.holdMs ?? 0;
  const until = draft.context.now + holdMs;
  draft.record({ type: 'StepHeld', step: phase.step, until, deadline: Math.max(phase.deadline, until) });
  if (holdMs === 0) advance(draft);
}

/** The clock of a step has run: on to the next weight, or held back, or back. */
export function advance(draft: Draft): void {
  const { rollout } = draft.state;
  if (rollout?.phase.name !== 'holding') return;
  const { phase, candidate } = rollout;
  const readiness = draft.context.readinessOf(candidate.version);
  if (readiness === 'none') {
    wayBack(draft, candidateDown(candidate.version));
    return;
  }
  const against = obstacleTo(draft.state, candidate.version, draft.context);
  const reason = against ?? adviceAgainst(draft.context, phase.deadline);
  if (reason !== undefined) {
    draft.watch();
    if (phase.overdue && phase.heldBy === reason) return;
    draft.record({ type: 'AdvanceHeldBack', reason, ...(against === undefined ? { advised: true } : {}) });
    const isNews = against !== undefined && (!phase.overdue || phase.advised === true);
    if (isNews) draft.card('held', { version: candidate.version, text: reason, until: phase.deadline });
    return;
  }
  if (phase.step + 1 < rollout.steps.length) beginStep(draft, phase.step + 1);
  else succeed(draft, rollout);
}

function succeed(draft: Draft, rollout: Rollout): void {
  draft.record({ type: 'RolloutSucceeded' }).serve().card('succeeded', { version: rollout.candidate.version });
  startQueued(draft);
}

/** Readiness or alerts may have changed: does this rollout go on, or back, because of it? */
export function reconsider(draft: Draft): void {
  const { rollout } = draft.state;
  if (!rollout) return;
  const { phase, candidate } = rollout;
  switch (phase.name) {
    case 'waiting':
      tryBegin(draft);
      return;
    case 'blocked':
      wayBack(draft, phase.cause);
      return;
    case 'returning':
      return;
    default:
      if (draft.context.readinessOf(candidate.version) === 'none') wayBack(draft, candidateDown(candidate.version));
      else if (phase.name === 'holding' && phase.overdue) advance(draft);
  }
}

const candidateDown = (version: string) => ({ reason: 'CandidateDown', message: `${version} has no ready endpoint.` });
