/** HTTP: the description of every route. Its schemas are loaded with the first request for it. */
import { ROUTES } from '../src/api/routes.ts';
import { serve } from './http/route.ts';

serve(ROUTES.openapi, async () => {
  const { openApiText } = await import('../src/api/openapi.ts');
  return { status: 200, headers: { 'content-type': 'application/json' }, body: openApiText() };
});
