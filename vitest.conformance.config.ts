/**
 * How conformance tests run: against real API servers, meshes and Envoys, two files at a time, since each starts servers of its
 * own. `npm run test:conformance` builds the servers first; `npm test` knows nothing of these.
 */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'conformance',
    pool: 'forks',
    include: ['test/conformance/**/*.test.ts'],
    maxWorkers: 2,
    // Above what `until` waits, so that a test says what it waited for.
    testTimeout: 90_000,
    // Servers built by a test that is run alone take minutes; that happens before the hooks.
    hookTimeout: 120_000,
  },
});
