/** What the API answers of certificates and rotations: as schemas, held to the types by the compiler. */
import { z } from 'zod';
import type { TrustStatus } from '../rotating.ts';
import { CAUSES, GATES, phaseSchema } from '../trust/state.ts';

const standing = z.enum(['good', 'due', 'late', 'expired']);
const role = z.enum(['current', 'next', 'other']);
const unseen = z.array(z.object({ dataPlane: z.string(), because: z.string() }));

const rotation: z.ZodType<TrustStatus['rotation']> = z
  .object({
    id: z.string(),
    cause: z.enum(CAUSES),
    startedAt: z.number(),
    startedBy: z.string(),
    phase: phaseSchema,
    approvals: z.partialRecord(z.enum(GATES), z.string()),
    heldBy: z.string().exactOptional(),
    aborted: z.object({ by: z.string(), reason: z.string().exactOptional(), from: z.string() }).exactOptional(),
    mustLeaveBy: z.number().exactOptional(),
  })
  .nullable();

const inventory: z.ZodType<TrustStatus['inventory']> = z.object({
  at: z.number(),
  trustDomain: z.string().nullable(),
  rotateBy: z.number().nullable(),
  lastStart: z.number().nullable(),
  certificates: z.array(
    z.object({
      kind: z.enum(['root', 'issuer', 'serving']),
      role: role.nullable(),
      name: z.string(),
      fingerprint: z.string().nullable(),
      notBefore: z.number(),
      notAfter: z.number(),
      daysLeft: z.int(),
      dueAt: z.number().nullable(),
      standing,
      imported: z.boolean(),
    }),
  ),
  workloads: z.array(
    z.object({
      id: z.string(),
      dataPlane: z.string(),
      kind: z.enum(['proxy', 'control-plane']),
      identity: z.string().nullable(),
      trusts: z.array(z.object({ fingerprint: z.string(), role })),
      presents: z.object({ issuer: z.string(), under: role, notAfter: z.number(), daysLeft: z.int() }).nullable(),
      standing,
      left: z.boolean(),
      seenAt: z.number(),
      trouble: z.string().nullable(),
    }),
  ),
  roots: z.array(z.object({ fingerprint: z.string(), role, trusting: z.int(), presenting: z.int() })),
  unseen,
});

export const trustStatus = z.object({
  mesh: z.string(),
  version: z.int(),
  rotation,
  ended: z.array(
    z.object({
      id: z.string(),
      cause: z.enum(CAUSES),
      at: z.number(),
      outcome: z.enum(['rotated', 'aborted']),
      certificateIds: z.array(z.string()),
    }),
  ),
  inventory,
  pending: z.array(z.object({ what: z.string(), since: z.number(), error: z.string().exactOptional() })),
});

const rootWord = z.enum(['old', 'new']);
const phaseName = z.string();
const notReady = z.array(z.object({ id: z.string(), dataPlane: z.string(), identity: z.string().nullable(), because: z.string() }));

export const rotationPlan = z.object({
  kind: z.literal('plan'),
  cause: z.enum(CAUSES),
  underWay: phaseName.nullable(),
  phases: z.array(
    z.object({
      phase: phaseName,
      writes: z.array(
        z.discriminatedUnion('target', [
          z.object({
            target: z.literal('vault'),
            operation: z.enum(['make-root', 'make-issuer', 'sign-issuer', 'disable-key', 'enable-key']),
            root: rootWord,
          }),
          z.object({
            target: z.literal('data-plane'),
            dataPlane: z.string(),
            changes: z.enum(['roots', 'signer']),
            roots: z.array(rootWord),
            signer: rootWord,
          }),
        ]),
      ),
      leftWhen: z.string(),
      approval: z.enum(GATES).nullable(),
      expectedMs: z.number(),
      mustLeaveBy: z.number().nullable(),
    }),
  ),
  notReady,
  unseen,
  breaks: notReady,
  expectedMs: z.number(),
  mustStartBy: z.number(),
  rotateBy: z.number(),
  outage: z.boolean(),
  pace: z.object({ members: z.int(), leafsPerSecond: z.number(), renewWithinMs: z.number(), keepsUp: z.boolean() }),
});
