/**
 * The part of host.json that the local host obeys: `extensions.http.routePrefix` and `extensions.queues`, with the
 * defaults of the Functions host. The rest of the file is Azure's.
 */
import { z } from 'zod';
import type { QueueSettings } from './queue.ts';

const timeSpan = z
  .string()
  .regex(/^\d{1,2}:[0-5]\d:[0-5]\d$/, 'a time span reads hh:mm:ss')
  .transform((text) => text.split(':').reduce((seconds, part) => seconds * 60 + Number(part), 0) * 1000);

const hostJsonSchema = z.object({
  version: z.literal('2.0'),
  extensions: z
    .object({
      http: z.object({ routePrefix: z.string().default('api') }).prefault({}),
      queues: z
        .object({
          visibilityTimeout: timeSpan.default(0),
          maxDequeueCount: z.int().min(1).default(5),
          batchSize: z.int().min(1).max(32).default(16),
          newBatchThreshold: z.int().min(0).optional(),
          messageEncoding: z.enum(['base64', 'none']).default('base64'),
        })
        .prefault({}),
    })
    .prefault({}),
});

export interface HostSettings {
  readonly routePrefix: string;
  readonly queues: QueueSettings;
}

/** @throws Error that names the field of host.json that is wrong. */
export function parseHostJson(hostJson: unknown): HostSettings {
  const parsed = hostJsonSchema.safeParse(hostJson);
  if (!parsed.success) throw new Error(`host.json can't be used: ${z.prettifyError(parsed.error)}`);
  const { http, queues } = parsed.data.extensions;
  return {
    routePrefix: http.routePrefix,
    queues: {
      visibilityTimeoutMs: queues.visibilityTimeout,
      maxDequeueCount: queues.maxDequeueCount,
      // The next batch is fetched as soon as no more than the threshold are being worked on.
      concurrency: queues.batchSize + (queues.newBatchThreshold ?? Math.floor(queues.batchSize / 2)),
      // Azure takes 64 KiB as it travels.
      largestTextBytes: queues.messageEncoding === 'base64' ? 48 * 1024 : 64 * 1024,
    },
  };
}
