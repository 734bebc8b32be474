/** HTTP: what every service is at. */
import { app } from '@azure/functions';
import { read } from '../src/api/door.ts';
import { json } from '../src/api/problem.ts';

app.http('status', {
  methods: ['GET'],
  route: 'status',
  authLevel: 'function',
  handler: () => read(async (app) => json(200, { now: Date.now(), services: await app.status() })),
});
