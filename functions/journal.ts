/** HTTP: the journal of a service, of a mesh or of its certificates, oldest first, from `?after=<version>`. */
import { json } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { serve } from './http/route.ts';

serve(ROUTES.serviceJournal, async ({ app, params: { mesh, service }, query: { after, limit } }) =>
  json(200, { commits: await app.history(mesh, service, after, limit) }),
);

serve(ROUTES.meshJournal, async ({ app, params: { mesh }, query: { after, limit } }) =>
  json(200, { commits: await app.history(mesh, undefined, after, limit) }),
);

serve(ROUTES.trustJournal, async ({ app, params: { mesh }, query: { after, limit } }) =>
  json(200, { commits: await app.rotating.history(mesh, after, limit) }),
);
