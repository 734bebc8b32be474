/** HTTP and timer: what the certificates of a mesh are at, and rotating its root. Leafs for workloads are in `certificates.ts`. */
import { randomUUID } from 'node:crypto';
import { app } from '@azure/functions';
import { z } from 'zod';
import { type Asked, read, write } from '../src/api/door.ts';
import { answered, json, problem } from '../src/api/problem.ts';
import type { RotationByHand } from '../src/rotating.ts';
import { theInstallation } from '../src/wiring.ts';

const ROUTE = 'meshes/{mesh}/rotation';
const rotateSchema = z.strictObject({ reason: z.string().min(1).max(500).exactOptional(), compromised: z.boolean().default(false) });
const stepSchema = z.strictObject({
  reason: z.string().min(1).max(500).exactOptional(),
  gate: z.enum(['issuing', 'pruning']).exactOptional(),
  /** What was looked at before a gate is forced. */
  rotation: z.string().max(100).exactOptional(),
  phase: z.string().max(100).exactOptional(),
});

const none = (mesh: string) => problem(404, 'NoCertificates', `No adopted spec of a mesh ${mesh} has \`certificates\`.`);
const idOf = (request: Asked, what: string): string => `hand/${what}/${request.headers.get('idempotency-key') ?? randomUUID()}`;

/** What no event said is found by looking. */
app.timer('certificateInventory', {
  schedule: '0 10 4 * * *',
  handler: async () => {
    await (await theInstallation()).app.rotating.takeInventory();
  },
});

app.http('certificates', {
  methods: ['GET'],
  route: 'meshes/{mesh}/certificates',
  authLevel: 'function',
  handler: (request) =>
    read(async (app) => {
      const { mesh = '' } = request.params;
      const status = await app.rotating.status(mesh);
      return status ? json(200, { now: Date.now(), ...status }) : none(mesh);
    }),
});

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
      return answer ? answered(answer) : none(mesh);
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
      if (!plan) return none(mesh);
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
      const asked = stepSchema.safeParse(body ?? {});
      if (!asked.success) return problem(400, 'NotARequest', 'Send nothing, or {"reason": "<text>"}; to approve, {"gate": "issuing"}.');
      const delivery = { id: idOf(request, action), actor };
      const command = commandOf(action, asked.data, actor);
      if (command === undefined)
        return problem(404, 'UnknownAction', 'Ask for abort, proceed, force, or approve with {"gate": "issuing"} or "pruning".');
      const { rotation, phase } = asked.data;
      if (command === 'force' && (rotation === undefined || phase === undefined))
        return problem(400, 'NotARequest', 'To force a gate, send {"rotation": "<id>", "phase": "<name>"} as `certificates` shows them.');
      const of = { rotation: rotation ?? '', phase: phase ?? '' };
      const answer = await (command === 'force' ? app.rotating.force(mesh, delivery, of) : app.rotating.byHand(mesh, delivery, command));
      return answer ? answered(answer) : none(mesh);
    }),
});

function commandOf(action: string, { reason, gate }: z.infer<typeof stepSchema>, by: string): RotationByHand | 'force' | undefined {
  switch (action) {
    case 'abort':
      return { type: 'Abort', by, ...(reason === undefined ? {} : { reason }) };
    case 'proceed':
      return { type: 'Proceed', by };
    case 'approve':
      return gate && { type: 'Approve', gate, by };
    case 'force':
      return 'force';
    default:
      return undefined;
  }
}
