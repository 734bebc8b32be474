/** HTTP: replacing the root of a mesh, what that would do, and stepping in. */
import type { Asked } from '../src/api/door.ts';
import { answered, type HttpAnswer, json, noCertificates, problem } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import type { RotationStep } from '../src/rotating.ts';
import { serve } from './http/route.ts';

type OfMesh<Body> = Asked<{ mesh: string }, unknown, Body>;

const deliveryOf = ({ key, caller }: OfMesh<unknown>, what: string) => ({ id: `hand/${what}/${key}`, actor: caller.actor });

async function stepIn<Body>(asked: OfMesh<Body>, step: RotationStep): Promise<HttpAnswer> {
  const { app, params } = asked;
  const answer = await app.rotating.stepIn(params.mesh, deliveryOf(asked, step.action), step);
  return answer ? answered(answer) : noCertificates(params.mesh);
}

serve(ROUTES.rotate, async (asked) => {
  const { app, params, body } = asked;
  const answer = await app.rotating.rotate(params.mesh, deliveryOf(asked, 'rotate'), body);
  return answer ? answered(answer) : noCertificates(params.mesh);
});

serve(ROUTES.rotationPlan, async ({ app, params: { mesh }, query }) => {
  const plan = await app.rotating.plan(mesh, query.compromised);
  if (!plan) return noCertificates(mesh);
  return plan.kind === 'refused' ? problem(409, plan.reason, plan.message) : json(200, { now: Date.now(), ...plan });
});

serve(ROUTES.abortRotation, (asked) => stepIn(asked, { action: 'abort', ...asked.body }));
serve(ROUTES.proceedRotation, (asked) => stepIn(asked, { action: 'proceed' }));
serve(ROUTES.approveRotation, (asked) => stepIn(asked, { action: 'approve', ...asked.body }));
serve(ROUTES.forceRotation, (asked) => stepIn(asked, { action: 'force', ...asked.body }));
