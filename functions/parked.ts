/** HTTP: deliveries nobody could act on, to be looked at and sent again: a page from `?after=<epoch ms>`, or one with what came. */
import { json, problem } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { serve } from './http/route.ts';

serve(ROUTES.parked, async ({ app, query: { after, limit } }) => json(200, { parked: await app.parked(after, limit) }));

serve(ROUTES.parkedOne, async ({ app, params: { id } }) => {
  const parked = await app.parkedOne(id);
  const { reason, message } = ROUTES.parkedOne.unknown;
  return parked ? json(200, parked) : problem(404, reason, message);
});
