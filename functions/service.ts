/** HTTP: what one service is at. */
import { app } from '@azure/functions';
import { read } from '../src/api/door.ts';
import { json, problem } from '../src/api/problem.ts';

app.http('service', {
  methods: ['GET'],
  route: 'meshes/{mesh}/services/{service}',
  authLevel: 'function',
  handler: (request) =>
    read(async (app) => {
      const { mesh = '', service = '' } = request.params;
      const status = await app.service(mesh, service);
      return status ? json(200, status) : problem(404, 'UnknownService', `No adopted spec names ${service} in ${mesh}.`);
    }),
});
