/** HTTP: a version asked for by name, which is what CI/CD and people do. */
import { received } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { serve } from './http/route.ts';

serve(ROUTES.startRollout, async ({ app, caller, key, params: { mesh, service }, body: { again, ...wanted } }) => {
  const event = {
    specversion: '1.0',
    id: key,
    // One key for two versions is two requests, as a delivery is known by its source and id.
    source: `/api/${mesh}/${service}/${wanted.version}${wanted.digest === undefined ? '' : `@${wanted.digest}`}`,
    type: 'Meshwright.Deployment.Requested',
    time: new Date().toISOString(),
    data: { mesh, service, ...wanted },
  };
  return received(await app.receiveEvent(event, { actor: caller.actor, again }));
});
