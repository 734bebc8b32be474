/**
 * `npm run lint:infra`: the templates by Bicep's own compiler and linter where there is one, and always by the tests of this project. Ends with 1
 * where either finds something.
 */
import { spawnSync } from 'node:child_process';

const MAIN = 'infra/main.bicep';
const COMPILERS = [
  { name: 'bicep', command: 'bicep', version: ['--version'], build: ['build', MAIN, '--stdout'], lint: ['lint', MAIN] },
  {
    name: 'az bicep',
    command: 'az',
    version: ['bicep', 'version'],
    build: ['bicep', 'build', '--file', MAIN, '--stdout'],
    lint: ['bicep', 'lint', '--file', MAIN],
  },
];

const runs = (command: string, argv: readonly string[], stdio: 'ignore' | 'inherit' | ['ignore', 'ignore', 'inherit']): boolean =>
  spawnSync(command, argv, { stdio }).status === 0;

function compiled(): boolean {
  const compiler = COMPILERS.find(({ command, version }) => runs(command, version, 'ignore'));
  if (!compiler) {
    console.log('Neither bicep nor az bicep is here: the compiler has not seen the templates (https://aka.ms/bicep-install).');
    return true;
  }
  console.log(`> ${compiler.name} build and lint`);
  // What it builds is of no use here; what it says of it is on stderr.
  return runs(compiler.command, compiler.build, ['ignore', 'ignore', 'inherit']) && runs(compiler.command, compiler.lint, 'inherit');
}

const isCompiled = compiled();
const isTested = runs('vitest', ['run', 'test/infra'], 'inherit');
process.exitCode = isCompiled && isTested ? 0 : 1;
