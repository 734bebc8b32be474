/** Timer: what was decided since, into the audit log. Rows that it takes late or twice are told apart by who reads. */
import { app } from '@azure/functions';
import { theInstallation } from '../src/wiring.ts';

app.timer('streamJournal', {
  schedule: '25 */5 * * * *',
  handler: async (_timer, context) => {
    const streamed = await (await theInstallation()).app.streamJournal();
    if (streamed.outcome === 'streamed' && streamed.rows > 0)
      context.log(`streamed ${streamed.rows} commits to the audit log${streamed.more ? ', and there are more' : ''}`);
  },
});
