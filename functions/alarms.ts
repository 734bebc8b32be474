/** Queue: something of a stream has come due. Early, late, twice and never are all right: the sweep finds it too. */
import { app } from '@azure/functions';
import { z } from 'zod';
import { theInstallation } from '../src/wiring.ts';

const alarmSchema = z.object({ stream: z.string().min(1).max(512) });

app.storageQueue('alarms', {
  queueName: 'alarms',
  connection: 'AzureWebJobsStorage',
  handler: async (message: unknown, context) => {
    const alarm = alarmSchema.safeParse(typeof message === 'string' ? JSON.parse(message) : message);
    if (!alarm.success) {
      context.warn('An alarm that names no stream was dropped.');
      return;
    }
    const { app } = await theInstallation();
    await app.wake(alarm.data.stream);
  },
});
