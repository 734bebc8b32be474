/** HTTP: alerts of Azure Monitor in the common alert schema, from an action group's webhook. */
import { app } from '@azure/functions';
import { write } from '../src/api/door.ts';
import { received } from '../src/api/problem.ts';

app.http('alerts', {
  methods: ['POST'],
  route: 'alerts',
  authLevel: 'function',
  handler: (request) => write(request, async ({ app, body }) => received(await app.receiveAlert(body))),
});
