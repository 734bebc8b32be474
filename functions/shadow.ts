/** HTTP and timer: what services in `mtls: shadow` would refuse. Proxies only count; what they counted when is known by looking often. */
import { app } from '@azure/functions';
import { read, write } from '../src/api/door.ts';
import { json, problem } from '../src/api/problem.ts';
import { theInstallation } from '../src/wiring.ts';

const ROUTE = 'meshes/{mesh}/services/{service}/shadow';
const unknown = (mesh: string, service: string) => problem(404, 'UnknownService', `No adopted spec names ${service} in ${mesh}.`);

app.timer('shadowTimer', {
  schedule: '0 */5 * * * *',
  handler: async () => {
    await (await theInstallation()).app.strictness.lookAtAll();
  },
});

app.http('lookAtShadow', {
  methods: ['POST'],
  route: ROUTE,
  authLevel: 'function',
  handler: (request) =>
    write(request, async ({ app }) => {
      const { mesh = '', service = '' } = request.params;
      const shadow = await app.strictness.look(mesh, service);
      return shadow ? json(200, { now: Date.now(), shadow }) : unknown(mesh, service);
    }),
});

app.http('shadow', {
  methods: ['GET'],
  route: ROUTE,
  authLevel: 'function',
  handler: (request) =>
    read(async (app) => {
      const { mesh = '', service = '' } = request.params;
      const shadow = await app.strictness.seen(mesh, service);
      return shadow ? json(200, { now: Date.now(), shadow }) : unknown(mesh, service);
    }),
});
