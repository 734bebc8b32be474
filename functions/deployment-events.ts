/** Event Grid: deployments as registries, ARM and CI/CD tell of them. What cannot be acted on is parked; only transient faults throw. */
import { app, type EventGridEvent } from '@azure/functions';
import { theInstallation } from '../src/wiring.ts';

app.eventGrid('deploymentEvents', {
  handler: async (event: EventGridEvent, context) => {
    const { app } = await theInstallation();
    context.log(JSON.stringify(await app.receiveEvent(event)));
  },
});
