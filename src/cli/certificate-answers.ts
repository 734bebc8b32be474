/** What the HTTP API answers of certificates and rotations, as far as the command line reads it. */
import { z } from 'zod';

const phaseSchema = z.looseObject({
  name: z.string(),
  since: z.number(),
  passedAt: z.number().optional(),
  until: z.number().optional(),
});

const certificateSchema = z.looseObject({
  kind: z.string(),
  role: z.string().nullable(),
  name: z.string(),
  fingerprint: z.string().nullable(),
  notAfter: z.number(),
  dueAt: z.number().nullable(),
  standing: z.string(),
  imported: z.boolean(),
});
export type CertificateLine = z.infer<typeof certificateSchema>;

const workloadSchema = z.looseObject({
  id: z.string(),
  identity: z.string().nullable(),
  trusts: z.array(z.object({ fingerprint: z.string(), role: z.string() })),
  presents: z.looseObject({ under: z.string(), notAfter: z.number() }).nullable(),
  standing: z.string(),
  left: z.boolean(),
  seenAt: z.number(),
  trouble: z.string().nullable(),
});
export type WorkloadLine = z.infer<typeof workloadSchema>;

export const trustStatusSchema = z.looseObject({
  now: z.number(),
  mesh: z.string(),
  version: z.number(),
  rotation: z
    .looseObject({
      id: z.string(),
      cause: z.string(),
      startedAt: z.number(),
      startedBy: z.string(),
      phase: phaseSchema,
      heldBy: z.string().optional(),
      mustLeaveBy: z.number().optional(),
      aborted: z.looseObject({ by: z.string() }).optional(),
    })
    .nullable(),
  ended: z.array(z.looseObject({ id: z.string(), outcome: z.string(), at: z.number() })),
  inventory: z.looseObject({
    trustDomain: z.string().nullable(),
    rotateBy: z.number().nullable(),
    certificates: z.array(certificateSchema),
    workloads: z.array(workloadSchema),
    unseen: z.array(z.object({ dataPlane: z.string(), because: z.string() })),
  }),
  pending: z.array(z.object({ what: z.string(), since: z.number(), error: z.string().optional() })),
});
export type TrustStatus = z.infer<typeof trustStatusSchema>;

export const rotationPlanSchema = z.looseObject({
  now: z.number(),
  cause: z.string(),
  phases: z.array(
    z.looseObject({
      phase: z.string(),
      writes: z.array(
        z.looseObject({
          target: z.string(),
          operation: z.string().optional(),
          dataPlane: z.string().optional(),
          roots: z.array(z.string()).optional(),
          signer: z.string().optional(),
          root: z.string().optional(),
        }),
      ),
      leftWhen: z.string(),
      approval: z.string().nullable(),
      expectedMs: z.number(),
    }),
  ),
  notReady: z.array(z.looseObject({ id: z.string(), because: z.string() })),
  breaks: z.array(z.looseObject({ id: z.string(), because: z.string() })),
  unseen: z.array(z.object({ dataPlane: z.string(), because: z.string() })),
  expectedMs: z.number(),
  mustStartBy: z.number(),
  outage: z.boolean(),
});
export type RotationPlanAnswer = z.infer<typeof rotationPlanSchema>;
