/**
 * HTTP: a hint that something was seen at a data plane. It carries no facts, those are read from where they were written;
 * but for endpoints that are silent and kept all the same, of which people are told.
 */
import { json } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { serve } from './http/route.ts';

serve(ROUTES.observations, async ({ app, body: { mesh, services, silent, trust } }) => {
  await app.observed(mesh, services);
  if (trust) await app.rotating.observed(mesh);
  await app.silentEndpoints(mesh, silent);
  return json(202, { looked: services.length });
});
