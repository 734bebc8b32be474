/** Timer: one line of what alert rules watch, four times an hour. That it comes late or twice does no harm: rules look at half an hour. */
import { app } from '@azure/functions';
import { measured } from '../src/api/measured.ts';
import { theInstallation } from '../src/wiring.ts';

app.timer('measure', {
  schedule: '45 */15 * * * *',
  handler: async (_timer, context) => {
    const { app } = await theInstallation();
    const [trust, services] = await Promise.all([app.rotating.measured(), app.status()]);
    context.log(JSON.stringify({ measured: measured(Date.now(), trust, services) }));
  },
});
