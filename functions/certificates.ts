/**
 * HTTP: leafs for workloads, which say who they are by a token of their own; and join tokens for them, made by operators. Who asks for a leaf has
 * no role in this app: the token in the body is what is checked.
 */
import { leafRefused } from '../src/api/leaf-refused.ts';
import { json, problem } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { serve } from './http/route.ts';

const NONE_HERE = problem(404, 'NoCertificates', 'No certificates are made by this meshwright.');

serve(ROUTES.issueLeaf, async ({ app, params, body }) => {
  const given = await app.issuing?.issue(params.mesh, body);
  if (!given) return NONE_HERE;
  return given.kind === 'issued' ? json(200, given) : leafRefused(given);
});

serve(ROUTES.makeJoinToken, async ({ app, caller, params, body: { lifeMs, ...identity } }) => {
  const made = await app.issuing?.makeJoinToken(params.mesh, { identity, lifeMs, actor: caller.actor });
  if (!made) return NONE_HERE;
  return made.kind === 'made' ? json(200, made) : leafRefused(made);
});
