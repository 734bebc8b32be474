/** HTTP and timer: what the certificates of a mesh are at, and the daily look at what no event told of. */
import { app } from '@azure/functions';
import { read } from '../src/api/door.ts';
import { json, noCertificates } from '../src/api/problem.ts';
import { theInstallation } from '../src/wiring.ts';

app.timer('certificateInventory', {
  schedule: '0 10 4 * * *',
  handler: async () => {
    await (await theInstallation()).app.rotating.takeInventory();
  },
});

app.http('certificates', {
  methods: ['GET'],
  route: 'meshes/{mesh}/certificates',
  authLevel: 'function',
  handler: (request) =>
    read(async (app) => {
      const { mesh = '' } = request.params;
      const status = await app.rotating.status(mesh);
      return status ? json(200, { now: Date.now(), ...status }) : noCertificates(mesh);
    }),
});
