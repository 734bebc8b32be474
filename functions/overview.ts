/** HTTP: what the page shows, in one answer: every service that the caller may see, and the newest of the journal. */
import { json } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { visibleTo } from '../src/api/visible.ts';
import { serve } from './http/route.ts';

serve(ROUTES.overview, async ({ app, caller }) => {
  const [{ services, trust, journal }, visible] = await Promise.all([app.overview(), visibleTo(caller, app)]);
  return json(200, {
    now: Date.now(),
    services: services.filter(visible.service),
    trust: trust.filter(({ mesh }) => visible.mesh(mesh)),
    journal: journal.filter(({ stream }) => visible.stream(stream)),
  });
});
