/** Queue: something of a stream has come due. Early, late, twice and never are all right: the sweep finds it too. */
import { app } from '@azure/functions';
import { z } from 'zod';
import { theInstallation } from '../src/wiring.ts';

const alarmSchema = z.preprocess(parsed, z.object({ stream: z.string().min(1).max(512) }));

/** The worker has parsed what is JSON; whoever puts text there that is none is told so below. */
function parsed(message: unknown): unknown {
  if (typeof message !== 'string') return message;
  try {
    return JSON.parse(message);
  } catch {
    return undefined;
  }
}

app.storageQueue('alarms', {
  queueName: 'alarms',
  connection: 'AzureWebJobsStorage',
  handler: async (message: unknown, context) => {
    const alarm = alarmSchema.safeParse(message);
    if (!alarm.success) {
      context.warn('An alarm that names no stream was dropped.');
      return;
    }
    const { app } = await theInstallation();
    await app.wake(alarm.data.stream);
  },
});
