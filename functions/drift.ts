/**
 * HTTP and timers: whether data planes have what was decided. Kubernetes and Consul tell Azure nothing of what is changed in them; what is owed a
 * look has a timer of its own, for which nothing else waits.
 */
import { app, type InvocationContext } from '@azure/functions';
import { z } from 'zod';
import { read, write } from '../src/api/door.ts';
import { json, problem } from '../src/api/problem.ts';
import { theInstallation } from '../src/wiring.ts';

const name = z.string().min(1).max(63);
const scopeSchema = z.object({ mesh: name.exactOptional(), service: name.exactOptional() });
const NOT_A_SCOPE = problem(400, 'NotAScope', 'Send nothing, or "mesh" and "service" to look at these alone.');

app.timer('driftTimer', {
  schedule: '30 */5 * * * *',
  handler: async (_timer, context) => warn(context, await (await theInstallation()).app.lookForDrift()),
});

app.timer('owedDriftTimer', {
  schedule: '15 * * * * *',
  handler: async (_timer, context) => warn(context, await (await theInstallation()).app.lookWhereOwed()),
});

interface Looked {
  readonly mesh: string;
  readonly service: string;
  readonly dataPlane: string;
  readonly outcome: string;
}

function warn(context: InvocationContext, looks: readonly Looked[]): void {
  const drifted = looks.filter(({ outcome }) => outcome === 'drift');
  for (const { mesh, service, dataPlane } of drifted) context.warn(`${mesh}/${service} drifted on ${dataPlane}`);
}

app.http('lookForDrift', {
  methods: ['POST'],
  route: 'drift',
  authLevel: 'function',
  handler: (request) =>
    write(request, async ({ app, body }) => {
      const scope = scopeSchema.safeParse(body ?? {});
      return scope.success ? json(200, { now: Date.now(), drift: await app.lookForDrift(scope.data) }) : NOT_A_SCOPE;
    }),
});

app.http('drift', {
  methods: ['GET'],
  route: 'drift',
  authLevel: 'function',
  handler: (request) =>
    read(async (app) => {
      const scope = scopeSchema.safeParse(Object.fromEntries(request.query));
      return scope.success ? json(200, { now: Date.now(), drift: await app.drift(scope.data) }) : NOT_A_SCOPE;
    }),
});
