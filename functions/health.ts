/** HTTP: whether this instance can reach its state. */
import { json } from '../src/api/problem.ts';
import { ROUTES } from '../src/api/routes.ts';
import { serve } from './http/route.ts';

serve(ROUTES.health, async ({ app }) => json(200, { status: 'ok', meshes: (await app.meshes()).length }));
