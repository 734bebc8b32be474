/**
 * What a new deployment means: a rollout, the first stable version, a place in the queue, or a refusal. Source time orders
 * pushes within one registry repository only; ties are decided by the digest, never by arrival.
 */
import { type Decision, refused, unchanged } from '../decision.ts';
import type { ServiceCommand, ServiceContext } from './commands.ts';
import { Draft } from './draft.ts';
import type { ServiceEvent } from './events.ts';
import { standingAlert } from './standing.ts';
import { startRollout } from './start.ts';
import { type Place, type Release, type Rollout, rejectionOf, releaseKey, type ServiceState, sameRelease } from './state.ts';
import { wayBack } from './way-back.ts';

export function deploy(state: ServiceState, command: ServiceCommand & { type: 'Deploy' }, context: ServiceContext): Decision<ServiceEvent> {
  const { release, place } = command;
  const newest = place ? state.newest[place.repository] : undefined;
  if (place && newest && comparePlaces(place, newest) < 0) {
    return refused('OlderThanCurrent', `A newer push to ${place.repository} is known already; ${release.version} is not rolled out.`);
  }
  const draft = new Draft(state, context);
  if (!state.stable) {
    draft.record({ type: 'StableEstablished', release, ...(place ? { place } : {}) }).serve();
    return draft
      .card('established', { version: release.version })
      .accepted(`${release.version} is the first version and takes all traffic.`);
  }
  // Before rejections: a label without a digest means what runs under it, not an artifact of that label that failed once.
  if (release.version === state.stable.version) return deployStable(draft, state.stable, release, place);

  const { rollout } = state;
  if (rollout && sameRelease(rollout.candidate, release) && rollout.phase.name !== 'returning') {
    if (rollout.phase.name === 'blocked') return refused('GoingBack', `${release.version} is to be taken back; promote it to keep it.`);
    return preferred(draft, place).accepted(`${release.version} is being rolled out already.`);
  }
  const rejection = rejectionOf(state, release);
  if (rejection && !command.again) {
    return refused(
      'VersionRejected',
      `${release.version} was taken back: ${rejection.cause.message} Deploy it with "again" to try it once more.`,
    );
  }
  if (rejection) draft.record({ type: 'RejectionLifted', keys: rejectedKeys(state, release) });
  if (rollout && mustWait(rollout, state.stable, context)) {
    if (state.queued && sameRelease(state.queued, release)) {
      if (!place || !isNews(place, newest)) return unchanged('AlreadyQueued', `${release.version} waits already.`);
      return draft.record({ type: 'PushNoted', place }).accepted(`${release.version} waits already.`);
    }
    draft.record({ type: 'DeploymentQueued', release, ...(place ? { place } : {}) });
    return draft.accepted(`${release.version} waits for the end of the rollout of ${rollout.candidate.version}.`);
  }
  if (rollout) draft.record({ type: 'RolloutSuperseded', by: release }).serve();
  startRollout(draft, release, place);
  return draft.accepted(startMessage(draft, release));
}

/** Asking for stable while something else is on its way is asking for the way back. */
function deployStable(draft: Draft, stable: Release, release: Release, place: Place | undefined): Decision<ServiceEvent> {
  if (!sameRelease(stable, release)) {
    const message = `${release.version} with another digest takes all traffic under that label already; give each artifact a version of its own.`;
    return refused('SameVersionLabel', message);
  }
  preferred(draft, place);
  const { rollout } = draft.state;
  if (!rollout) return draft.accepted(`${release.version} is stable already.`);
  wayBack(draft, { reason: 'StableDeployed', message: `${release.version}, the stable version, was deployed again.` });
  return draft.accepted(`${rollout.candidate.version} is taken back, since ${release.version} was deployed again.`);
}

/** What is there already was asked for last: its place is noted, and what waited for its end no longer does. */
function preferred(draft: Draft, place: Place | undefined): Draft {
  if (place && isNews(place, draft.state.newest[place.repository])) draft.record({ type: 'PushNoted', place });
  if (draft.state.queued) draft.record({ type: 'QueueCleared' });
  return draft;
}

function mustWait(rollout: Rollout, stable: Release, context: ServiceContext): boolean {
  const goingBack = rollout.phase.name === 'returning' || rollout.phase.name === 'blocked';
  const exposed = rollout.exposedAt !== undefined;
  return goingBack || (exposed && context.readinessOf(stable.version) === 'none');
}

function startMessage({ state, context }: Draft, release: Release): string {
  const phase = state.rollout?.phase;
  if (phase?.name !== 'waiting') return `${release.version} is being rolled out.`;
  if (phase.because === 'NotReady') return `${release.version} waits until it is seen ready on every data plane.`;
  if (phase.because === 'TrustChanging') return `${release.version} waits: ${context.trustChanges} Resume it to begin all the same.`;
  const rule = standingAlert(state, context.now)?.rule;
  return `${release.version} waits until the alert ${rule} has ended; resume it to begin all the same.`;
}

const rejectedKeys = (state: ServiceState, release: Release): string[] =>
  Object.values(state.rejected)
    .filter((rejection) => sameRelease(rejection.release, release))
    .map((rejection) => releaseKey(rejection.release));

/** Total order of pushes to one repository. */
export function comparePlaces(a: Place, b: Place): number {
  if (a.at !== b.at) return a.at - b.at;
  return a.tie === b.tie ? 0 : a.tie < b.tie ? -1 : 1;
}

const isNews = (place: Place, newest: Place | undefined): boolean => newest === undefined || comparePlaces(place, newest) > 0;
