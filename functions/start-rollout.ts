/** HTTP: a version asked for by name, which is what CI/CD and people do. */
import { randomUUID } from 'node:crypto';
import { app } from '@azure/functions';
import { z } from 'zod';
import { write } from '../src/api/door.ts';
import { problem, received } from '../src/api/problem.ts';

const MAX_TEXT = 256;
const askedSchema = z.object({
  version: z.string().max(MAX_TEXT),
  digest: z.string().max(MAX_TEXT).optional(),
  again: z.boolean().default(false),
});

app.http('startRollout', {
  methods: ['POST'],
  route: 'meshes/{mesh}/services/{service}/rollout',
  authLevel: 'function',
  handler: (request) =>
    write(request, async ({ app, actor, body }) => {
      const asked = askedSchema.safeParse(body);
      if (!asked.success) return problem(400, 'NotARequest', 'Send {"version": "<label>"}, and "digest" or "again" where you need them.');
      const { again, ...wanted } = asked.data;
      const { mesh, service } = request.params;
      const id = request.headers.get('idempotency-key') ?? randomUUID();
      const event = {
        specversion: '1.0',
        id,
        // One key for two versions is two requests, as a delivery is known by its source and id.
        source: `/api/${mesh}/${service}/${wanted.version}${wanted.digest === undefined ? '' : `@${wanted.digest}`}`,
        type: 'Meshwright.Deployment.Requested',
        data: { mesh, service, ...wanted },
      };
      return received(await app.receiveEvent({ ...event, time: new Date().toISOString() }, { actor, again }));
    }),
});
