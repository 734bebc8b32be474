/** HTTP: a mesh's whole spec, to be adopted or refused with everything that is wrong with it. */
import { json, specRefused } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { serve } from './http/route.ts';

serve(ROUTES.apply, async ({ app, caller: { actor }, body: { files, ...accepting }, refuse }) => {
  const mayAdopt = async (mesh: string): Promise<boolean> => (await refuse({ mesh })) === undefined;
  const applied = await app.apply(files, { actor, mayAdopt, ...accepting });
  if (applied.ok) return json(200, applied);
  const refused = applied.notAllowedIn === undefined ? undefined : await refuse({ mesh: applied.notAllowedIn });
  return refused ?? specRefused(applied.problems);
});
