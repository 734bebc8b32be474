/** HTTP: the spec of a mesh as it is adopted, normalized. */
import { app } from '@azure/functions';
import { read } from '../src/api/door.ts';
import { json, problem } from '../src/api/problem.ts';

app.http('spec', {
  methods: ['GET'],
  route: 'meshes/{mesh}/spec',
  authLevel: 'function',
  handler: (request) =>
    read(async (app) => {
      const { mesh = '' } = request.params;
      const adopted = await app.adopted(mesh);
      return adopted ? json(200, adopted) : problem(404, 'UnknownMesh', `No spec of ${mesh} is adopted.`);
    }),
});
