/** The real command line as a child process, in a directory and an environment of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const MAIN = join(import.meta.dirname, '../../src/cli/main.ts');

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Surroundings {
  readonly directory: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
}

export function spawnCli(args: readonly string[], { directory, environment }: Surroundings) {
  return spawn(process.execPath, [MAIN, ...args], { cwd: directory, env: { ...environment }, stdio: 'pipe' });
}

export async function runCli(args: readonly string[], surroundings: Surroundings): Promise<Ran> {
  const child = spawnCli(args, surroundings);
  child.stdin.end(surroundings.input ?? '');
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code: child.exitCode, out: out.trimEnd(), err: err.trimEnd() };
}
