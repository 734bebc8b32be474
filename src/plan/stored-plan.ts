/** A plan as it is read back from the model: the zod side of `plan.ts`. */
import { z } from 'zod';
import { RETRY_CONDITIONS } from '../spec/schema.ts';
import type { ServicePlan } from './plan.ts';

const path = z.union([z.object({ exact: z.string() }), z.object({ prefix: z.string() }), z.object({ regex: z.string() })]);
const header = z.union([
  z.object({ name: z.string(), exact: z.string() }),
  z.object({ name: z.string(), prefix: z.string() }),
  z.object({ name: z.string(), regex: z.string() }),
  z.object({ name: z.string(), present: z.boolean() }),
]);
const retries = z.object({
  attempts: z.number(),
  perTryTimeoutMs: z.number().exactOptional(),
  on: z.array(z.enum(RETRY_CONDITIONS)),
});

export const servicePlanSchema: z.ZodType<ServicePlan> = z.object({
  mesh: z.string(),
  service: z.string(),
  namespace: z.string(),
  port: z.number(),
  protocol: z.enum(['http', 'http2', 'grpc']),
  versions: z.array(z.object({ name: z.string(), labels: z.record(z.string(), z.string()) })),
  routes: z.array(
    z.object({
      name: z.string(),
      match: z.object({
        path: path.exactOptional(),
        methods: z.array(z.string()).exactOptional(),
        headers: z.array(header).exactOptional(),
      }),
      split: z.array(z.object({ version: z.string(), weight: z.number() })),
      timeoutMs: z.number().exactOptional(),
      retries: retries.exactOptional(),
    }),
  ),
  dataPlanes: z.array(z.string()),
});
