/**
 * How a rollout starts: the candidate gets its first weight when no alert stands and it is seen ready on every data
 * plane, and no change of trust is under way; until then it waits, with a deadline.
 */
import type { Draft } from './draft.ts';
import { adviceAgainst, standingAlert } from './standing.ts';
import type { Phase, Place, Release } from './state.ts';

type StartObstacle = Extract<Phase, { name: 'waiting' }>['because'];

export function startRollout(draft: Draft, release: Release, place?: Place): void {
  const { spec } = draft.state;
  if (!spec) return;
  const { steps, pauseDeadlineMs, startDeadlineMs, returnDeadlineMs } = spec.rollout;
  const plan = { steps, pauseDeadlineMs, startDeadlineMs, returnDeadlineMs };
  draft.record({ type: 'RolloutStarted', release, plan, ...(place ? { place } : {}) });
  tryBegin(draft);
  const waiting = draft.state.rollout?.phase;
  // What is over in moments, and ends in any case, is shown where somebody looks.
  if (waiting?.name !== 'waiting' || waiting.because === 'TrustChanging') return;
  const text = waiting.because === 'AlertFiring' ? standingAlert(draft.state, draft.context.now)?.summary : undefined;
  const what = draft.context.notReadyOn(release.version).join(', ');
  draft.card('delayed', { version: release.version, until: waiting.deadline, ...(text ? { text } : { what }) });
}

/** Gives a waiting candidate its first weight, or says what it waits for. */
export function tryBegin(draft: Draft): void {
  const { rollout } = draft.state;
  if (rollout?.phase.name !== 'waiting') return;
  const { deadline, because } = rollout.phase;
  const obstacle = obstacleToBegin(draft, rollout.candidate.version, deadline);
  if (!obstacle) {
    beginStep(draft, 0);
    return;
  }
  if (obstacle !== because) draft.record({ type: 'StartDelayed', because: obstacle, deadline });
  draft.watch();
}

function obstacleToBegin({ state, context }: Draft, version: string, deadline: number): StartObstacle | undefined {
  if (standingAlert(state, context.now)) return 'AlertFiring';
  if (context.readinessOf(version) !== 'ready') return 'NotReady';
  return adviceAgainst(context, deadline) === undefined ? undefined : 'TrustChanging';
}

/** Writes a step's weight. Its clock does not start here but when every data plane was seen to serve it. */
export function beginStep(draft: Draft, step: number, promoted = false): void {
  const { rollout } = draft.state;
  const planned = rollout?.steps[step];
  if (!rollout || !planned) return;
  const first = rollout.exposedAt === undefined;
  draft.record({ type: 'StepBegun', step, weight: planned.weight, deadline: draft.context.now + planned.deadlineMs, promoted }).serve();
  draft.card(first ? 'started' : 'step', { version: rollout.candidate.version });
}

/** Begins what arrived while traffic could not be moved to it. */
export function startQueued(draft: Draft): void {
  const { queued, stable } = draft.state;
  if (!queued) return;
  if (queued.version !== stable?.version) {
    startRollout(draft, queued);
    return;
  }
  // Another artifact of the same label became stable meanwhile, and traffic is divided by label.
  const text = `Another artifact under ${queued.version} became stable; give each artifact a version of its own.`;
  draft.record({ type: 'QueueCleared' }).card('abandoned', { version: queued.version, text });
}
