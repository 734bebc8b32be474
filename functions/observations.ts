/**
 * HTTP: a hint that something was seen at a data plane. It carries no facts, those are read from where they were written;
 * but for endpoints that are silent and kept all the same, of which people are told.
 */
import { app } from '@azure/functions';
import { z } from 'zod';
import { write } from '../src/api/door.ts';
import { json, problem } from '../src/api/problem.ts';

const name = z.string().max(63);
const silentSchema = z.object({ dataPlane: name, service: name, text: z.string().max(500), at: z.number() });
const hintSchema = z.object({
  mesh: name,
  services: z.array(name).max(1_000),
  silent: z.array(silentSchema).max(100).default([]),
  /** Whom a workload trusts, or what it presents, was seen to be another. */
  trust: z.boolean().default(false),
});

app.http('observations', {
  methods: ['POST'],
  route: 'observations',
  authLevel: 'function',
  handler: (request) =>
    write(request, async ({ app, body }) => {
      const hint = hintSchema.safeParse(body);
      if (!hint.success) return problem(400, 'NotAHint', 'Send {"mesh", "services": []}.');
      await app.observed(hint.data.mesh, hint.data.services);
      if (hint.data.trust) await app.rotating.observed(hint.data.mesh);
      await app.silentEndpoints(hint.data.mesh, hint.data.silent);
      return json(202, { looked: hint.data.services.length });
    }),
});
