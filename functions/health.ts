/** HTTP: whether this instance can reach its state. */
import { app } from '@azure/functions';
import { read } from '../src/api/door.ts';
import { json } from '../src/api/problem.ts';

app.http('health', {
  methods: ['GET'],
  route: 'health',
  authLevel: 'anonymous',
  handler: () => read(async (app) => json(200, { status: 'ok', meshes: (await app.meshes()).length })),
});
