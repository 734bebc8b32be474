/** What the HTTP API answers, as far as the command line reads it; members it does not know are left alone. */
import { z } from 'zod';
import { meshSpecSchema, serviceSpecSchema } from '../spec/schema.ts';

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);

const serviceStatusSchema = z.looseObject({
  mesh: z.string(),
  service: z.string(),
  version: z.number(),
  stable: z.string().nullable(),
  split: z.array(z.object({ version: z.string(), weight: z.number() })),
  rollout: z
    .object({
      candidate: z.string(),
      phase: z.string(),
      step: z.number(),
      steps: z.number(),
      startedAt: z.number(),
      deadline: z.object({ name: z.string(), at: z.number() }).nullable(),
      because: z.string().nullable(),
    })
    .nullable(),
  queued: z.string().nullable(),
  rejected: z.array(z.object({ release: z.string(), at: z.number(), because: z.string() })),
  drift: z.array(z.object({ dataPlane: z.string(), since: z.number(), differences: z.array(z.string()), more: z.number() })).default([]),
  unobserved: z.array(z.string()).default([]),
  shadow: z
    .array(
      z.object({
        dataPlane: z.string(),
        since: z.number(),
        refused: z.number(),
        callers: z.array(z.object({ caller: z.string(), refused: z.number() })).default([]),
        unseen: z.string().optional(),
      }),
    )
    .default([]),
  pending: z.array(z.object({ what: z.string(), since: z.number(), error: z.string().optional() })),
});
export type ServiceStatus = z.infer<typeof serviceStatusSchema>;

export const statusSchema = z.looseObject({ now: z.number(), services: z.array(serviceStatusSchema) });

const driftReportSchema = z.looseObject({
  mesh: z.string(),
  service: z.string(),
  dataPlane: z.string(),
  outcome: z.string(),
  because: z.string().optional(),
  texts: z.array(z.string()),
});
export type DriftReport = z.infer<typeof driftReportSchema>;
export const driftSchema = z.looseObject({ now: z.number(), drift: z.array(driftReportSchema) });

const dryRunSchema = z.looseObject({
  dataPlane: z.string(),
  since: z.number(),
  refused: z.number(),
  lastRefusedAt: z.number().optional(),
  proxies: z.array(z.looseObject({ proxy: z.string(), refused: z.number(), lastAt: z.number().optional() })),
  callers: z.array(z.looseObject({ caller: z.string(), refused: z.number(), lastAt: z.number() })).default([]),
  unseen: z.string().optional(),
  against: z.string().nullable(),
});
export type DryRun = z.infer<typeof dryRunSchema>;
export const shadowSchema = z.looseObject({ now: z.number(), shadow: z.array(dryRunSchema) });

const commitSchema = z.looseObject({
  version: z.number(),
  at: z.number(),
  actor: z.string(),
  message: z.string(),
  evidence: z.record(z.string(), scalar).optional(),
  events: z.array(z.looseObject({ type: z.string() })),
});
export type Commit = z.infer<typeof commitSchema>;

export const journalSchema = z.object({ commits: z.array(commitSchema) });

/** The event of a commit by which an alert is remembered. */
export const alertNotedSchema = z.object({
  type: z.literal('AlertNoted'),
  id: z.string(),
  alert: z.object({ rule: z.string(), firedAt: z.number().optional(), resolvedAt: z.number().optional() }),
});

export const answerSchema = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('accepted'), message: z.string() }),
  z.object({ outcome: z.literal('unchanged'), message: z.string() }),
  z.object({ outcome: z.literal('refused'), message: z.string() }),
]);

/** What became of a delivery; one that was parked is answered as a problem. */
export const receivedSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('answered'), answers: z.array(answerSchema) }),
  z.object({ kind: z.literal('looking'), message: z.string() }),
  z.object({ kind: z.literal('ignored'), message: z.string() }),
]);
export type Received = z.infer<typeof receivedSchema>;

export const appliedSchema = z.object({ mesh: z.string(), revision: z.string(), answer: answerSchema });

export const adoptedSpecSchema = z.object({ revision: z.string(), spec: meshSpecSchema, services: z.array(serviceSpecSchema) });

const parkedFields = { id: z.string(), at: z.number(), door: z.string(), reason: z.string(), message: z.string(), bytes: z.number() };
const parkedSchema = z.looseObject(parkedFields);
export type Parked = z.infer<typeof parkedSchema>;
export const parkedPageSchema = z.object({ parked: z.array(parkedSchema) });
/** `text`: what came, its first 64 KB. */
export const parkedOneSchema = z.looseObject({ ...parkedFields, text: z.string() });

const letterSchema = z.looseObject({ id: z.string(), at: z.number(), where: z.string(), reason: z.string(), message: z.string() });
export type Letter = z.infer<typeof letterSchema>;
export const lettersSchema = z.object({
  letters: z.array(letterSchema),
  unseen: z.array(z.object({ where: z.string(), message: z.string() })),
});
export const letterTextSchema = z.looseObject({ text: z.string() });
export const sentAgainSchema = z.object({
  received: z.array(z.union([receivedSchema, z.object({ kind: z.literal('parked'), message: z.string() })])),
});

/** RFC 9457, with what this API adds to it. */
export const problemSchema = z.object({
  detail: z.string(),
  reason: z.string().optional(),
  problems: z
    .array(
      z.object({
        file: z.string(),
        line: z.number(),
        column: z.number().exactOptional(),
        field: z.string(),
        message: z.string(),
        refusal: z.object({ service: z.string(), dataPlane: z.string(), code: z.string() }).exactOptional(),
      }),
    )
    .optional(),
});
