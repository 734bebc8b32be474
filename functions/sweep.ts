/** Timer: each minute, everything that is due anywhere. The only guarantee of delivery there is. */
import { app } from '@azure/functions';
import { theInstallation } from '../src/wiring.ts';

app.timer('sweep', {
  schedule: '0 * * * * *',
  handler: async (_timer, context) => {
    const { app } = await theInstallation();
    const swept = await app.sweep();
    if (swept.streams > 0) context.log(`swept ${swept.streams} streams, ${swept.failed} failed`);
  },
});
