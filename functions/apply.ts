/** HTTP: a mesh's whole spec, to be adopted or refused with everything that is wrong with it. */
import { app } from '@azure/functions';
import { z } from 'zod';
import { write } from '../src/api/door.ts';
import { json, problem } from '../src/api/problem.ts';

const askedSchema = z.object({
  files: z
    .array(z.object({ path: z.string().max(512), text: z.string() }))
    .min(1)
    .max(2_000),
  acceptRefusals: z.boolean().exactOptional(),
});

app.http('apply', {
  methods: ['POST'],
  route: 'apply',
  authLevel: 'function',
  handler: (request) =>
    write(request, async ({ app, actor, body }) => {
      const asked = askedSchema.safeParse(body);
      if (!asked.success) return problem(400, 'NotASpec', 'Send {"files": [{"path", "text"}]} with every file of one mesh.');
      const { files, ...accepting } = asked.data;
      const applied = await app.apply(files, { actor, ...accepting });
      if (applied.ok) return json(200, applied);
      return problem(422, 'SpecRefused', 'Nothing was changed; mend what "problems" lists and apply again.', {
        problems: applied.problems,
      });
    }),
});
