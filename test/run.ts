/**
 * `npm test`: types, style, a build of what is shipped, then every test. The last line is
 * `N passed, N failed, N skipped`; what is skipped says by name which component is missing and how to get it.
 */
import { spawnSync } from 'node:child_process';
import { runCounted } from './counted.ts';

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

await runCounted(filters);
