/** HTTP: one event by hand, in CloudEvents or Event Grid schema. `?again=true` insists on a version that was taken back. */
import { app } from '@azure/functions';
import { write } from '../src/api/door.ts';
import { received } from '../src/api/problem.ts';

app.http('events', {
  methods: ['POST'],
  route: 'events',
  authLevel: 'function',
  handler: (request) =>
    write(request, async ({ app, actor, body }) =>
      received(await app.receiveEvent(body, { actor, again: request.query.get('again') === 'true' })),
    ),
});
