/** HTTP: pause, resume, promote or abort the rollout of a service by hand. */
import { randomUUID } from 'node:crypto';
import { app } from '@azure/functions';
import { z } from 'zod';
import { write } from '../src/api/door.ts';
import { answered, problem } from '../src/api/problem.ts';

const actionSchema = z.enum(['pause', 'resume', 'promote', 'abort']);
const askedSchema = z.object({ reason: z.string().min(1).max(500).exactOptional(), force: z.boolean().exactOptional() });
const COMMANDS = { pause: 'Pause', resume: 'Resume', promote: 'Promote', abort: 'Abort' } as const;

app.http('stepIn', {
  methods: ['POST'],
  route: 'meshes/{mesh}/services/{service}/rollout/{action}',
  authLevel: 'function',
  handler: (request) =>
    write(request, async ({ app, actor, body }) => {
      const action = actionSchema.safeParse(request.params.action);
      if (!action.success) return problem(404, 'UnknownAction', 'Ask for pause, resume, promote or abort.');
      const asked = askedSchema.safeParse(body ?? {});
      if (!asked.success)
        return problem(
          400,
          'NotARequest',
          'Send nothing, or {"reason": "<text>"}, and "force": true to abort onto a dead stable version, or to wait no longer for a way back.',
        );
      const { mesh = '', service = '' } = request.params;
      // One key for two actions is two requests: pausing does not answer aborting, nor aborting insisting on it.
      const id = `hand/${action.data}${asked.data.force ? '/force' : ''}/${request.headers.get('idempotency-key') ?? randomUUID()}`;
      const answer = await app.byHand(mesh, service, { id, actor }, { type: COMMANDS[action.data], ...asked.data });
      return answer ? answered(answer) : problem(404, 'UnknownService', `No adopted spec names ${service} in ${mesh}.`);
    }),
});
