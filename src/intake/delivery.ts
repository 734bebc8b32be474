/**
 * One delivered event, in CloudEvents 1.0 (structured JSON, https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md) or the
 * Event Grid schema, as the same fact. What it means is for `deployments.ts`.
 */
import { z } from 'zod';
import { instantSchema } from './instant.ts';
import { withoutPersonalClaims } from './personal-claims.ts';

export interface DeliveredEvent {
  /** Equal for each delivery of an event, in either schema; different for different events and sources. */
  readonly deliveryId: string;
  readonly type: string;
  /** CloudEvents `source`; Event Grid `topic`, empty where it is absent. */
  readonly source: string;
  readonly subject: string;
  /** Epoch ms. */
  readonly time: number;
  /** Without personal claims. */
  readonly data: unknown;
  readonly schema: 'CloudEvents' | 'EventGrid';
}

export type EventReading =
  | { readonly ok: true; readonly event: DeliveredEvent }
  | { readonly ok: false; readonly reason: 'NotAnEvent' | 'UnsupportedSpecVersion'; readonly message: string };

const identity = z.string().min(1).max(1024);
const subject = z.string().max(2048).nullish();

const cloudEvent = z.object({
  specversion: z.literal('1.0'),
  id: identity,
  source: identity,
  type: z.string().min(1).max(256),
  subject,
  time: instantSchema.nullish(),
  data: z.unknown().optional(),
});

const eventGridEvent = z.object({
  id: identity,
  topic: z.string().max(1024).nullish(),
  subject,
  eventType: z.string().min(1).max(256),
  eventTime: instantSchema,
  data: z.unknown().optional(),
});

/**
 * `body` is parsed JSON: an event, or a list of exactly one (as Event Grid posts to webhooks). `receivedAt` (epoch ms) stands for the
 * time of a CloudEvent that has none; the first delivery's answer is the recorded one, so it may differ between deliveries.
 */
export function readEvent(body: unknown, receivedAt: number): EventReading {
  const only = withoutPersonalClaims(Array.isArray(body) && body.length === 1 ? body[0] : body);
  const form = z.object({ specversion: z.unknown().optional(), eventType: z.unknown().optional() }).safeParse(only);
  if (!form.success || (form.data.specversion === undefined && form.data.eventType === undefined)) {
    return refusal(
      'NotAnEvent',
      'send one event as a JSON object, with `specversion` (CloudEvents 1.0) or `eventType` (Event Grid schema)',
    );
  }
  if (form.data.specversion === undefined) return fromEventGrid(only);
  if (form.data.specversion !== '1.0') return refusal('UnsupportedSpecVersion', 'send CloudEvents with `specversion` "1.0"');
  return fromCloudEvents(only, receivedAt);
}

function fromCloudEvents(body: unknown, receivedAt: number): EventReading {
  const parsed = cloudEvent.safeParse(body);
  if (!parsed.success) return refusal('NotAnEvent', `this is no CloudEvent: ${firstIssue(parsed.error)}`);
  const { id, source, type, subject: about, time, data } = parsed.data;
  return {
    ok: true,
    event: {
      deliveryId: deliveryId(source, id),
      type,
      source,
      subject: about ?? '',
      time: time ?? receivedAt,
      data,
      schema: 'CloudEvents',
    },
  };
}

function fromEventGrid(body: unknown): EventReading {
  const parsed = eventGridEvent.safeParse(body);
  if (!parsed.success) return refusal('NotAnEvent', `this is no event in the Event Grid schema: ${firstIssue(parsed.error)}`);
  const { id, topic, subject: about, eventType, eventTime, data } = parsed.data;
  const source = topic ?? '';
  return {
    ok: true,
    event: {
      deliveryId: deliveryId(source, id),
      type: eventType,
      source,
      subject: about ?? '',
      time: eventTime,
      data,
      schema: 'EventGrid',
    },
  };
}

/** Written as JSON so that no choice of source and id can collide with another. */
function deliveryId(source: string, id: string): string {
  return JSON.stringify(['event', source, id]);
}

function refusal(reason: 'NotAnEvent' | 'UnsupportedSpecVersion', message: string): EventReading {
  return { ok: false, reason, message };
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue === undefined ? 'it has the wrong form' : `\`${issue.path.join('.')}\`: ${issue.message}`;
}
