/**
 * Taking traffic from a candidate. It waits for nothing: not for convergence, not for another data plane, not for an
 * approval. Only onto a stable version that is *known* to have no ready endpoint it does not go; unknown goes. It ends when it is
 * seen to be served everywhere, or when a person insists: a data plane whose last proxy is gone will never be seen again.
 */
import type { Draft } from './draft.ts';
import { startQueued } from './start.ts';
import type { Cause, Rollout, ServiceState } from './state.ts';

const LONGEST_EXTENSION_MS = 3_600_000;

/** Records what follows from `cause` for the rollout under way; nothing when it is on its way back already. */
export function wayBack(draft: Draft, cause: Cause, force = false): void {
  const { rollout, stable } = draft.state;
  if (!rollout || !stable || rollout.phase.name === 'returning') return;
  const { version } = rollout.candidate;
  const deadline = draft.context.now + rollout.returnDeadlineMs;
  if (rollout.phase.name === 'waiting') {
    draft.record({ type: 'RolloutAbandoned', cause }).card('abandoned', { version, text: cause.message });
    startQueued(draft);
  } else if (!force && draft.context.readinessOf(stable.version) === 'none') {
    if (rollout.phase.name === 'blocked') return;
    draft.record({ type: 'ReturnBlocked', cause, deadline }).watch().card('blocked', { version, text: cause.message });
  } else {
    draft.record({ type: 'TrafficReturned', cause, deadline }).serve().card('returned', { version, text: cause.message });
  }
}

/** The way back is seen to be served: the rollout is over, and what waited behind it begins. */
export function finishReturn(draft: Draft): void {
  draft.record({ type: 'RolledBack' }).serve();
  startQueued(draft);
}

/** A person ends it before it was seen everywhere. Whoever was not seen is still brought what is decided; it is only not waited for. */
export function finishReturnUnseen(draft: Draft, unseen: readonly string[], reason?: string): void {
  draft.record({ type: 'RolledBack', unseen: [...unseen], ...(reason === undefined ? {} : { reason }) }).serve();
  startQueued(draft);
}

/** Data planes not yet seen to serve stable alone. */
export function notSeenBack({ spec, rollout }: ServiceState): readonly string[] {
  if (rollout?.phase.name !== 'returning') return [];
  const { served } = rollout.phase;
  return (spec?.dataPlanes ?? []).filter((dataPlane) => !served.includes(dataPlane));
}

/** Why a candidate must go back, and what data planes refuse of that. */
export function whyBack(cause: Cause, state: ServiceState): string {
  const refusals = refusedBack(state);
  return refusals.length === 0 ? cause.message : [ended(cause.message), ...refusals].join(' ');
}

function refusedBack({ spec, rollout }: ServiceState): readonly string[] {
  const phase = rollout?.phase;
  const refusals = phase?.name === 'returning' || phase?.name === 'blocked' ? phase.refusals : undefined;
  return Object.entries(refusals ?? {})
    .filter(([dataPlane]) => spec?.dataPlanes.includes(dataPlane))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([dataPlane, message]) => ended(`${dataPlane} refused it: ${message}`));
}

const ended = (sentence: string): string => (/[.!?…]$/.test(sentence) ? sentence : `${sentence}.`);

/** A way back that takes too long is said aloud, again and again at longer intervals, and goes on. */
export function returnOverdue(draft: Draft, rollout: Rollout): void {
  const { phase, candidate } = rollout;
  if (phase.name !== 'returning' && phase.name !== 'blocked') return;
  const longer = Math.min(rollout.returnDeadlineMs * 2 ** (phase.extended + 1), LONGEST_EXTENSION_MS);
  draft.record({ type: 'ReturnOverdue', deadline: draft.context.now + longer });
  if (phase.name === 'blocked') {
    draft.watch().card('blocked', { version: candidate.version, text: whyBack(phase.cause, draft.state) });
    return;
  }
  const text = [`Not yet seen to serve stable alone: ${notSeenBack(draft.state).join(', ')}.`, ...refusedBack(draft.state)].join(' ');
  draft.serve().card('stuck', { version: candidate.version, text });
}
