/** HTTP and timer: what the certificates of a mesh are at, and the daily look at what no event told of. */
import { app } from '@azure/functions';
import { json, noCertificates } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { theInstallation } from '../src/wiring.ts';
import { serve } from './http/route.ts';

app.timer('certificateInventory', {
  schedule: '0 10 4 * * *',
  handler: async () => {
    await (await theInstallation()).app.rotating.takeInventory();
  },
});

serve(ROUTES.certificates, async ({ app, params: { mesh } }) => {
  const status = await app.rotating.status(mesh);
  return status ? json(200, { now: Date.now(), ...status }) : noCertificates(mesh);
});
