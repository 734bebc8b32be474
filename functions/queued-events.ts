/** Queue: the events of `deployment-events.ts`, where Event Grid delivers privately. Only transient faults throw, and the message comes again. */
import { app } from '@azure/functions';
import { theInstallation } from '../src/wiring.ts';

app.storageQueue('queuedEvents', {
  queueName: 'events',
  connection: 'AzureWebJobsStorage',
  handler: async (message: unknown, context) => {
    const { app } = await theInstallation();
    for (const received of await app.receiveQueued(message)) context.log(JSON.stringify(received));
  },
});
