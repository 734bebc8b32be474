/** A plan as it is read back from the model: the zod side of `plan.ts`. */
import { z } from 'zod';
import { allowRuleSchema, faultSchema, mirrorSchema, policyFields, STAGES } from '../spec/policy-schema.ts';
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

const security = z.object({
  stage: z.enum(STAGES),
  trustDomain: z.string(),
  serviceAccount: z.string(),
  allow: z.array(allowRuleSchema),
});

const planSchema = z.object({
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
      mirror: mirrorSchema.exactOptional(),
      fault: faultSchema.exactOptional(),
    }),
  ),
  dataPlanes: z.array(z.string()),
  ...policyFields,
  security: security.exactOptional(),
});

/** Plans written before there was a selector select by the name of the service. */
export const servicePlanSchema: z.ZodType<ServicePlan> = planSchema
  .extend({ selector: z.record(z.string(), z.string()).exactOptional() })
  .transform((stored) => ({ ...stored, selector: stored.selector ?? { app: stored.service } }));
