/** HTTP: what a Prometheus scrapes. */
import { app } from '@azure/functions';
import { read } from '../src/api/door.ts';
import { EXPOSITION_TYPE, exposition } from '../src/api/exposition.ts';
import { gauges } from '../src/api/metrics.ts';

app.http('metrics', {
  methods: ['GET'],
  route: 'metrics',
  authLevel: 'function',
  handler: () =>
    read(async (app) => {
      const [trust, services] = await Promise.all([app.rotating.measured(), app.status()]);
      const headers = { 'content-type': EXPOSITION_TYPE, 'cache-control': 'no-store' };
      return { status: 200, headers, body: exposition(gauges(Date.now(), trust, services)) };
    }),
});
