/** HTTP: the journal out of this installation, and into it while it is empty. */
import { json, problem } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { serve } from './http/route.ts';

serve(ROUTES.archive, async ({ app }) => json(200, { streams: await app.archive.streams() }));

serve(ROUTES.archivedCommits, async ({ app, query: { stream, after, limit } }) =>
  json(200, { commits: await app.archive.commits(stream, after, limit) }),
);

serve(ROUTES.archivedDocuments, async ({ app, query: { mesh } }) => json(200, { documents: await app.archive.documents(mesh) }));

serve(ROUTES.restore, async ({ app, body }) => {
  const restored = await app.archive.restore(body);
  return restored.ok ? json(200, restored) : problem(409, restored.reason, restored.message);
});
