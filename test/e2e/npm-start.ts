/** `npm start` as a user runs it: the shipped program in a process group of its own, as under a terminal, and what it says. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from '../real-envoy.ts';
import { DIST } from './installation.ts';
import { descendantsOf, isRunning } from './processes.ts';
import { until } from './until.ts';

export interface Start {
  readonly pid: number;
  /** So far. */
  readonly output: () => { readonly stdout: string; readonly stderr: string };
  /** What descends from it now. */
  readonly descendants: () => readonly number[];
  /** Once it has said what to try next. */
  up(): Promise<void>;
  /** What a terminal does: the signal goes to the whole group. */
  interrupt(): void;
  /** SIGKILL, to it alone. */
  kill(): void;
  /** Ends what `kill` has wrongly left behind, so that a test that fails leaves nothing. */
  mopUp(): void;
  /** The exit code; null when a signal ended it. */
  readonly ended: Promise<number | null>;
}

export interface Home {
  readonly folder: string;
  /** `<folder>/.meshwright`. */
  readonly state: string;
  readonly url: string;
  /** Starts it there, on ports that are the same each time. */
  start(...more: readonly string[]): Start;
  /** What `npx meshwright …` prints there. Rejects when it fails. */
  meshwright(...argv: readonly string[]): Promise<string>;
  token(): Promise<string>;
  /** Ends what is left of what was started here, and removes the folder. */
  leave(): Promise<void>;
}

export async function home(): Promise<Home> {
  const folder = await mkdtemp(join(tmpdir(), 'meshwright-home-'));
  const state = join(folder, '.meshwright');
  const [port = 0, ads = 0, door = 0] = await freePorts(3);
  const url = `http://localhost:${port}`;
  const ports = ['--port', `${port}`, '--xds-port', `${ads}`, '--xds-door-port', `${door}`];
  const started: Start[] = [];
  return {
    folder,
    state,
    url,
    start(...more) {
      const start = run(folder, [...ports, '--state', state, ...more]);
      started.push(start);
      return start;
    },
    async meshwright(...argv) {
      const environment = { ...process.env, MESHWRIGHT_URL: url };
      return (await promisify(execFile)(process.execPath, [join(DIST, 'cli', 'main.js'), ...argv], { cwd: folder, env: environment }))
        .stdout;
    },
    token: async () => (await readFile(join(state, 'token'), 'utf8')).trim(),
    async leave() {
      for (const start of started) {
        start.mopUp();
        if (!isRunning(start.pid)) continue;
        start.interrupt();
        await start.ended;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function run(folder: string, argv: readonly string[]): Start {
  let orphaned: readonly number[] = [];
  const child = spawn(process.execPath, [join(DIST, 'local', 'main.js'), ...argv], { cwd: folder, detached: true, stdio: 'pipe' });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk));
  child.stderr.on('data', (chunk: Buffer) => (said.stderr += chunk));
  const { pid } = child;
  if (pid === undefined) throw new Error('The program could not be started.');
  let hasEnded = false;
  const ended = once(child, 'close').then(() => {
    hasEnded = true;
    return child.exitCode;
  });
  return {
    pid,
    output: () => said,
    descendants: () => descendantsOf(pid),
    async up() {
      await until('it says what to try next', () => hasEnded || said.stdout.includes('Ctrl-C stops everything'), 90_000);
      if (hasEnded) throw new Error(`It ended at its start: ${said.stderr}`);
    },
    interrupt: () => process.kill(-pid, 'SIGINT'),
    kill() {
      orphaned = descendantsOf(pid);
      child.kill('SIGKILL');
    },
    mopUp() {
      for (const orphan of orphaned.filter(isRunning)) process.kill(orphan, 'SIGKILL');
    },
    ended,
  };
}
