/** What Azure, CI/CD and Event Grid send: events in both schemas, alerts, deliveries as the host takes them, points in time. */
import fc from 'fast-check';
import { readAlert } from '../../../src/intake/alerts.ts';
import { dataPlanesIn, readClusterChange } from '../../../src/intake/cluster-changes.ts';
import { readEvent } from '../../../src/intake/delivery.ts';
import { readDeployment } from '../../../src/intake/deployments.ts';
import { readInstant } from '../../../src/intake/instant.ts';
import { servicesFor, servicesForAlert } from '../../../src/intake/matching.ts';
import { keepable } from '../../../src/intake/personal-claims.ts';
import { readVaultEvent } from '../../../src/intake/vault-events.ts';
import type { Json } from '../../../src/journal/documents.ts';
import { readDelivery } from '../../../src/local/host/event-grid.ts';
import { jsonInputs, textInputs } from '../inputs.ts';
import { adopted, alerts, events } from '../samples.ts';
import { type Target, target } from '../target.ts';

const event = target<Json>(
  {
    name: 'event',
    share: 15_000,
    inputs: jsonInputs(events),
    large: [
      { what: '1 MiB of nested lists', input: () => nestedLists(500_000) },
      {
        what: '60,000 keys that are personal',
        input: () => Object.fromEntries(Array.from({ length: 60_000 }, (_, at) => [`claims${at}`, {}])),
      },
    ],
  },
  (input) => {
    keepable(input);
    const read = readEvent(input, 0);
    if (!read.ok) return read;
    const deployment = readDeployment(read.event);
    if (deployment.kind === 'deployment') servicesFor(deployment, [adopted]);
    const change = readClusterChange(read.event);
    if (change) dataPlanesIn(change, [adopted]);
    return [deployment, readVaultEvent(read.event)];
  },
);

/** Deeper than the stack of any walk that calls itself. */
function nestedLists(levels: number): Json {
  let value: Json = null;
  for (let level = 0; level < levels; level += 1) value = [value];
  return { specversion: '1.0', id: '1', source: '/ci', type: 'x', data: value };
}

const alert = target<Json>(
  {
    name: 'alert',
    share: 12_000,
    inputs: jsonInputs(alerts),
    large: [{ what: '200 KiB of blanks as a rule', input: () => withRule(' '.repeat(200 * 1024)) }],
  },
  (input) => {
    const read = readAlert(input);
    if (read.kind === 'alert') servicesForAlert(read, [adopted]);
    return read;
  },
);

const withRule = (alertRule: string): Json => ({
  schemaId: 'azureMonitorCommonAlertSchema',
  data: {
    essentials: {
      alertId: 'a',
      alertRule,
      signalType: 'Metric',
      monitoringService: 'Platform',
      monitorCondition: 'Fired',
      firedDateTime: '2026-11-22T14:00:00Z',
    },
    alertContext: {},
  },
});

const delivery = target<{ readonly type: string; readonly body: string }>(
  {
    name: 'event-grid-delivery',
    share: 4_000,
    inputs: fc.record({
      type: fc.constantFrom('Notification', 'SubscriptionValidation', 'Unsubscribe', '', 'x'),
      body: textInputs(
        events.map((each) => JSON.stringify(each)),
        [...events, [{ data: { validationCode: 'x' } }], [{ data: '{"validationCode":"x"}' }]],
      ),
    }),
  },
  ({ type, body }) => readDelivery({ 'aeg-event-type': type }, body),
);

const instant = target<string>(
  {
    name: 'instant',
    share: 4_000,
    inputs: textInputs(['2026-11-22T14:03:00.1234567Z', '2026-11-22 14:03:00+01:00', '3/22/2019 1:36:31 PM']),
    large: [{ what: '1 MiB of digits', input: () => `2026-11-22T14:03:00.${'1'.repeat(1024 * 1024)}` }],
  },
  (text) => {
    const at = readInstant(text);
    if (at !== undefined && !Number.isFinite(at)) throw new Error(`It reads ${at}.`);
  },
);

export const intakeTargets: readonly Target[] = [event, alert, delivery, instant];
