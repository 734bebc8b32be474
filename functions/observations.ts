/** HTTP: a hint that something was seen at a data plane. It carries no facts: those are read from where they were written. */
import { app } from '@azure/functions';
import { z } from 'zod';
import { write } from '../src/api/door.ts';
import { json, problem } from '../src/api/problem.ts';

const hintSchema = z.object({ mesh: z.string().max(63), services: z.array(z.string().max(63)).max(1_000) });

app.http('observations', {
  methods: ['POST'],
  route: 'observations',
  authLevel: 'function',
  handler: (request) =>
    write(request, async ({ app, body }) => {
      const hint = hintSchema.safeParse(body);
      if (!hint.success) return problem(400, 'NotAHint', 'Send {"mesh", "services": []}.');
      await app.observed(hint.data.mesh, hint.data.services);
      return json(202, { looked: hint.data.services.length });
    }),
});
