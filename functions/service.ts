/** HTTP: what one service is at. */
import { json, unknownService } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { serve } from './http/route.ts';

serve(ROUTES.service, async ({ app, params: { mesh, service } }) => {
  const status = await app.service(mesh, service);
  return status ? json(200, status) : unknownService(mesh, service);
});
