/**
 * Real parts for the tests of the xds server: the Envoy binary (fetched once into a cache outside the project), Envoys
 * bootstrapped as users do it, backends that say who they are, and requests over fresh connections.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { renderBootstrap } from '../../src/dataplanes/envoy/bootstrap.ts';
import type { EnvoyNode } from '../../src/dataplanes/envoy/resources.ts';
import { defaultCacheDir, fetchEnvoy } from '../../src/local/envoy-binary.ts';
import { type EncodeResource, loadEncoder } from '../../src/xds/protobuf.ts';
import { cachedDescriptors } from '../../src/xds/protobuf-build.ts';

/** undefined: not to be had here, which is said on stderr; with CI=true that fails. */
export async function envoyForTests(): Promise<string | undefined> {
  const { MESHWRIGHT_ENVOY: named, PATH: searchPath, XDG_CACHE_HOME, CI } = process.env;
  const found = await fetchEnvoy({
    cacheDir: defaultCacheDir(XDG_CACHE_HOME),
    onProgress: (sentence) => console.error(sentence),
    ...(named === undefined ? {} : { named }),
    ...(searchPath === undefined ? {} : { searchPath }),
  });
  if (found.ok) return found.path;
  if (CI === 'true') throw new Error(`Envoy is needed here: ${found.message}`);
  console.error(`Tests with a real Envoy are skipped. ${found.message}`);
  return undefined;
}

export async function testEncoder(): Promise<EncodeResource> {
  return loadEncoder(await readFile(await cachedDescriptors()));
}

export interface RunningEnvoy {
  readonly process: ChildProcess;
  /** All that it has written. */
  readonly log: () => string;
  stop(): Promise<void>;
}

/** `token`: what it shows the server; `admin`: the port of its admin interface. */
export async function startEnvoy(
  binary: string,
  node: EnvoyNode,
  xdsPort: number,
  { token, admin }: { token?: string; admin?: number } = {},
): Promise<RunningEnvoy> {
  const file = join(tmpdir(), `meshwright-envoy-${process.pid}-${node.id}-${Math.random().toString(36).slice(2)}.json`);
  const bootstrap = renderBootstrap({
    node,
    xds: { address: '127.0.0.1', port: xdsPort },
    ...(token === undefined ? {} : { token }),
    ...(admin === undefined ? {} : { admin: { address: '127.0.0.1', port: admin } }),
  });
  await writeFile(file, JSON.stringify(bootstrap));
  // Access logs are to be read at once.
  const quickly = ['--file-flush-interval-msec', '50'];
  const child = spawn(binary, ['-c', file, '--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'info', ...quickly], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk));
  return {
    process: child,
    log: () => log,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
      }
      await rm(file, { force: true });
    },
  };
}

export interface Backend {
  readonly port: number;
  stop(): Promise<void>;
}

/** Answers every request with `name`. */
export async function startBackend(name: string): Promise<Backend> {
  const server = createServer((_request, response) => response.end(name));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: portOf(server), stop: () => closed(server) };
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** One request over a connection of its own; rejects if there is no answer. */
export function get(port: number, host: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, agent: false, headers: { host } }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    asked.on('error', reject).end();
  });
}

/** How often each backend answered; any status but 200 counts under that status. */
export async function tally(port: number, host: string, requests: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let sent = 0; sent < requests; sent += 20) {
    const answers = await Promise.all(Array.from({ length: Math.min(20, requests - sent) }, () => get(port, host)));
    for (const { status, body } of answers) {
      const key = status === 200 ? body : String(status);
      counts[key] = (counts[key] ?? 0) + 1;
    }
  }
  return counts;
}

function portOf(server: { address(): AddressInfo | string | null }): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not bound to a port');
  return address.port;
}

async function closed(server: Server): Promise<void> {
  const done = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await done;
}
