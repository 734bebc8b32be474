/** How tests run: all in one go, in parallel; end-to-end and conformance suites bring their own time limits. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    globals: false,
  },
});
