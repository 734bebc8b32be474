/** HTTP: replacing the root of a mesh, what that would do, and stepping in. */
import { randomUUID } from 'node:crypto';
import { app } from '@azure/functions';
import { z } from 'zod';
import { type Asked, read, write } from '../src/api/door.ts';
import { answered, json, noCertificates, problem } from '../src/api/problem.ts';

const ROUTE = 'meshes/{mesh}/rotation';
const rotateSchema = z.strictObject({ reason: z.string().min(1).max(500).exactOptional(), compromised: z.boolean().default(false) });
const ACTIONS = ['abort', 'proceed', 'approve', 'force'];
const stepSchema = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('abort'), reason: z.string().min(1).max(500).exactOptional() }),
  z.strictObject({ action: z.literal('proceed') }),
  z.strictObject({ action: z.literal('approve'), gate: z.enum(['issuing', 'pruning']) }),
  z.strictObject({ action: z.literal('force'), rotation: z.string().max(100), phase: z.string().max(100) }),
]);
const HOW_TO_STEP_IN =
  'Send {"reason": "<text>"} or nothing to abort, nothing to proceed, {"gate": "issuing"} or "pruning" to approve, and {"rotation": "<id>", "phase": "<name>"} as `certificates` shows them to force.';

const idOf = (request: Asked, what: string): string => `hand/${what}/${request.headers.get('idempotency-key') ?? randomUUID()}`;

app.http('rotate', {
  methods: ['POST'],
  route: ROUTE,
  authLevel: 'function',
  handler: (request) =>
    write(request, async ({ app, actor, body }) => {
      const { mesh = '' } = request.params;
      const asked = rotateSchema.safeParse(body ?? {});
      if (!asked.success) return problem(400, 'NotARequest', 'Send nothing, or {"reason": "<text>", "compromised": true}.');
      const answer = await app.rotating.rotate(mesh, { id: idOf(request, 'rotate'), actor }, asked.data);
      return answer ? answered(answer) : noCertificates(mesh);
    }),
});

app.http('rotationPlan', {
  methods: ['GET'],
  route: `${ROUTE}/plan`,
  authLevel: 'function',
  handler: (request) =>
    read(async (app) => {
      const { mesh = '' } = request.params;
      const plan = await app.rotating.plan(mesh, request.query.get('compromised') === 'true');
      if (!plan) return noCertificates(mesh);
      return plan.kind === 'refused' ? problem(409, plan.reason, plan.message) : json(200, { now: Date.now(), ...plan });
    }),
});

app.http('stepIntoRotation', {
  methods: ['POST'],
  route: `${ROUTE}/{action}`,
  authLevel: 'function',
  handler: (request) =>
    write(request, async ({ app, actor, body }) => {
      const { mesh = '', action = '' } = request.params;
      if (!ACTIONS.includes(action)) return problem(404, 'UnknownAction', `Ask for ${ACTIONS.join(', ')}.`);
      const step = stepSchema.safeParse({ ...(typeof body === 'object' ? body : { body }), action });
      if (!step.success) return problem(400, 'NotARequest', HOW_TO_STEP_IN);
      const answer = await app.rotating.stepIn(mesh, { id: idOf(request, action), actor }, step.data);
      return answer ? answered(answer) : noCertificates(mesh);
    }),
});
