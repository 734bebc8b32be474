/**
 * How tests run: three groups, one after the other, each in parallel within. The simulation counts its own seconds and the
 * end-to-end suites start many processes; neither should fight the others for two cores.
 */
import { defineConfig } from 'vitest/config';

const SIMULATION = 'test/simulation/**/*.test.ts';
const END_TO_END = 'test/e2e/**/*.test.ts';
/** Has a configuration of its own: vitest.conformance.config.ts. */
const CONFORMANCE = 'test/conformance/**/*.test.ts';

export default defineConfig({
  test: {
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'simulation', include: [SIMULATION], maxWorkers: 1, sequence: { groupOrder: 0 } } },
      {
        extends: true,
        test: {
          name: 'specifications',
          include: ['test/**/*.test.ts'],
          exclude: [SIMULATION, END_TO_END, CONFORMANCE],
          sequence: { groupOrder: 1 },
        },
      },
      { extends: true, test: { name: 'end to end', include: [END_TO_END], maxWorkers: 3, sequence: { groupOrder: 2 } } },
    ],
  },
});
