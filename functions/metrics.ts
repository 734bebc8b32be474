/** HTTP: what a Prometheus scrapes. */
import { EXPOSITION_TYPE, exposition } from '../src/api/exposition.ts';
import { gauges } from '../src/api/metrics.ts';
import { ROUTES } from '../src/api/routes.ts';
import { serve } from './http/route.ts';

serve(ROUTES.metrics, async ({ app }) => {
  const [trust, services] = await Promise.all([app.rotating.measured(), app.status()]);
  const headers = { 'content-type': EXPOSITION_TYPE, 'cache-control': 'no-store' };
  return { status: 200, headers, body: exposition(gauges(Date.now(), trust, services)) };
});
