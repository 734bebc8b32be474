/** HTTP: one event by hand, in CloudEvents or Event Grid schema. `?again=true` insists on a version that was taken back. */
import { received } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { serve } from './http/route.ts';

serve(ROUTES.events, async ({ app, caller, query, body }) =>
  received(await app.receiveEvent(body, { actor: caller.actor, again: query.again })),
);
