/**
 * HTTP and timers: whether data planes have what was decided. Kubernetes and Consul tell Azure nothing of what is changed in them; what is owed a
 * look has a timer of its own, for which nothing else waits.
 */
import { app, type InvocationContext } from '@azure/functions';
import { json } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { visibleTo } from '../src/api/visible.ts';
import { theInstallation } from '../src/wiring.ts';
import { serve } from './http/route.ts';

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

serve(ROUTES.lookForDrift, async ({ app, body, refuse }) => {
  const refused = await refuse(body);
  return refused ?? json(200, { now: Date.now(), drift: await app.lookForDrift(body) });
});

serve(ROUTES.drift, async ({ app, caller, query }) => {
  const visible = await visibleTo(caller, app);
  return json(200, { now: Date.now(), drift: (await app.drift(query)).filter(visible.service) });
});
