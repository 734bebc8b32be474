/**
 * `npm test`: types, style, a build of what is shipped, then every test. The last line is
 * `N passed, N failed, N skipped`; what is skipped says by name which component is missing and how to get it.
 */
import { spawnSync } from 'node:child_process';
import { startVitest } from 'vitest/node';

function step(name: string, command: string, argv: readonly string[]): void {
  console.log(`> ${name}`);
  const { status } = spawnSync(command, argv, { stdio: 'inherit' });
  if (status === 0) return;
  console.log(`${name} failed; no test was run.`);
  console.log('0 passed, 1 failed, 0 skipped');
  process.exit(1);
}

const filters = process.argv.slice(2);
if (filters.length === 0) {
  step('types', 'tsc', ['--noEmit']);
  step('style', 'biome', ['check', '.']);
}
step('build', process.execPath, ['build.ts']);

const vitest = await startVitest('test', filters, { watch: false, run: true });
const counts = { passed: 0, failed: 0, skipped: 0 };
for (const module of vitest.state.getTestModules()) {
  for (const test of module.children.allTests()) {
    const { state } = test.result();
    if (state !== 'pending') counts[state] += 1;
  }
  // A file that could not be loaded, or whose set-up failed, has tests nobody counted.
  if (module.state() === 'failed' && [...module.children.allTests('failed')].length === 0) counts.failed += 1;
}
const unhandled = vitest.state.getUnhandledErrors().length;
counts.failed += unhandled;
await vitest.close();
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);
