/**
 * `npm run test:conformance [file …]`: builds the real servers that are not built yet, then runs the tests against them. The last
 * line is that of `npm test`. Without Go the tests are skipped, by name; where `CI=true` that is a failure.
 */
import { runCounted } from '../counted.ts';
import { haveServers, serverNames } from './servers/build.ts';

const filters = process.argv.slice(2);
// A file that is run alone has what it needs built by itself.
if (filters.length === 0) await haveServers(...serverNames);
await runCounted(filters, 'vitest.conformance.config.ts');
