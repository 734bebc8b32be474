/** HTTP: pause, resume, promote or abort the rollout of a service by hand. */
import { answered, unknownService } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { serve } from './http/route.ts';

const COMMANDS = { pause: 'Pause', resume: 'Resume', promote: 'Promote', abort: 'Abort' } as const;

serve(ROUTES.stepIn, async ({ app, caller, key, params: { mesh, service, action }, body }) => {
  // One key for two actions is two requests: pausing does not answer aborting, nor aborting insisting on it.
  const id = `hand/${action}${body.force ? '/force' : ''}/${key}`;
  const answer = await app.byHand(mesh, service, { id, actor: caller.actor }, { type: COMMANDS[action], ...body });
  return answer ? answered(answer) : unknownService(mesh, service);
});
