/**
 * Trigger data and answers in the worker's own shapes (the `TypedData` of its gRPC contract), as the Functions host
 * fills and reads them: what a handler gets here is what it gets on Azure.
 */
import { z } from 'zod';
import type { TypedData } from './functions-core.ts';
import type { Received } from './http.ts';
import type { Reply } from './problem.ts';
import type { QueueMessage } from './queue.ts';
import type { TimerInfo } from './timers.ts';

export function httpData(request: Received, params: Readonly<Record<string, string>>, body: Uint8Array): TypedData {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) if (value !== undefined) headers[name] = value;
  // A repeated query parameter arrives as one, joined by commas.
  const query: Record<string, string> = {};
  for (const name of request.query.keys()) query[name] = request.query.getAll(name).join(',');
  return {
    http: { method: request.method, url: request.url, headers, query, params, ...(body.length > 0 ? { body: { bytes: body } } : {}) },
  };
}

export function eventGridData(event: Readonly<Record<string, unknown>>): TypedData {
  return { json: JSON.stringify(event) };
}

export function timerData(info: TimerInfo): TypedData {
  return { json: JSON.stringify(info) };
}

/** The library parses the text as JSON where it can. */
export function queueData(message: QueueMessage): TypedData {
  return { string: message.text };
}

export function queueMetadata(message: QueueMessage): Readonly<Record<string, TypedData>> {
  return {
    Id: { string: message.id },
    DequeueCount: { int: message.dequeueCount },
    PopReceipt: { string: message.popReceipt },
    InsertionTime: dateTime(message.insertedAt),
    ExpirationTime: dateTime(message.expiresAt),
    NextVisibleTime: dateTime(message.visibleAt),
    QueueTrigger: { string: message.text },
  };
}

const dateTime = (time: number): TypedData => ({ json: JSON.stringify(new Date(time).toISOString().replace('Z', '+00:00')) });

const responseSchema = z.object({
  returnValue: z
    .object({
      http: z.object({
        statusCode: z.string().regex(/^[2-5]\d\d$/),
        headers: z.record(z.string(), z.string()),
        cookies: z.array(z.unknown()).max(0, 'the local host sets no cookies'),
        enableContentNegotiation: z.literal(false, 'the local host negotiates no content type'),
        body: z.object({ bytes: z.instanceof(Uint8Array) }),
      }),
    })
    .nullish(),
});

/**
 * Reads what `getResponse` of the library gave for an HTTP function; a function that returned nothing answers 204.
 *
 * @throws Error when the answer holds something this host can't send.
 */
export function readHttpResponse(response: unknown): Reply {
  const parsed = responseSchema.safeParse(response);
  if (!parsed.success) throw new Error(`The function's answer can't be sent: ${z.prettifyError(parsed.error)}`);
  const http = parsed.data.returnValue?.http;
  return http ? { status: Number(http.statusCode), headers: http.headers, body: http.body.bytes } : { status: 204, headers: {}, body: '' };
}
