/** Writes `docs/openapi.json` from the table of routes and their answers: `npm run docs:openapi`. A test fails when it is not what it would write. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openApiText } from '../src/api/openapi.ts';

writeFileSync(join(import.meta.dirname, 'openapi.json'), openApiText());
