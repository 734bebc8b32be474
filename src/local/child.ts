/**
 * A child process that does not outlive its parent, however the parent goes: programs of our own watch the pipe that is
 * their standard input, others run under a shell that does.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

export interface ChildOptions {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** What it prints goes there. */
  readonly logFile: string;
  readonly onLine?: (line: string) => void;
}

export interface Child {
  readonly process: ChildProcess;
  /** Resolves with the exit code, or 1 when a signal ended it. */
  readonly ended: Promise<number>;
  /** Asks it to stop; makes it after `withinMs`. */
  stop(withinMs?: number): Promise<void>;
}

/** Our own programs end when their standard input does. */
export function startProgram(options: ChildOptions): Child {
  return start(options.command, options.arguments, options);
}

/** Other people's programs know nothing of us: a shell reads the pipe beside them and takes them along when it closes. */
export function startGuarded(options: ChildOptions): Child {
  const guard =
    '"$@" </dev/null & child=$!; trap "kill $child" TERM; (cat >/dev/null; kill $child 2>/dev/null) <&3 & exec 3<&-; wait $child';
  return start('sh', ['-c', `exec 3<&0; ${guard}`, 'guard', options.command, ...options.arguments], options);
}

function start(command: string, argv: readonly string[], options: ChildOptions): Child {
  const child = spawn(command, argv, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...options.environment } });
  const log = createWriteStream(options.logFile, { flags: 'a' });
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      log.write(`${line}\n`);
      options.onLine?.(line);
    });
  }
  // A child that is gone takes its end of the pipe along; that is said by `ended`.
  child.stdin.on('error', () => {});
  const ended = new Promise<number>((resolve) => {
    child.once('error', (error) => {
      log.end(`${error.message}\n`);
      resolve(1);
    });
    child.once('close', (code) => {
      log.end();
      resolve(code ?? 1);
    });
  });
  return {
    process: child,
    ended,
    async stop(withinMs = 8_000) {
      child.stdin.end();
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), withinMs);
      await ended;
      clearTimeout(timer);
    },
  };
}
