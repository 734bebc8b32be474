/**
 * HTTP: leafs for workloads, which say who they are by a token of their own; and join tokens for them, made by operators. Who asks for a leaf has
 * no key of this app: the token in the body is what is checked.
 */
import { app } from '@azure/functions';
import { z } from 'zod';
import { show, write } from '../src/api/door.ts';
import { leafRefused } from '../src/api/leaf-refused.ts';
import { json, problem } from '../src/api/problem.ts';
import { leafRequestSchema } from '../src/issuing.ts';
import { nameSchema } from '../src/spec/names.ts';

const HOUR_MS = 3_600_000;
const orderSchema = z.strictObject({
  namespace: nameSchema,
  serviceAccount: nameSchema,
  lifeMs: z
    .int()
    .min(60_000)
    .max(7 * 24 * HOUR_MS)
    .default(HOUR_MS),
});

const NONE_HERE = problem(404, 'NoCertificates', 'No certificates are made by this meshwright.');

app.http('issueLeaf', {
  methods: ['POST'],
  route: 'meshes/{mesh}/certificates',
  authLevel: 'anonymous',
  handler: (request) =>
    show(request, async ({ app, body }) => {
      const asked = leafRequestSchema.safeParse(body);
      if (!asked.success) return problem(400, 'NotALeafRequest', 'Send {"csr", "node", "token": {"kind", "value"}}, as the agent does.');
      const given = await app.issuing?.issue(request.params.mesh ?? '', asked.data);
      if (!given) return NONE_HERE;
      return given.kind === 'issued' ? json(200, given) : leafRefused(given);
    }),
});

app.http('makeJoinToken', {
  methods: ['POST'],
  route: 'meshes/{mesh}/join-tokens',
  authLevel: 'function',
  handler: (request) =>
    write(request, async ({ app, actor, body }) => {
      const order = orderSchema.safeParse(body);
      if (!order.success) return problem(400, 'NotAJoinToken', 'Send {"namespace", "serviceAccount"}, and "lifeMs" for up to a week.');
      const { lifeMs, ...identity } = order.data;
      const made = await app.issuing?.makeJoinToken(request.params.mesh ?? '', { identity, lifeMs, actor });
      if (!made) return NONE_HERE;
      return made.kind === 'made' ? json(200, made) : leafRefused(made);
    }),
});
