/** HTTP: deliveries nobody could act on, to be looked at and sent again: a page from `?after=<epoch ms>`, or one with what came. */
import { app } from '@azure/functions';
import { z } from 'zod';
import { read } from '../src/api/door.ts';
import { json, problem } from '../src/api/problem.ts';

const pageSchema = z.object({
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

app.http('parked', {
  methods: ['GET'],
  route: 'parked',
  authLevel: 'function',
  handler: (request) =>
    read(async (app) => {
      const page = pageSchema.safeParse(Object.fromEntries(request.query));
      if (!page.success) return problem(400, 'NotAPage', 'Give after in epoch milliseconds, and limit as a number up to 1,000.');
      return json(200, { parked: await app.parked(page.data.after, page.data.limit) });
    }),
});

app.http('parkedOne', {
  methods: ['GET'],
  route: 'parked/{id}',
  authLevel: 'function',
  handler: (request) =>
    read(async (app) => {
      const parked = await app.parkedOne(request.params.id ?? '');
      return parked ? json(200, parked) : problem(404, 'UnknownDelivery', 'Nothing is parked under this id; GET /parked lists what is.');
    }),
});
