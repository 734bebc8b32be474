/** HTTP: alerts of Azure Monitor in the common alert schema, from an action group's webhook. */
import { received } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { serve } from './http/route.ts';

serve(ROUTES.alerts, async ({ app, body }) => received(await app.receiveAlert(body)));
