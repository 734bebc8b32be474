/** HTTP and timer: the journal out of this installation, into it while it is empty, and its heads anchored each day. */
import { app } from '@azure/functions';
import { json, problem } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { theInstallation } from '../src/wiring.ts';
import { serve } from './http/route.ts';

app.timer('anchorJournal', {
  schedule: '0 20 0 * * *',
  handler: async (_timer, context) => {
    const anchored = await (await theInstallation()).app.archive.anchor();
    if (anchored.outcome === 'nowhere') context.log('The journal is not anchored: MESHWRIGHT_ANCHORS_URL names no container.');
    if (anchored.outcome === 'written') context.log(`anchored ${anchored.streams} streams for ${anchored.day}`);
  },
});

serve(ROUTES.archive, async ({ app }) => json(200, { streams: await app.archive.streams() }));

serve(ROUTES.archivedCommits, async ({ app, query: { stream, after, limit } }) =>
  json(200, { commits: await app.archive.commits(stream, after, limit) }),
);

serve(ROUTES.archivedDocuments, async ({ app, query: { mesh } }) => json(200, { documents: await app.archive.documents(mesh) }));

serve(ROUTES.restore, async ({ app, body }) => {
  const restored = await app.archive.restore(body);
  return restored.ok ? json(200, restored) : problem(409, restored.reason, restored.message);
});
