/** What the API answers of services: as schemas, held to the types by the compiler. */
import { z } from 'zod';
import { commitBodySchema } from '../journal/stream.ts';
import { differenceSchema } from '../rollouts/difference.ts';
import type { ServiceStatus } from '../status.ts';
import { trustStatus } from './trust-answers.ts';

export const serviceStatus: z.ZodType<ServiceStatus> = z.object({
  mesh: z.string(),
  service: z.string(),
  version: z.int(),
  stable: z.string().nullable(),
  split: z.array(z.object({ version: z.string(), weight: z.number() })),
  rollout: z
    .object({
      candidate: z.string(),
      phase: z.string(),
      step: z.int(),
      steps: z.int(),
      startedAt: z.number(),
      deadline: z.object({ name: z.string(), at: z.number() }).nullable(),
      because: z.string().nullable(),
    })
    .nullable(),
  queued: z.string().nullable(),
  rejected: z.array(z.object({ release: z.string(), at: z.number(), because: z.string() })),
  drift: z.array(z.object({ dataPlane: z.string(), since: z.number(), differences: z.array(z.string()), more: z.int() })),
  unobserved: z.array(z.string()),
  shadow: z.array(
    z.object({
      dataPlane: z.string(),
      since: z.number(),
      refused: z.number(),
      lastRefusedAt: z.number().exactOptional(),
      unseen: z.string().exactOptional(),
      callers: z.array(z.object({ caller: z.string(), refused: z.number() })),
    }),
  ),
  pending: z.array(z.object({ what: z.string(), since: z.number(), error: z.string().exactOptional() })),
});

export const overview = z.object({
  services: z.array(serviceStatus),
  trust: z.array(trustStatus),
  journal: z.array(commitBodySchema.extend({ stream: z.string() })),
});

export const driftReport = z.object({
  mesh: z.string(),
  service: z.string(),
  dataPlane: z.string(),
  at: z.number(),
  outcome: z.enum(['none', 'drift', 'settling', 'unknown']),
  differences: z.array(differenceSchema),
  because: z.string().exactOptional(),
  behind: z.record(z.string(), z.number()),
  texts: z.array(z.string()),
});
