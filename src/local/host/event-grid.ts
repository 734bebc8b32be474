/**
 * What Event Grid sends to `POST /runtime/webhooks/EventGrid?functionName=…`, read as the Functions Event Grid extension
 * reads it: batches in the Event Grid schema, CloudEvents 1.0 one by one or in batches, the validation of a new
 * subscription. Also the OPTIONS handshake of "HTTP 1.1 Web Hooks for Event Delivery". Pure: text in, meaning out.
 */
import { z } from 'zod';

export const EVENT_GRID_PATH = '/runtime/webhooks/EventGrid';

export type EventGridDelivery =
  | { readonly kind: 'events'; readonly events: readonly Readonly<Record<string, unknown>>[] }
  | { readonly kind: 'validation'; readonly validationCode: string }
  | { readonly kind: 'unsubscribe' }
  | { readonly kind: 'refused'; readonly reason: 'MalformedJson' | 'MalformedEvents' | 'UnknownEventType'; readonly message: string };

const eventsSchema = z.union([z.array(z.record(z.string(), z.unknown())), z.record(z.string(), z.unknown()).transform((event) => [event])]);
const validationData = z.object({ validationCode: z.string().min(1) });
// In the CloudEvents schema the data of the validation event is JSON inside a string.
const validationSchema = z.object({ data: z.union([validationData, z.string().transform(parseJson).pipe(validationData)]) });

/** @param headers lower-case names, as Node gives them. */
export function readDelivery(headers: Readonly<Record<string, string | undefined>>, body: string): EventGridDelivery {
  // Event Grid always says what it sends. Events posted by hand may leave it out if they are CloudEvents by content type.
  const isCloudEvents = /^application\/cloudevents(?:-batch)?\+json\b/i.test(headers['content-type'] ?? '');
  const type = (headers['aeg-event-type'] ?? (isCloudEvents ? 'Notification' : '')).toLowerCase();
  if (type === 'unsubscribe') return { kind: 'unsubscribe' };
  if (type !== 'notification' && type !== 'subscriptionvalidation') {
    const message = 'Say what is sent: the header aeg-event-type must be Notification, SubscriptionValidation or Unsubscribe.';
    return { kind: 'refused', reason: 'UnknownEventType', message };
  }
  const json = parseJson(body);
  if (json === undefined)
    return { kind: 'refused', reason: 'MalformedJson', message: 'The body is not JSON; send an event or a list of events.' };
  const events = eventsSchema.safeParse(json);
  if (!events.success)
    return { kind: 'refused', reason: 'MalformedEvents', message: 'Send an event as a JSON object, or a list of such objects.' };
  if (type === 'notification') return { kind: 'events', events: events.data };
  const validation = validationSchema.safeParse(events.data[0]);
  return validation.success
    ? { kind: 'validation', validationCode: validation.data.data.validationCode }
    : { kind: 'refused', reason: 'MalformedEvents', message: 'A SubscriptionValidation event must carry data.validationCode.' };
}

/** The headers that answer the OPTIONS handshake, or undefined when the request names no origin. */
export function answerHandshake(headers: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> | undefined {
  const origin = headers['webhook-request-origin'];
  if (!origin) return undefined;
  return { 'webhook-allowed-origin': origin, ...(headers['webhook-request-rate'] ? { 'webhook-allowed-rate': '*' } : {}) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
