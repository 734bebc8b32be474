/**
 * Runs a vitest configuration and says how it went in one last line, `N passed, N failed, N skipped`: what CI and people read.
 * What could not be loaded or threw outside a test counts as failed.
 */
import { startVitest } from 'vitest/node';

/** Prints the line and ends the process: 0 when something passed and nothing failed. */
export async function runCounted(filters: readonly string[], config?: string): Promise<never> {
  const vitest = await startVitest('test', [...filters], { watch: false, run: true, ...(config === undefined ? {} : { config }) });
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const module of vitest.state.getTestModules()) {
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state !== 'pending') counts[state] += 1;
    }
    // A file that could not be loaded, or whose set-up failed, has tests nobody counted.
    if (module.state() === 'failed' && [...module.children.allTests('failed')].length === 0) counts.failed += 1;
  }
  counts.failed += vitest.state.getUnhandledErrors().length;
  await vitest.close();
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);
}
