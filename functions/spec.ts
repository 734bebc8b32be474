/** HTTP: the spec of a mesh as it is adopted, normalized. */
import { json, problem } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { serve } from './http/route.ts';

serve(ROUTES.spec, async ({ app, params: { mesh } }) => {
  const adopted = await app.adopted(mesh);
  return adopted ? json(200, adopted) : problem(404, 'UnknownMesh', `No spec of ${mesh} is adopted.`);
});
