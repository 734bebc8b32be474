/** HTTP: what the page shows, in one answer: every service, and the newest of the journal. */
import { app } from '@azure/functions';
import { read } from '../src/api/door.ts';
import { json } from '../src/api/problem.ts';

app.http('overview', {
  methods: ['GET'],
  route: 'overview',
  authLevel: 'function',
  handler: () => read(async (app) => json(200, { now: Date.now(), ...(await app.overview()) })),
});
