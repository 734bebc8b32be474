/** HTTP: deliveries nobody could act on, to be looked at and sent again. */
import { app } from '@azure/functions';
import { read } from '../src/api/door.ts';
import { json } from '../src/api/problem.ts';

app.http('parked', {
  methods: ['GET'],
  route: 'parked',
  authLevel: 'function',
  handler: () => read(async (app) => json(200, { parked: await app.parked() })),
});
