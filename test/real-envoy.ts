/**
 * The real Envoy for the tests that need one: its path, and running it on a configuration. Absent, tests are skipped with a
 * line that says how to get it; where `CI=true` that is a failure.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '../src/journal/documents.ts';
import { defaultCacheDir, fetchEnvoy } from '../src/local/envoy-binary.ts';

/** Fetches it if need be (once a machine). Throws under `CI=true` when there is none to be had. */
export async function realEnvoy(): Promise<string | undefined> {
  const { MESHWRIGHT_ENVOY: named, PATH: searchPath, XDG_CACHE_HOME, CI } = process.env;
  const found = await fetchEnvoy({
    cacheDir: defaultCacheDir(XDG_CACHE_HOME),
    onProgress: (sentence) => console.log(sentence),
    ...(named === undefined ? {} : { named }),
    ...(searchPath === undefined ? {} : { searchPath }),
  });
  if (found.ok) return found.path;
  if (CI === 'true') throw new Error(found.message);
  console.warn(`Skipped, for want of a real Envoy: ${found.message}`);
  return undefined;
}

export interface RunningEnvoy {
  /** What it has written to its standard output: access logs. */
  readonly output: () => string;
  readonly stop: () => Promise<void>;
}

/** Resolves once every port of `listening` (on 127.0.0.1) takes connections. Rejects with Envoy's last words if it ends before. */
export async function runEnvoy(path: string, configuration: JsonObject, listening: readonly number[]): Promise<RunningEnvoy> {
  const folder = await mkdtemp(join(tmpdir(), 'meshwright-envoy-'));
  const file = join(folder, 'envoy.json');
  await writeFile(file, JSON.stringify(configuration));
  // Access logs are to be read at once.
  const quickly = ['--file-flush-interval-msec', '50'];
  const child = spawn(path, ['-c', file, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'error', ...quickly], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit');
  let words = '';
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => {
    words = `${words}${chunk}`.slice(-2000);
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  const early = ended.then(() => Promise.reject(new Error(`Envoy ended: ${words}`)));
  // Later ends are no news.
  early.catch(() => undefined);
  try {
    for (const port of listening) await Promise.race([takesConnections(port, () => child.exitCode === null), early]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { output: () => output, stop };
}

/** Ports of 127.0.0.1 that were free a moment ago, no two the same. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const at = server.address();
    return typeof at === 'object' && at !== null ? at.port : 0;
  });
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

async function takesConnections(port: number, alive: () => boolean): Promise<void> {
  while (alive()) {
    const socket = connect(port, '127.0.0.1');
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
