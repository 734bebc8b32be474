/** HTTP and timer: what services in `mtls: shadow` would refuse. Proxies only count; what they counted when is known by looking often. */
import { app } from '@azure/functions';
import { json, unknownService } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { theInstallation } from '../src/wiring.ts';
import { serve } from './http/route.ts';

app.timer('shadowTimer', {
  schedule: '0 */5 * * * *',
  handler: async () => {
    await (await theInstallation()).app.strictness.lookAtAll();
  },
});

serve(ROUTES.lookAtShadow, async ({ app, params: { mesh, service } }) => {
  const shadow = await app.strictness.look(mesh, service);
  return shadow ? json(200, { now: Date.now(), shadow }) : unknownService(mesh, service);
});

serve(ROUTES.shadow, async ({ app, params: { mesh, service } }) => {
  const shadow = await app.strictness.seen(mesh, service);
  return shadow ? json(200, { now: Date.now(), shadow }) : unknownService(mesh, service);
});
