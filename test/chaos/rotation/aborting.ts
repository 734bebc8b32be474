/**
 * A rotation that is begun to be aborted in a certain phase. Two phases are over in a moment: there the functions end between what is decided
 * and what follows from it, and where they go on before the abort is in all the same, it is tried with another rotation.
 */
import type { Installation } from '../../e2e/installation.ts';
import type { Trust } from './trust.ts';

/** The event after which the functions end. */
const SHORT_PHASES: Readonly<Record<string, string>> = { preparing: 'RotationBegun', retired: 'RetirementBegun' };
/** What follows is taken up 15 seconds later: time enough for the functions to come back, on most machines at most times. */
const MOST_TRIES = 10;

/** How it ended. Throws where no rotation could be aborted in that phase. */
export async function abortedIn(phase: string, mesh: Pick<Installation, 'kill' | 'start' | 'ended'>, trust: Trust): Promise<string> {
  const failpoint = SHORT_PHASES[phase];
  if (failpoint !== undefined) return abortedInPassing(phase, failpoint, mesh, trust);
  const id = await trust.begin();
  await trust.inPhase(phase);
  if (!(await trust.abort())) throw new Error(`The rotation could not be aborted in ${phase}.`);
  return trust.ended(id);
}

async function abortedInPassing(
  phase: string,
  failpoint: string,
  mesh: Pick<Installation, 'kill' | 'start' | 'ended'>,
  trust: Trust,
): Promise<string> {
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    await mesh.kill('functions');
    await mesh.start('functions', { MESHWRIGHT_FAILPOINT_AFTER_COMMIT: failpoint });
    // Whose answer dies with them.
    void trust.begin().catch(() => undefined);
    await mesh.ended('functions');
    await mesh.start('functions');
    const id = await trust.underWay();
    if (id === undefined) continue;
    const isTaken = await trust.abort();
    const outcome = await trust.ended(id);
    if (isTaken && (await trust.lastAbortedFrom()) === phase) return outcome;
  }
  throw new Error(`The functions came back too late ${MOST_TRIES} times to abort a rotation in ${phase}.`);
}
