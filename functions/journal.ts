/** HTTP: the journal of a service, of a mesh or of its certificates, oldest first, from `?after=<version>`. */
import { app } from '@azure/functions';
import { z } from 'zod';
import { read } from '../src/api/door.ts';
import { json, problem } from '../src/api/problem.ts';

const pageSchema = z.object({
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(1_000).default(200),
});

for (const [name, route] of [
  ['serviceJournal', 'meshes/{mesh}/services/{service}/journal'],
  ['meshJournal', 'meshes/{mesh}/journal'],
  ['trustJournal', 'meshes/{mesh}/certificates/journal'],
] as const) {
  app.http(name, {
    methods: ['GET'],
    route,
    authLevel: 'function',
    handler: (request) =>
      read(async (app) => {
        const page = pageSchema.safeParse(Object.fromEntries(request.query));
        if (!page.success) return problem(400, 'NotAPage', 'Give after as a version, and limit as a number up to 1,000.');
        const { mesh = '', service } = request.params;
        const { after, limit } = page.data;
        const commits = name === 'trustJournal' ? app.rotating.history(mesh, after, limit) : app.history(mesh, service, after, limit);
        return json(200, { commits: await commits });
      }),
  });
}
