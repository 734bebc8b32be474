/** HTTP: what every service that the caller may see is at. */
import { json } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { visibleTo } from '../src/api/visible.ts';
import { serve } from './http/route.ts';

serve(ROUTES.status, async ({ app, caller }) => {
  const [services, visible] = await Promise.all([app.status(), visibleTo(caller, app)]);
  return json(200, { now: Date.now(), services: services.filter(visible.service) });
});
